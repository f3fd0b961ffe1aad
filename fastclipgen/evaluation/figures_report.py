"""The figures of several sets of pictures as tables, CSV and JSON. Measures nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fastclipgen.evaluation.figures import Figures
from fastclipgen.evaluation.tables import csv_table, markdown_table

_CLIP_HEAD = [
    "pictures", "CLIP", "with a text", "CLIP score", "R@1", "R@5", "of texts", "diversity", "for one text", "CMMD",
    "Frechet",
]  # fmt: skip
_SET_HEAD = ["pictures", "count", "alarms", "high frequencies", "slope", "difference", "FID"]
_GUIDE = "(*) it drew these pictures itself: the score says how far they followed it, not how good they are"
_NARROW = "(+) fewer pictures than an embedding has numbers: too large, and to be compared at the same counts only"


@dataclass(frozen=True)
class FiguresReport:
    """Figures of sets of pictures, and what they are compared with, if anything, in words."""

    sets: tuple[Figures, ...]
    reference: str | None

    def markdown(self) -> str:
        """Two tables: by CLIP, and of the pixels; with what is to be known of them."""
        parts = [
            markdown_table(_CLIP_HEAD, _clip_rows(self.sets)),
            markdown_table(_SET_HEAD, _set_rows(self.sets)),
            *self._notes(),
        ]
        return "\n\n".join(parts) + "\n"

    def _notes(self) -> list[str]:
        every = [clip for one in self.sets for clip in one.clips]
        notes = [f"Reference: {self.reference}"] if self.reference else []
        notes += [_GUIDE] if any(clip.guide for clip in every) else []
        notes += [_NARROW] if any(clip.narrow for clip in every) else []
        limits = self.sets[0].limits
        alarm = f"more than {limits.share:.1%} of the power in high frequencies and a slope above {limits.slope:.2f}"
        return [*notes, f"An alarm is raised by {alarm}."]

    def as_dict(self) -> dict[str, Any]:
        """Everything, as plain values for JSON."""
        return {"reference": self.reference, "sets": [one.as_dict() for one in self.sets]}

    def csv(self) -> str:
        """A row for each picture."""
        clips = [clip.clip for clip in self.sets[0].clips]
        head = [
            "set", "file", "prompt", *(f"score {clip}" for clip in clips), *(f"place {clip}" for clip in clips),
            "high_share", "slope", "alarm",
        ]  # fmt: skip
        rows = [
            [
                one.name, row.file, row.prompt, *(_round(row.scores[clip]) for clip in clips),
                *(row.places[clip] for clip in clips), _round(row.high_share), _round(row.slope), int(row.alarm),
            ]
            for one in self.sets
            for row in one.pictures
        ]  # fmt: skip
        return csv_table(head, rows)


def _clip_rows(sets: Sequence[Figures]) -> list[list[str]]:
    return [
        [
            one.name, clip.clip + (" (*)" if clip.guide else ""), str(clip.scored),
            _score(clip.score, clip.score_error), _percent(clip.r1), _percent(clip.r5), str(clip.texts),
            _number(clip.spread, 3), _number(clip.spread_within, 3), _number(clip.cmmd, 3),
            _number(clip.frechet, 4) + (" (+)" if clip.narrow else ""),
        ]
        for one in sets
        for clip in one.clips
    ]  # fmt: skip


def _set_rows(sets: Sequence[Figures]) -> list[list[str]]:
    return [
        [
            one.name, str(len(one.pictures)), str(one.alarms), _percent(one.high_share), _number(one.slope, 2),
            _number(one.difference, 3), _number(one.fid, 2),
        ]
        for one in sets
    ]  # fmt: skip


def _score(mean: float | None, error: float | None) -> str:
    return _number(mean, 2) + (f" ± {error:.2f}" if error is not None else "")


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, 5)
