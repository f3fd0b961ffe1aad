"""A run that samples: prompts -> embeddings -> tokens of many candidates -> the best of them, refined if asked for.

`SampleJob` has the interface of `api.Job`, and is made in the same place. It knows nothing of how pictures are
optimised: refining goes through a job whose class it is given. Nothing here writes a file.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from typing import Any, Protocol

import torch
from torch import nn

from fastclipgen.clip_gen import networks, prepare
from fastclipgen.clip_gen.draw import Drawer, Way
from fastclipgen.clip_gen.results import Sample, Seen, refined, sampled
from fastclipgen.config import defaults
from fastclipgen.config.aims import own_settings
from fastclipgen.config.run import RunConfig
from fastclipgen.config.sampling import REFINING
from fastclipgen.engine import compile_choice
from fastclipgen.engine.device import PRECISIONS, deterministic_mode, resolve_device, resolve_precision
from fastclipgen.generators import registry
from fastclipgen.generators.base import Params
from fastclipgen.guidance.targets import encode_picture
from fastclipgen.ops import library
from fastclipgen.ops.cosine_loss import cosine_loss
from fastclipgen.perceptors.auto import LoadedPerceptor, decided, resolve
from fastclipgen.perceptors.given import adopt, shown
from fastclipgen.result import Picture, Result
from fastclipgen.sampling.rerank import rerank
from fastclipgen.sampling.sampler import TokenInfo
from fastclipgen.weights.published import fetched

Callback = Callable[[Any], object]
"""Called with a TokenInfo after every token, and with a StepInfo after every step of refining; True stops the run."""


class Refiner(Protocol):
    """What is needed of `api.Job`."""

    config: RunConfig
    batch: int
    compiling: compile_choice.Choice

    def optimise(
        self,
        pictures: Sequence[Picture],
        params: Params | None,
        callbacks: Sequence[Callback] = (),
        interrupted: Callable[[], bool] | None = None,
    ) -> Iterator[list[Result]]: ...


class SampleJob:
    """A run that is ready to sample: settings resolved, models loaded, prompts embedded, memory planned.

    refiner(config, models=..., perceptors=..., notice=...): makes the job that optimises samples; models(loaded,
    network): what it takes as `models`; perceptors, notice: as of api.Job. Raises UserError for whatever cannot work,
    before the first token.
    """

    def __init__(
        self,
        config: RunConfig,
        refiner: Callable[..., Refiner],
        models: Callable[[Sequence[LoadedPerceptor], nn.Module], Any],
        *,
        perceptors: Sequence[Any] | None = None,
        notice: Callable[[str], None],
    ) -> None:
        self.notice = notice
        networks.check_weights(config.clip_gen or "")
        registry.check_weights(prepare.REFINER, config.vqgan)
        self.device = resolve_device(config.device)
        dtype = resolve_precision(config.precision, self.device)
        library.check_backend(config.backend, self.device)
        config = defaults.resolve_sampling(config, secrets.randbits(32) if config.seed is None else config.seed)
        vqgan: Any = registry.load_weights(prepare.REFINER, config.vqgan or "", notice)
        vqgan.draw_in(dtype)
        self.networks = networks.join(
            networks.load_transformer(fetched(config.clip_gen or "", "clip-gen", notice)).to(self.device, dtype),
            vqgan.to(self.device, memory_format=torch.channels_last),  # as generator vqgan has it
        )
        side = self.networks.side
        prepare.check_size(config, side)
        if perceptors is None:
            self.loaded = resolve(config.clip, self.device, dtype, notice)
            clip = decided(config.clip, self.loaded)
        else:
            self.loaded, clip = adopt(perceptors, self.device, dtype), []
        self.given = [] if perceptors is None else ["perceptors"]
        self.eye = self.loaded[0].perceptor
        networks.check_perceptor(self.networks.transformer, self.eye)
        precision = next(key for key, value in PRECISIONS.items() if value == dtype)
        config = config.model_copy(update={"clip": clip, "width": side, "height": side, "precision": precision})
        self.refiner = None
        if config.refine:
            ready = models(self.loaded, self.networks.vqgan)
            self.refiner = refiner(prepare.refining(config), models=ready, perceptors=perceptors, notice=notice)
        self.compiling = prepare.compiling(config, self.device) if self.refiner is None else self.refiner.compiling
        prompts = config.prompts or [""]
        self._rows = {prompt: row for row, prompt in enumerate(prompts)}  # of the aims
        self.asked = [  # a prompt and a seed each
            Picture(prompt, (config.seed or 0) + index, index)
            for index, prompt in enumerate(p for p in prompts for _ in range(config.count))
        ]
        self.layout = prepare.layout_of(config, self.networks, len(self.asked), self.device, notice)
        rows = config.rows if config.deterministic else self.layout.rows
        self.config = config.model_copy(update={"rows": rows, "compile": "on" if self.compiling.on else "off"})
        # in order; those of one prompt and seed from the best to the worst
        self.pictures = [self._kept(picture, rank) for picture in self.asked for rank in range(self._keep)]
        self.aims = prepare.aims_of(config, self.eye, self.device, notice)
        way = Way(self.compiling.on, strict=config.compile == "on")
        self.drawer = Drawer(self.networks.transformer, self.layout.rows, prepare.choice_of(config), way, notice)

    @property
    def candidates(self) -> list[int]:
        """The numbers of the candidates that are drawn for every picture."""
        config = self.config
        return list(range(config.candidates or 1)) if config.candidate is None else [config.candidate]

    @property
    def clips(self) -> list[str]:
        """The models that guide, as they are shown and stored."""
        return shown(self.loaded, bool(self.given))

    @property
    def steps(self) -> int:
        """Steps of every picture after it was sampled."""
        return self.config.refine or 0

    def ticks(self, steps: int) -> int:
        """How often callbacks are called where pictures take so many steps."""
        requests, group = len(self.asked), self.layout.group
        tokens = self.layout.batches(requests, len(self.candidates)) * self.networks.transformer.geometry.block
        if self.refiner is None:
            return tokens
        groups = [min(group, requests - first) for first in range(0, requests, group)]
        return tokens + steps * sum(-(-self._keep * size // self.refiner.batch) for size in groups)

    def settings(self, picture: Picture, candidate: int = 0) -> dict[str, Any]:
        """What is stored in the file of one picture: the run's settings as if it had been asked for alone."""
        steps = {} if self.refiner is None else {name: getattr(self.refiner.config, name) for name in REFINING}
        alone = own_settings(picture.prompt) | {"seed": picture.seed, "keep": 1, "candidate": candidate}
        return self.config.model_copy(update=steps | alone).model_dump(mode="json")

    def run(
        self, callbacks: Sequence[Callback] = (), interrupted: Callable[[], bool] | None = None
    ) -> Iterator[list[Result]]:
        """Make the pictures, some prompts at a time, in order. Where a callback stops the run while tokens are drawn,
        the best of the candidates that are finished are its last pictures; `interrupted` is asked between prompts and
        by the optimisation."""
        return self.draw(self.asked, callbacks, interrupted)

    def draw(
        self,
        asked: Sequence[Picture],
        callbacks: Sequence[Callback] = (),
        interrupted: Callable[[], bool] | None = None,
    ) -> Iterator[list[Result]]:
        """`run` for these prompts, each one of the run's, and seeds; `keep` pictures of each."""
        stopped = False

        def watch(info: TokenInfo) -> bool:
            nonlocal stopped
            answers = [callback(info) for callback in callbacks]  # all of them see every token
            stopped = any(answer is True for answer in answers)
            return stopped

        def over() -> bool:
            return stopped or (interrupted is not None and interrupted())

        with self._modes():
            for first in range(0, len(asked), self.layout.group):
                if first and over():
                    return
                samples = self._sample(asked[first : first + self.layout.group], watch)
                if self.refiner is not None:
                    yield from self._refined(self.refiner, samples, callbacks, over)
                elif samples:
                    yield [self._result(sample) for sample in samples]

    @contextmanager
    def _modes(self) -> Iterator[None]:
        """What a run sets for the whole process."""
        config = self.config
        with (
            library.using(config.backend, self.device),
            deterministic_mode() if config.deterministic else nullcontext(),
        ):
            yield

    @torch.no_grad()
    def _sample(self, asked: Sequence[Picture], watch: Callable[[TokenInfo], bool]) -> list[Sample]:
        """The kept candidates of prompts and seeds that go together; none where none was finished."""
        prompts = [self._rows[picture.prompt] for picture in asked]
        seeds = torch.tensor([picture.seed for picture in asked], dtype=torch.int64, device=self.device)
        numbers = self.candidates
        tokens = self.drawer.draw(self.aims.conditions[prompts], seeds, numbers, watch)
        if tokens is None:
            return []
        ranked = rerank(
            self.networks.decode,
            self.eye,
            (self.aims.conditions if self.config.rank_by == "condition" else self.aims.wanted)[prompts],
            tokens,
            min(self._keep, tokens.shape[1]),
            batch=self.layout.decoded,
            views=self.config.rank_views or 1,
            compat_clip_gen=self.config.compat_clip_gen,
        )
        return [
            Sample(
                self._kept(picture, rank),
                numbers[candidate],
                rank + 1 if self.config.candidate is None else None,
                similarity,
                ranked.tokens[row, rank],
            )
            for row, picture in enumerate(asked)
            for rank, (candidate, similarity) in enumerate(
                zip(ranked.candidates[row].tolist(), ranked.similarities[row].tolist(), strict=True)
            )
        ]

    @torch.no_grad()
    def _result(self, sample: Sample) -> Result:
        """The picture of a sample, decoded alone: made again it will be alone, and a batch may round otherwise."""
        image = ((self.networks.decode(sample.tokens[None])[0] + 1) / 2).clamp(0, 1)
        own = self._rows[sample.picture.prompt]
        targets = self.aims.targets.at(torch.tensor([own], device=self.device))
        seen = encode_picture(self.eye, image)[None, None]  # [1, 1, E]
        loss, similarities = cosine_loss(
            seen, targets.embeddings, targets.weights, targets.stops, "cosine", prompt_mean=not self.config.prompt_sum
        )
        values = similarities[0, 0, : self.aims.counts[own]].tolist()
        settings = self.settings(sample.picture, sample.candidate)
        return sampled(sample, Seen(image, float(loss), values), self.clips, self.eye.name, settings, self.given)

    def _refined(
        self, refiner: Refiner, samples: list[Sample], callbacks: Sequence[Callback], over: Callable[[], bool]
    ) -> Iterator[list[Result]]:
        """The pictures of samples after steps from their codes."""
        if not samples:
            return
        codes = self.networks.codes(torch.stack([sample.tokens for sample in samples]))
        of = {sample.picture.index: sample for sample in samples}
        for batch in refiner.optimise([sample.picture for sample in samples], {"z": codes}, callbacks, over):
            pairs = [(result, of[result.index]) for result in batch]
            yield [refined(one, sample, self.settings(sample.picture, sample.candidate)) for one, sample in pairs]

    @property
    def _keep(self) -> int:
        return self.config.keep or 1

    def _kept(self, asked: Picture, rank: int) -> Picture:
        """The picture that a kept candidate becomes; its index counts what was kept of those asked for before it."""
        return replace(asked, index=asked.index * self._keep + rank)
