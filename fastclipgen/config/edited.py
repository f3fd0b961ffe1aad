"""How pictures are edited between the steps of a run, as settings: an overlay, and zoom, rotation and shift, of which
zoom videos are made. Loads no torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from fastclipgen.config.asked import Asked
from fastclipgen.errors import UserError

if TYPE_CHECKING:
    from fastclipgen.config.run import RunConfig

ZOOM = 0.99  # nerdyrodent's
EDITS = (
    "overlay", "overlay_every", "overlay_offset", "overlay_until", "overlay_alpha",
    "zoom_every", "zoom", "zoom_rotate", "zoom_shift", "zoom_from",
)  # fmt: skip


class Edited(Asked):
    """The settings of a run that change its pictures between steps."""

    overlay: str | None = Field(None, description="path of a picture laid over every picture between steps")
    overlay_every: int | None = Field(None, ge=1, description="steps from one overlay to the next")
    overlay_offset: int = Field(0, ge=0, description="what is left of a step's number divided by overlay_every")
    overlay_until: int | None = Field(None, ge=1, description="no overlay from this step on; none: to the end")
    overlay_alpha: float = Field(1.0, ge=0, le=1, description="times the overlay's own opacity")
    zoom_every: int | None = Field(None, ge=1, description="steps from one zoom to the next")
    zoom: float | None = Field(None, ge=0.5, le=10, description="scale of each zoom, above 1 in; none: 0.99")
    zoom_rotate: float = Field(0.0, ge=-360, le=360, description="degrees of each zoom, against the clock")
    zoom_shift: tuple[int, int] = Field((0, 0), description="pixels of each zoom, right and down, with wrap")
    zoom_from: int | None = Field(None, ge=0, description="no zoom before this step")


def decided(config: Edited) -> dict[str, Any]:
    """What was left open and has a meaning."""
    return {"zoom": ZOOM} if config.zoom_every and config.zoom is None else {}


def check(config: RunConfig) -> None:
    """Raises UserError for settings that would have no effect or contradict each other."""
    for of, names in (("overlay", EDITS[1:5]), ("zoom_every", EDITS[6:])):
        for name in names:
            if getattr(config, of) is None and getattr(config, name) != type(config).model_fields[name].default:
                option = "--overlay PATH" if of == "overlay" else "--zoom-every N"
                raise UserError(f"the setting '{name}' needs '{of}', which is missing; add {option}, or leave it out")
    _check_overlay(config)
    if config.zoom_every:
        _check_zoom(config)


def _check_overlay(config: RunConfig) -> None:
    if config.overlay is None:
        return
    every, offset, until = config.overlay_every, config.overlay_offset, config.overlay_until
    if every is None:
        raise UserError("expected how many steps lie between overlays, got none; add --overlay-every N")
    if offset >= every:
        raise UserError(f"expected an overlay_offset below overlay_every, which is {every}, got {offset}; lower it")
    if until is not None and until <= offset:
        raise UserError(f"the first overlay would be at step {offset}, but overlay_until is {until}; raise it")


def _check_zoom(config: RunConfig) -> None:
    if config.zoom == 1 and not config.zoom_rotate and not any(config.zoom_shift):
        raise UserError("a zoom of 1 without rotation and shift changes nothing; give another --zoom")
    if config.mask:
        raise UserError(
            "a mask keeps a part of the start picture in its place, and a zoom moves it; leave one of them out"
        )
    if max(config.tracks or 1, config.finalists or 1) > 1:
        raise UserError(
            "a zoom goes on from one picture, but tracks optimise several, of which one is published; leave tracks and "
            "finalists out"
        )
