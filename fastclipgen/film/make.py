"""The two films as functions: `style` and `animate`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from fastclipgen.api import to_stderr
from fastclipgen.config.run import make_config
from fastclipgen.engine.engine import Callback
from fastclipgen.film import ANIMATION_FPS, BLEND, ROUND_STEPS, ROUNDS, STYLE_STEPS
from fastclipgen.film.film import Film
from fastclipgen.film.frames import pictures_at
from fastclipgen.film.plans import Animated, Plan, Styled
from fastclipgen.outputs.video import DEFAULT_FPS


@dataclass(frozen=True)
class Strip:
    """What became of a film. pictures: the files of the film that are there, in order, those made earlier too; skipped:
    sources that could not be made, and why; video: the film's file, if one was asked for."""

    pictures: list[Path]
    skipped: dict[Path, str]
    video: Path | None


def style(
    frames: str | Path,
    prompt: str = "",
    *,
    out: str | Path,
    previous: float = 0.0,
    video: str | Path | None = None,
    fps: float = DEFAULT_FPS,
    steps: int = STYLE_STEPS,
    **settings: Any,
) -> Strip:
    """Every frame as the start of a picture of `prompt`, `steps` steps on, under its name in the folder `out`.

    frames: a folder, or a pattern like 'frames/*.png'; previous: opacity 0..1 of the finished picture before it over
    each frame, which makes the film calmer and forbids batches; video: also a film, .mp4, .gif or .webp, at `fps`;
    settings: as of `generate`, but start, count and init. Frames that are there already are not made again, and one
    that cannot be read is skipped. Raises UserError.
    """
    sources = pictures_at(frames)
    return _make(Styled(sources, Path(out), previous), prompt, video, fps, settings | {"steps": steps})


def animate(
    pictures: str | Path,
    prompt: str = "",
    *,
    out: str | Path,
    rounds: int = ROUNDS,
    alpha: float = BLEND,
    video: str | Path | None = None,
    fps: float = ANIMATION_FPS,
    steps: int = ROUND_STEPS,
    **settings: Any,
) -> Strip:
    """An animation of the pictures of a folder: `rounds` rounds of `steps` steps of each towards `prompt`; between them
    the picture before it is laid over each with opacity `alpha` 0..1.

    Each round is a folder in `out`; the last one is the film. Other arguments, and errors, as of `style`.
    """
    plan = Animated(pictures_at(pictures), Path(out), rounds, alpha)
    return _make(plan, prompt, video, fps, settings | {"steps": steps})


def _make(plan: Plan, prompt: str, video: str | Path | None, fps: float, settings: dict[str, Any]) -> Strip:
    callbacks: Sequence[Callback] = settings.pop("callbacks", ())
    notice: Callable[[str], None] = settings.pop("notice", to_stderr)
    perceptors: Sequence[Any] | None = settings.pop("perceptors", None)
    given = settings.get("generator")
    module = given if isinstance(given, nn.Module) else None
    if module is not None:
        del settings["generator"]
    if (size := settings.pop("size", None)) is not None:
        settings["width"], settings["height"] = (size, size) if isinstance(size, int) else size
    settings |= {"prompts": [prompt] if prompt else [], "init": str(plan.sources[0])}
    film = Film(
        make_config(settings), plan, generator=module, perceptors=perceptors, video=video, fps=fps, notice=notice
    )
    for _ in film.run(callbacks):
        pass
    return Strip([path for path in plan.shown if path.exists()], film.skipped, film.join())
