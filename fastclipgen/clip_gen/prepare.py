"""From settled settings and loaded models to what a run works with: choice of tokens, layout in memory, aims."""

from __future__ import annotations

from collections.abc import Callable

import torch

from fastclipgen.clip_gen import bridge_file, gallery
from fastclipgen.clip_gen.aims import Aims, aim
from fastclipgen.clip_gen.layout import Layout, decoded_bytes, plan, row_bytes
from fastclipgen.clip_gen.networks import Networks
from fastclipgen.config import aim_files
from fastclipgen.config.run import RunConfig, parse_memory
from fastclipgen.config.sampling import LEARNED, ROWS
from fastclipgen.engine import compile_choice, compiled
from fastclipgen.engine.free_memory import free_bytes
from fastclipgen.engine.memory import USABLE
from fastclipgen.errors import UserError
from fastclipgen.guidance.prompts import parse_prompts
from fastclipgen.perceptors.base import FrozenPerceptor
from fastclipgen.sampling.choice import Choice

REFINER = "vqgan"  # the generator that goes on from sampled codes
AS_IT_IS = compile_choice.Choice(False, "sampling is compiled only where --compile on asks for it")
Notice = Callable[[str], None]


def choice_of(config: RunConfig) -> Choice:
    """How tokens are chosen, from settings that are all decided."""
    return Choice(**{name: getattr(config, name) for name in ("temperature", "top_k", "top_p", "guidance")})


def compiling(config: RunConfig, device: torch.device) -> compile_choice.Choice:
    """Whether the drawing of tokens is compiled. Raises UserError for "on" where it cannot be."""
    if config.compile == "auto":
        return AS_IT_IS
    nothing = compile_choice.Costs(0.0, 0.0, 0.0, False)
    return compile_choice.choose(config.compile, 0, nothing, compiled.obstacle(device))


def refining(config: RunConfig) -> RunConfig:
    """The settings of the optimisation that goes on from samples."""
    return config.model_copy(
        update={
            "generator": REFINER,
            "steps": config.refine,
            "count": config.count * (config.keep or 1),
            "starts": 1,
            "tracks": 1,
            "finalists": 1,
        }
    )


def check_size(config: RunConfig, side: int) -> None:
    """Raises UserError where another size than side x side was asked for."""
    asked = config.width or side, config.height or side
    if asked != (side, side):
        raise UserError(
            f"the transformer and its VQGAN draw pictures of {side}x{side}, but {asked[0]}x{asked[1]} was asked for; "
            "leave the size out"
        )


def layout_of(config: RunConfig, networks: Networks, requests: int, device: torch.device, notice: Notice) -> Layout:
    """How so many prompts and seeds go through memory; `notice` hears of fewer rows than were asked for."""
    transformer = networks.transformer
    budget = parse_memory(config.memory)
    if budget is None:
        free = free_bytes(device)
        budget = None if free is None else int(free * USABLE)
    if budget is not None and config.refine:
        budget //= 2  # the optimisation is planned for all of it, and what the sampler holds stays
    itemsize = transformer.positions.element_size()
    row = row_bytes(transformer.geometry, choice_of(config).guided, itemsize, networks.side)
    decoded = decoded_bytes(networks.vqgan.geometry, networks.side)
    candidates = 1 if config.candidate is not None else config.candidates or 1
    asked = ROWS if config.deterministic else config.rows
    layout = plan(requests, candidates, row, decoded, budget, asked)
    if asked is not None and layout.rows < asked:
        notice(f"memory for {layout.rows} instead of {asked} samples at a time: rounding may change a picture")
    return layout


def aims_of(config: RunConfig, eye: FrozenPerceptor, device: torch.device, notice: Notice) -> Aims:
    """The aims of the run's prompts, one row for each of them. Raises UserError."""
    bridge = None
    if config.text_to_image in LEARNED:
        bridge = gallery.learn(config.text_to_image, gallery.of_folder(config.gallery or "", eye, device, notice), eye)
    elif config.text_to_image != "none":
        bridge = bridge_file.load(config.text_to_image, eye.embed_dim, device)
    others = aim_files.load(config.model_copy(update={"image_prompt_recut": False}), notice)
    # a story, which needs steps, begins with its first phase
    prompts = [[p for p in parse_prompts(text) if not p.phase] for text in config.prompts] or [[]]
    negatives = [prompt for text in config.negative for prompt in parse_prompts(text)]
    return aim(eye, prompts, negatives, others, bridge, device)
