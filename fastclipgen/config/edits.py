"""From settings to the edits of a run.

Unlike `edited.py`, which holds these settings, it loads torch and opens the file that they name.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from fastclipgen.config.run import RunConfig
from fastclipgen.errors import UserError
from fastclipgen.generators.base import Generator
from fastclipgen.guidance.edits import Edit, Overlay, Zoom
from fastclipgen.outputs.load import fit, load_overlay


def load(
    config: RunConfig, generator: Generator, device: torch.device, notice: Callable[[str], None]
) -> tuple[Edit, ...]:
    """The edits that decided settings ask for: the zoom, and behind it the overlay, which so stays in its place. Raises
    UserError for a generator that does not give pictures back, and where no step of the run has an edit."""
    size = config.height or 1, config.width or 1
    edits: list[Edit] = []
    if config.zoom_every:
        first = max(1, config.zoom_from or 0)  # before the first step there is nothing to zoom but the start
        zoom = Zoom(*size, config.zoom or 1, config.zoom_rotate, config.zoom_shift, device)
        edits.append(Edit(zoom, config.zoom_every, first=first, moves=True))
    if config.overlay is not None and config.overlay_every:
        picture, opacity = load_overlay(config.overlay, notice)
        # light before it is resized: what is transparent has a colour too, which must not be mixed in
        light, opacity = (config.overlay_alpha * fit(x, *size).to(device) for x in (picture * opacity, opacity))
        overlay = Overlay(light, opacity)
        edits.append(Edit(overlay, config.overlay_every, config.overlay_offset, until=config.overlay_until))
    if edits:
        _check_generator(config, generator, device)
    for edit in edits:
        if not any(edit.due(step) for step in range(config.steps or 0)):
            what, option = ("a zoom", "--zoom-every") if edit.moves else ("an overlay", "--overlay-offset")
            raise UserError(f"none of the {config.steps} steps of this run has {what}; raise --steps or lower {option}")
    return tuple(edits)


def _check_generator(config: RunConfig, generator: Generator, device: torch.device) -> None:
    if not generator.reencodes:
        raise UserError(
            f"pictures that are edited between steps are encoded again, which generator '{config.generator}' does not "
            "do well enough; use generator stack, pixels, fourier, vqgan or autoencoder"
        )
    # its encoder may be missing, which is better known now than after the first steps
    generator.init_from(torch.zeros(1, 3, generator.height, generator.width, device=device))
