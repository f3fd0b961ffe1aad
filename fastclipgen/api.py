"""From settings to pictures: loads the guides, makes the generator, plans batches, runs the engine.

`generate` is the one call; `make_job` is the same in two steps, for those who want to see the resolved settings, save
pictures as they finish, or be interrupted: it gives a `Job`, or a `SampleJob` for clip-gen (clip_gen/). Nothing here
writes a file.
"""

from __future__ import annotations

import secrets
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from fastclipgen.clip_gen.job import SampleJob
from fastclipgen.config import defaults, edits, presets, resources
from fastclipgen.config.aims import Aims, own_settings
from fastclipgen.config.checks import check_names, check_start
from fastclipgen.config.gan import loss_scale
from fastclipgen.config.run import WEIGHTS, RunConfig, make_config
from fastclipgen.config.sampling import CLIP_GEN
from fastclipgen.engine import compile_choice, compiled, optimizers
from fastclipgen.engine.device import PRECISIONS, deterministic_mode, resolve_device, resolve_precision
from fastclipgen.engine.ema import Ema, KeepBest
from fastclipgen.engine.engine import Callback, Engine
from fastclipgen.engine.plateau import Plateau
from fastclipgen.engine.recipe import Guide, Recipe, Task
from fastclipgen.engine.schedule import parse_schedule
from fastclipgen.engine.step import fit_spec
from fastclipgen.engine.stepper import Way
from fastclipgen.engine.warm_up import WarmUp, warm_up
from fastclipgen.errors import UserError
from fastclipgen.generators import registry
from fastclipgen.generators.base import Generator, Params
from fastclipgen.generators.module import as_generator
from fastclipgen.guidance.prompts import parse_target
from fastclipgen.ops import library
from fastclipgen.ops.cutout_params import preset
from fastclipgen.outputs.load import fit, load_image
from fastclipgen.perceptors import auto, resolve
from fastclipgen.perceptors.auto import LoadedPerceptor
from fastclipgen.perceptors.given import adopt, shown
from fastclipgen.result import Picture, Result, finished


def to_stderr(line: str) -> None:
    """What hears of a run where nobody else does."""
    print(f"fastclipgen: {line}", file=sys.stderr)


class Models(NamedTuple):
    """What a run needs and has loaded already: the perceptors, and the network that its generator draws with."""

    loaded: Sequence[LoadedPerceptor]
    network: nn.Module


