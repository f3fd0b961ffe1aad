"""What a run with settled settings may use of the machine: how it goes through memory, whether its step is compiled.

Unlike the rest of this folder it loads torch. Knows nothing of pictures or files.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import torch

from fastclipgen import __version__
from fastclipgen.config.aims import most_columns
from fastclipgen.config.run import RunConfig, parse_memory
from fastclipgen.engine import compile_choice, compiled, memory
from fastclipgen.engine.compile_choice import Choice, Costs
from fastclipgen.engine.micro_batch import Cut
from fastclipgen.engine.race import Race
from fastclipgen.engine.recipe import Guide
from fastclipgen.errors import UserError
from fastclipgen.generators.base import Generator
from fastclipgen.ops import library
from fastclipgen.perceptors.base import FrozenPerceptor

# The settings that decide what code a compiler makes of the step.
STEP_SETTINGS = {
    "generator", "generator_options", "vqgan", "autoencoder", "cvae", "wgan", "gan", "latent_dim", "gan_range",
    "compat", "width", "height", "clip", "views", "batches", "cutouts", "augments", "loss", "prompt_sum",
    "constraints", "optimizer", "weight_decay", "auto_stop", "ema", "keep_best", "precision", "backend", "memory",
    "image_prompt_recut", "spot", "spot_off", "target_images", "target_pixels", "init_weight", "init_weight_dist",
    "init_weight_cos", "init_weight_decay", "init_weight_pixels",
}  # fmt: skip


OPTIONS = "use a smaller --size or --clip model, fewer --views or --rows, or a smaller -n"


@contextmanager
def memory_errors(advice: str = OPTIONS) -> Iterator[None]:
    """Turns memory that runs out into a UserError that says what to do: `advice`."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not memory.is_out_of_memory(error):
            raise
        raise UserError(f"the device ran out of memory; {advice}") from error


def estimate_memory(
    config: RunConfig,
    perceptors: Sequence[FrozenPerceptor],
    pictures: int,
    device: torch.device,
    network: Generator | None = None,
) -> memory.Estimate:
    """What a step of one track of each picture takes, in one piece.

    network: the generator, where it is a large network whose backward keeps more than a few pictures.
    """
    views = config.views or 1
    with library.using(config.backend, device):
        guides = [memory.guide(perceptor, views * config.batches, device) for perceptor in perceptors]
    # all views are drawn together, but perceptors see them batch after batch
    guides = [replace(guide, activation_bytes=guide.activation_bytes // config.batches) for guide in guides]
    # spots are seen by guides of their own; image prompts cut anew have views, but nothing is kept of them
    guides *= 1 + bool(config.spot) + bool(config.spot_off)
    if config.image_prompt_recut:
        guides = [replace(guide, copies=guide.copies * (1 + len(config.image_prompts))) for guide in guides]
    margin = 1.5 if config.generator == "stack" else 1.0
    height, width = (round(side * margin) for side in (config.height or 1, config.width or 1))
    copies = 5 + 2 * (config.ema > 0) + 2 * config.keep_best
    drawing = 0 if network is None else memory.drawing_bytes(network)
    return memory.estimate(pictures, height, width, guides, copies=copies, drawing=drawing)


def plan_memory(
    config: RunConfig,
    perceptors: Sequence[FrozenPerceptor],
    pictures: int,
    device: torch.device,
    network: Generator | None = None,
) -> memory.Plan:
    """How many pictures go through a step together, and in what pieces; UserError where nothing fits. network: as of
    `estimate_memory`."""
    run = estimate_memory(config, perceptors, pictures, device, network)
    views = config.views or 1
    plan = memory.plan(run, device, config.tracks or 1, views, parse_memory(config.memory))
    if config.batches > 1:
        plan = plan._replace(cut=Cut(rows=1, views=plan.cut.views or views))
    return plan._replace(pictures=1) if config.deterministic else plan


def choose_compiling(
    config: RunConfig, guides: Sequence[Guide], batch: int, batches: int, device: torch.device, given: bool
) -> Choice:
    """Whether the step is compiled, and why. `given`: a module of the user's own takes part in it. Raises UserError for
    "on" where it cannot be."""
    if config.deterministic:
        return Choice(False, "a compiler may add in another order on another day, and the run is deterministic")
    if given and config.compile == "auto":
        return Choice(False, "what a module given in Python does at each call is not known")
    costs = costs_of_step(config, guides, batch, device)
    return compile_choice.choose(config.compile, (config.steps or 0) * batches, costs, compiled.obstacle(device))


def costs_of_step(config: RunConfig, guides: Sequence[Guide], batch: int, device: torch.device) -> Costs:
    """What a step of `batch` pictures costs: as `fastclipgen warmup` has measured it here, or a guess."""
    costs = compile_choice.recall(compiled.cache_folder(), kind_of_step(config, batch, device))
    if costs is None:
        parts = [(batch * tracks, share) for tracks, share in _race(config).parts]
        costs = compile_choice.guess(guides, parts, device)
    return costs


def kind_of_step(config: RunConfig, batch: int, device: torch.device) -> str:
    """A name for everything that compiled code depends on, as far as it can be known without compiling."""
    facts = {
        "rows": [batch * tracks for tracks, _ in _race(config).parts],
        "prompts": most_columns(config),
        "start": [config.init is not None or config.init_noise is not None, config.mask is not None],
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "versions": [__version__, torch.__version__],
    }
    return compile_choice.key_of(config.model_dump(include=STEP_SETTINGS) | facts)


def _race(config: RunConfig) -> Race:
    return Race(config.tracks or 1, config.finalists or config.tracks or 1, config.steps or 0)
