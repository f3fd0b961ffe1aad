"""What a request may ask for. Knows no HTTP; loads no torch.

Checked twice: when a run is handed in, as far as its settings say, and when its job is made, which decides the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from fastclipgen.config.run import RunConfig
from fastclipgen.errors import UserError, unknown


@dataclass(frozen=True)
class Limits:
    """The most of each; all are at least 1. `side` in pixels, `pixels` those of one picture, `views` those of a step
    and CLIP, `option` any number among generator_options, `frame_pixels` those of all
    frames of a target in a step, `text` letters of all prompts together, `queue` runs that
    wait, `client_queue` those of one client, `body` bytes of a request, `seconds` for a request to arrive, `streams`
    event streams at once, `hold` seconds that a paused run keeps the device while others wait."""

    side: int = 2048
    pixels: int = 1024 * 1024
    steps: int = 10_000
    pictures: int = 64
    text: int = 20_000
    clips: int = 4
    views: int = 512
    starts: int = 4096
    tracks: int = 32
    candidates: int = 1024
    option: int = 1024
    frame_pixels: int = 64 * 1024 * 1024
    queue: int = 100
    client_queue: int = 20
    body: int = 1 << 20
    seconds: int = 20
    streams: int = 128
    hold: int = 300


def with_limits(limits: Limits, pairs: Iterable[str]) -> Limits:
    """`limits` with NAME=VALUE texts. Raises UserError for unknown names and anything but a whole number above 0."""
    names = [field.name for field in fields(Limits)]
    for pair in pairs:
        name, equals, text = pair.partition("=")
        name = name.strip().replace("-", "_")
        if name not in names:
            raise unknown("limit", name, names)
        if not equals or not text.strip().isdecimal() or int(text) < 1:
            raise UserError(f"expected --limit {name}=NUMBER with a whole number above 0, got '{pair}'")
        limits = replace(limits, **{name: int(text)})
    return limits


def check(config: RunConfig, limits: Limits) -> None:
    """Raises UserError naming the first setting that asks for more than this server gives. What is None is not yet
    decided."""
    width, height = config.width or 1, config.height or 1
    pictures = max(1, len(config.prompts)) * config.count * (config.keep or 1)
    asked: list[tuple[str, float | None, int]] = [
        ("width", config.width, limits.side),
        ("height", config.height, limits.side),
        ("width x height", width * height, limits.pixels),
        ("steps", config.steps, limits.steps),
        ("refine", config.refine, limits.steps),
        ("prompts x count", pictures, limits.pictures),
        ("letters in prompts", _letters(config), limits.text),
        ("clip", len(config.clip), limits.clips),
        ("views x batches", (config.views or 1) * config.batches, limits.views),
        ("starts", config.starts, limits.starts),
        ("tracks", config.tracks, limits.tracks),
        ("candidates", config.candidates, limits.candidates),
        ("candidate", config.candidate, limits.candidates),
        ("rows", config.rows, limits.candidates),
        ("latent_dim", config.latent_dim, 64 * limits.option),
    ]
    asked += [
        (f"generator_options.{name}", value, limits.option) for name, value in numbers_of(config.generator_options)
    ]
    for name, value, most in asked:
        if value is not None and value > most:
            raise UserError(f"expected at most {most} for {name} on this server, got {value}; ask for less")


def _letters(config: RunConfig) -> int:
    kinds = (config.prompts, config.negative, config.labels, config.noise_prompts, config.spot, config.spot_off)
    return sum(len(text) for texts in kinds for text in texts)


def numbers_of(options: Mapping[str, Any]) -> list[tuple[str, float]]:
    """The numbers among a generator's options, those in lists as well."""
    found = []
    for name, value in options.items():
        values = value if isinstance(value, list | tuple) else [value]
        found += [(name, one) for one in values if isinstance(one, int | float)]
    return found