class Job:
    """A run that is ready to start: settings resolved, models loaded, memory planned.

    generator: an nn.Module to use instead of a named one (see generators.module); perceptors: modules with encode_image
    and encode_text to use instead of `clip` (see perceptors.base), each alone or with a weight; start: a picture
    [3, H, W] in 0..1 instead of a path; models: what the settings name, where it is loaded already. Raises UserError
    for whatever cannot work, before the first step.
    """

    def __init__(
        self,
        config: RunConfig,
        *,
        generator: nn.Module | None = None,
        perceptors: Sequence[Any] | None = None,
        start: Tensor | None = None,
        models: Models | None = None,
        notice: Callable[[str], None] = to_stderr,
    ) -> None:
        self.notice = notice
        check_names(config, generator is not None)
        self.device = resolve_device(config.device)
        dtype = resolve_precision(config.precision, self.device)
        library.check_backend(config.backend, self.device)
        if models is not None:
            self.loaded = list(models.loaded)
        elif perceptors is None and config.preset and not config.clip:
            clip, self.loaded = auto.resolve_available(presets.CLIPS[config.preset], self.device, dtype, notice)
            config = config.model_copy(update={"clip": clip})
        elif perceptors is None:
            config = config.model_copy(update={"clip": config.clip or _clip_of_weights(config)})
            self.loaded = resolve(config.clip, self.device, dtype, notice)
        else:
            self.loaded = adopt(perceptors, self.device, dtype)
        builtin = any(one.is_builtin for one in self.loaded)
        own = _own_generator(generator, config)
        name = type(generator).__name__ if generator is not None else defaults.resolve_generator(config, builtin)
        decided: dict[str, Any] = {"precision": next(key for key, value in PRECISIONS.items() if value == dtype)}
        if perceptors is None:
            decided["clip"] = auto.decided(config.clip, self.loaded)
        if own is not None:
            decided |= {"width": own.width, "height": own.height}
        if start is not None:
            decided |= {"starts": 1, "tracks": 1, "finalists": 1}
        config = config.model_copy(update=decided)
        seed = secrets.randbits(32) if config.seed is None else config.seed
        rates = {kind: rule.default_lr for kind, rule in optimizers.OPTIMIZERS.items()}
        self.config = config = defaults.resolve(config, name, builtin, seed, rates)
        prompts = config.prompts or [""]
        self.pictures = [
            Picture(prompt, seed + index, index)
            for index, prompt in enumerate(p for p in prompts for _ in range(config.count))
        ]
        network = self._network_generator(models, dtype) if config.generator in WEIGHTS and own is None else None
        config = self.config
        # before anything of the run's size is made
        eyes = [one.perceptor for one in self.loaded]
        with library.using(config.backend, self.device):
            self.batch, cut = resources.plan_memory(config, eyes, len(self.pictures), self.device, network)
        first = self._start(start)
        self.generator = (own or network or self._named_generator()).to(self.device)
        self.aims = Aims(config, eyes, self.generator, first, self.device, notice)
        given = {"generator": generator, "perceptors": perceptors, "start": start}
        self.given = [name for name, value in given.items() if value is not None]
        self.recipe = self._recipe()
        # a module of the user's may do more at each call than a recorded step would repeat
        own_module = generator is not None or perceptors is not None
        self.compiling = resources.choose_compiling(
            config, self.recipe.guides, self.batch, self.batches, self.device, own_module
        )
        self.config = config.model_copy(update={"compile": "on" if self.compiling.on else "off"})
        self.engine = Engine(
            self.recipe,
            parse_schedule(config.schedule, config.warmup).evaluate(config.steps or 0, config.learning_rate or 0.0),
            config.starts or 1,
            config.tracks or 1,
            Way(cut, self.compiling.on, strict=config.compile == "on", graph=not own_module),
            self.notice,
            config.finalists,
        )

    @property
    def batches(self) -> int:
        """How many times the steps are run: pictures that do not fit together go one batch after the other."""
        return -(-len(self.pictures) // self.batch)

    @property
    def clips(self) -> list[str]:
        """The models that guide, as they are shown and stored."""
        return shown(self.loaded, "perceptors" in self.given)

    @property
    def steps(self) -> int:
        """Steps of every picture."""
        return self.config.steps or 0

    def ticks(self, steps: int) -> int:
        """How often callbacks are called where pictures take so many steps."""
        return steps * self.batches

    def settings(self, picture: Picture) -> dict[str, Any]:
        """What is stored in the file of one picture: the run's settings as if it had been asked for alone."""
        own = own_settings(picture.prompt) | {"seed": picture.seed}
        if picture.init is not None:
            own |= {"init": picture.init, "init_over": picture.over}
        return self.config.model_copy(update=own).model_dump(mode="json")

    def run(
        self, callbacks: Sequence[Callback] = (), interrupted: Callable[[], bool] | None = None
    ) -> Iterator[list[Result]]:
        """Make the pictures, a batch at a time, in order. A batch that is interrupted gives what it has; no other
        begins after it."""
        return self.draw(self.pictures, callbacks, interrupted)

    def draw(
        self,
        pictures: Sequence[Picture],
        callbacks: Sequence[Callback] = (),
        interrupted: Callable[[], bool] | None = None,
    ) -> Iterator[list[Result]]:
        """`run` for these pictures instead of the job's own."""
        return self.optimise(pictures, None, callbacks, interrupted)

    def optimise(
        self,
        pictures: Sequence[Picture],
        params: Params | None,
        callbacks: Sequence[Callback] = (),
        interrupted: Callable[[], bool] | None = None,
        starts: Tensor | None = None,
    ) -> Iterator[list[Result]]:
        """`run` for these pictures instead of the job's own, from `params`, a row for each picture (None: from the
        start picture, or their seeds), or from `starts`, a start picture for each, [N, 3, H, W] in the run's size."""
        with self._modes():
            for first in range(0, len(pictures), self.batch):
                if interrupted is not None and interrupted() and first:
                    return
                batch = pictures[first : first + self.batch]
                task, start = self._task(batch, None if starts is None else starts[first : first + len(batch)])
                if params is not None:
                    start = {name: value[first : first + len(batch)] for name, value in params.items()}
                result = self.engine.run(task, start, callbacks, interrupted)
                if not self.engine.stepper.way.compiled:  # it may have failed
                    self.config = self.config.model_copy(update={"compile": "off"})
                yield [
                    finished(p, result, row, self.settings(p), self.aims.names(p.prompt), self.clips, self.given)
                    for row, p in enumerate(batch)
                ]

    def foretell(self, pictures: int) -> tuple[int, float]:
        """(bytes, seconds) that a batch of so many pictures takes, as far as it can be told without drawing any."""
        config = self.config
        network = self.generator if config.generator in WEIGHTS else None
        eyes = [one.perceptor for one in self.loaded]
        size = resources.estimate_memory(config, eyes, pictures, self.device, network).total * (config.tracks or 1)
        costs = resources.costs_of_step(config, self.recipe.guides, pictures, self.device)
        step = costs.step * (1 - costs.gain) if self.compiling.on else costs.step
        return size, self.steps * step

    def warm_up(self) -> WarmUp:
        """Compile the step of this run, fill the disk cache, and remember what it cost and what it gains; no picture is
        made. Raises UserError where compiling fails."""
        with self._modes():
            found = warm_up(self.engine, *self._task(self.pictures[: self.batch]))
        kind = resources.kind_of_step(self.config, self.batch, self.device)
        compile_choice.remember(compiled.cache_folder(), kind, found.costs)
        return found

    @contextmanager
    def _modes(self) -> Iterator[None]:
        """What a run sets for the whole process."""
        if self.compiling.on:
            compiled.use_cache_folder()
        config = self.config
        with (
            library.using(config.backend, self.device),
            deterministic_mode() if config.deterministic else nullcontext(),
        ):
            yield

    def _start(self, start: Tensor | None) -> Tensor | None:
        """The start picture [3, H, W] in the run's size."""
        check_start(start, self.config)
        if start is None:
            return load_start(self.config, self.notice)
        return fit(start.float(), self.config.height or 1, self.config.width or 1)

    def _named_generator(self) -> Generator:
        config = self.config
        size = config.height or 1, config.width or 1
        return registry.create(config.generator, *size, config.optimizer, **config.generator_options)

    def _network_generator(self, models: Models | None, dtype: torch.dtype) -> Generator:
        """One that draws with weights from a file, in the run's precision. Decides a size that was left open."""
        config = self.config
        weights = getattr(config, config.generator)
        made_by = registry.generator_class(config.generator)
        settings = {name: getattr(config, name) for name in made_by.weights_settings}
        model = models.network if models else registry.load_weights(config.generator, weights, self.notice, **settings)
        size = (config.height, config.width) if config.height and config.width else made_by.size_of(model)
        self.config = config.model_copy(update={"height": size[0], "width": size[1]})
        made = registry.create(config.generator, *size, config.optimizer, model, **config.generator_options)
        made.draw_in(dtype)
        return made

    def _recipe(self) -> Recipe:
        config = self.config
        scale = loss_scale(config)
        decay = {} if config.weight_decay is None else {"weight_decay": config.weight_decay}
        spec, views = preset(config.cutouts, config.augments), (config.views or 1) * config.batches

        def guide(one: LoadedPerceptor) -> Guide:
            return Guide(
                one.perceptor, scale * one.weight, views, fit_spec(spec, self.generator, one.perceptor.image_size)
            )

        return Recipe(
            generator=self.generator,
            guides=self.aims.guides([guide(one) for one in self.loaded]),
            optimizer=optimizers.create(config.optimizer, **decay),
            loss=config.loss,
            prompt_mean=not config.prompt_sum,
            constraints=self.aims.constraints(),
            pulls=self.aims.pulls,
            recut=self.aims.recut,
            edits=edits.load(config, self.generator, self.device, self.notice),
            ema=Ema(config.ema),
            best=KeepBest() if config.keep_best else None,
            plateau=None if config.auto_stop is None else Plateau(config.auto_stop),
            deterministic=config.deterministic,
            shared_seed=config.seed or 0,
        )

    def _task(self, pictures: Sequence[Picture], starts: Tensor | None = None) -> tuple[Task, Params | None]:
        prompts, seeds = [picture.prompt for picture in pictures], [picture.seed for picture in pictures]
        return self.aims.task(prompts, seeds, self.compiling.on, starts)


def load_start(config: RunConfig, notice: Callable[[str], None]) -> Tensor | None:
    """The start picture [3, H, W] that settled settings name, with what lies over it; None where they name none. Raises
    UserError for a file that cannot be read."""
    if config.init is None:
        return None
    size = config.height or 1, config.width or 1
    start = fit(load_image(config.init, notice=notice), *size)
    if config.init_over is None:
        return start
    over = parse_target(config.init_over)
    return torch.lerp(start, fit(load_image(over.path, notice=notice), *size), over.weight)


def _clip_of_weights(config: RunConfig) -> list[str]:
    """The CLIP that the generator's weights were trained with, where they need that one."""
    text = getattr(config, config.generator) if config.generator in WEIGHTS else None
    clip = registry.generator_class(config.generator).clip_of(text) if text else ""
    return [clip] if clip else []


def _own_generator(module: nn.Module | None, config: RunConfig) -> Generator | None:
    """The user's module as a generator, which decides the size; UserError where settings ask it for something else."""
    if module is None:
        return None
    if config.generator_options:
        raise UserError(
            "generator_options are for generators chosen by name, but a module was given; set its options in the module"
        )
    for name in WEIGHTS:
        if getattr(config, name) is not None:
            raise UserError(
                f"the setting '{name}' holds weights of generator '{name}', but a module was given; leave it out"
            )
    return as_generator(module, config.height, config.width)


def generate(
    prompts: str | Sequence[str] = (),
    *,
    generator: str | nn.Module = "auto",
    perceptors: Sequence[Any] | None = None,
    start: Tensor | None = None,
    size: int | tuple[int, int] | None = None,
    callbacks: Sequence[Callback] = (),
    notice: Callable[[str], None] = to_stderr,
    **settings: Any,
) -> list[Result]:
    """Pictures of the prompts, in their order, `count` of each.

    prompts: one or several; generator: a name or your own nn.Module; perceptors: your own modules instead of `clip`;
    start: a picture [3, H, W] in 0..1 to start from; size: side or (width, height) in pixels; callbacks: called after
    every step with a StepInfo (while tokens are sampled with a TokenInfo), may stop the run by returning True;
    settings: the fields of config.run.RunConfig
    (steps, seed, count, clip, views, optimizer, ...). Raises UserError.
    """
    if size is not None:
        settings["width"], settings["height"] = (size, size) if isinstance(size, int) else size
    settings["prompts"] = [prompts] if isinstance(prompts, str) else list(prompts)
    module = generator if isinstance(generator, nn.Module) else None
    config = make_config(settings | ({} if module is not None else {"generator": generator}))
    job = make_job(config, generator=module, perceptors=perceptors, start=start, notice=notice)
    if config.compile == "auto":
        notice(job.compiling.line)
    return [result for batch in job.run(callbacks) for result in batch]


def make_job(
    config: RunConfig,
    *,
    generator: nn.Module | None = None,
    perceptors: Sequence[Any] | None = None,
    start: Tensor | None = None,
    notice: Callable[[str], None] = to_stderr,
) -> Job | SampleJob:
    """The job for these settings: one that optimises, or one that samples. Arguments and errors as of `Job`."""
    if config.generator != CLIP_GEN:
        return Job(config, generator=generator, perceptors=perceptors, start=start, notice=notice)
    if generator is not None or start is not None:
        what = "a module" if generator is not None else "a start picture"
        raise UserError(
            f"generator clip-gen samples with its own networks, but {what} was given; leave one of them out"
        )
    return SampleJob(config, Job, Models, perceptors=perceptors, notice=notice)
