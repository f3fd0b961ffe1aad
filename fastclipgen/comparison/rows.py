"""What is known of every picture of a comparison, and of every entry: the rows of its tables."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from fastclipgen.comparison.plan import KEY, Slot
from fastclipgen.config.run import RunConfig
from fastclipgen.evaluation.judge import Verdict


@dataclass(frozen=True)
class Picture:
    """A picture of an entry, as far as it has come. metadata, pixels (uint8 [H, W, 3]): None where it is not drawn;
    guide, judged: 100 * cosine with the prompt by the guiding CLIP and by others; verdict: on a prompt of the shapes
    world; alarm: whether its spectrum has the noise by which pictures deceive CLIPs."""

    slot: Slot
    metadata: Mapping[str, Any] | None = None
    pixels: np.ndarray | None = field(default=None, repr=False)
    guide: float | None = None
    judged: Mapping[str, float] = field(default_factory=dict)
    verdict: Verdict | None = None
    alarm: bool | None = None

    @property
    def drawn(self) -> bool:
        return self.metadata is not None

    @property
    def settings(self) -> Mapping[str, Any]:
        """The settled settings that it was drawn with."""
        return (self.metadata or {}).get("settings", {})

    def cost(self, name: str) -> Any:
        """What drawing it took: "seconds", "compile_seconds", "peak_bytes", "drawn_together" or "device"; and "finite":
        False where the run broke and this is its last good state."""
        return (self.metadata or {}).get(KEY, {}).get(name)

    def as_dict(self, judges: Sequence[str], folder: Path) -> dict[str, Any]:
        """Plain values, the same names for every picture; None for what is not known."""
        slot, verdict = self.slot, self.verdict
        return {
            "entry": slot.entry.name,
            "prompt": slot.prompt,
            "seed": slot.seed,
            "file": slot.path.relative_to(folder).as_posix() if self.drawn else None,
            "guide_score": _rounded(self.guide),
            **{judged_by(judge): _rounded(self.judged.get(judge)) for judge in judges},
            "colours_right": verdict and verdict.colours_right,
            "shape_right": verdict and verdict.shape_right,
            "all_right": verdict and verdict.right,
            "spectrum_alarm": self.alarm,
            "seconds": _rounded(self.cost("seconds")),
            "compile_seconds": _rounded(self.cost("compile_seconds")),
            "drawn_together": self.cost("drawn_together"),
            "peak_bytes": self.cost("peak_bytes"),
            "device": self.cost("device"),
            "finite": self.cost("finite"),
            "loss": (self.metadata or {}).get("scores", {}).get("loss"),
            "steps": (self.metadata or {}).get("steps_done"),
            "width": self.settings.get("width"),
            "height": self.settings.get("height"),
        }


@dataclass(frozen=True)
class Summary:
    """An entry in one row. Scores are means over its drawn pictures, rates are shares, 0..1, of those with a verdict;
    seconds: of a picture, compiling left out; compile_seconds: all of it; peak_bytes: the most of all pictures;
    diversity: mean 1 - cosine of pictures of one prompt; None for what is not known."""

    entry: str
    generator: str
    drawn: int
    asked: int
    guide: float | None
    judged: Mapping[str, float | None]
    judgeable: int
    colours_right: float | None
    shape_right: float | None
    all_right: float | None
    alarms: float | None
    diversity: float | None
    seconds: float | None
    compile_seconds: float | None
    peak_bytes: int | None
    settings: Mapping[str, Any]
    failure: str | None

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        scores = {judged_by(judge): _rounded(value) for judge, value in self.judged.items()}
        plain = {name: value for name, value in vars(self).items() if name not in ("guide", "judged")}
        return {
            name: _rounded(value) if isinstance(value, float) else value
            for name, value in {**plain, "guide_score": self.guide, **scores}.items()
        }


def summarize(
    pictures: Sequence[Picture], judges: Sequence[str], diversity: float | None = None, failure: str | None = None
) -> Summary:
    """The row of one entry, whose pictures (at least one) these are."""
    entry, done = pictures[0].slot.entry, [picture for picture in pictures if picture.drawn]
    verdicts = [picture.verdict for picture in done if picture.verdict is not None]
    compiling = _known(picture.cost("compile_seconds") for picture in done)
    return Summary(
        entry=entry.name,
        generator=str(done[0].settings.get("generator", entry.generator)) if done else entry.generator,
        drawn=len(done),
        asked=len(pictures),
        guide=_mean(picture.guide for picture in done),
        judged={judge: _mean(picture.judged.get(judge) for picture in done) for judge in judges},
        judgeable=len(verdicts),
        colours_right=_share(verdicts, lambda verdict: verdict.colours_right),
        shape_right=_share(verdicts, lambda verdict: verdict.shape_right),
        all_right=_share(verdicts, lambda verdict: verdict.right),
        alarms=_mean(picture.alarm for picture in done),
        diversity=diversity,
        seconds=_mean(picture.cost("seconds") for picture in done),
        compile_seconds=sum(compiling) if compiling else None,
        peak_bytes=max((int(value) for value in _known(picture.cost("peak_bytes") for picture in done)), default=None),
        settings=common_settings(done),
        failure=failure,
    )


def common_settings(pictures: Sequence[Picture]) -> dict[str, Any]:
    """The settled settings that all the pictures of an entry share, less those that are as without any choice."""
    first, *others = [picture.settings for picture in pictures] or [{}]
    fields = RunConfig.model_fields
    return {
        name: value
        for name, value in first.items()
        if all(other.get(name) == value for other in others)
        and not (name in fields and value == fields[name].get_default())
    }


def judged_by(judge: str) -> str:
    """The name of a column: the score by a CLIP that did not guide."""
    return f"score_by_{judge}"


def _known(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None]


def _mean(values: Iterable[float | None]) -> float | None:
    known = _known(values)
    return statistics.fmean(known) if known else None


def _share(verdicts: Sequence[Verdict], true_of: Callable[[Verdict], bool]) -> float | None:
    return sum(map(true_of, verdicts)) / len(verdicts) if verdicts else None


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
