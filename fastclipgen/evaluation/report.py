"""What came out of a drawing test: rates, tables, a confusion table, a sheet of the pictures. Makes no pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fastclipgen.data.palette import COLOURS
from fastclipgen.data.shapes_sdf import SHAPES
from fastclipgen.evaluation.judge import Verdict
from fastclipgen.evaluation.tables import markdown_table
from fastclipgen.outputs.grid import contact_sheet


@dataclass(frozen=True)
class Question:
    """One prompt of the test: "a `colour` `shape` on a `background` background"."""

    shape: str
    colour: str
    background: str

    @property
    def prompt(self) -> str:
        """The sentence."""
        return f"{_article(self.colour)} {self.shape} on {_article(self.background)} background"


@dataclass(frozen=True)
class Answer:
    """The picture (uint8 [H, W, 3]) made for a question, its seed and final loss, and the judge's verdict."""

    question: Question
    verdict: Verdict
    seed: int
    loss: float
    pixels: np.ndarray = field(repr=False)


@dataclass(frozen=True)
class Report:
    """All answers of a test; settings: the resolved ones that every picture has in common."""

    answers: tuple[Answer, ...]
    seed: int
    settings: dict[str, Any]

    @property
    def colours_right(self) -> float:
        """Share of pictures whose background and object both have the asked colours, 0..1."""
        return self._share(lambda verdict: verdict.colours_right)

    @property
    def shape_right(self) -> float:
        """Share of pictures that show one region of the asked colour with the asked outline, 0..1."""
        return self._share(lambda verdict: verdict.shape_right)

    @property
    def both_right(self) -> float:
        """Share of pictures that are entirely what was asked for, 0..1."""
        return self._share(lambda verdict: verdict.right)

    def _share(self, true_of: Callable[[Verdict], bool]) -> float:
        return sum(true_of(answer.verdict) for answer in self.answers) / max(len(self.answers), 1)

    def confusion(self) -> dict[str, dict[str, int]]:
        """asked shape -> seen shape ("none" too) -> pictures, only what occurred."""
        table: dict[str, dict[str, int]] = {}
        for answer in self.answers:
            row = table.setdefault(answer.question.shape, {})
            seen = answer.verdict.seen_shape or "none"
            row[seen] = row.get(seen, 0) + 1
        return {shape: table[shape] for shape in SHAPES if shape in table}

    def by_shape(self) -> dict[str, dict[str, int]]:
        """shape -> pictures that asked for it, and how many have the colours, the shape, both right."""
        return {shape: _counts(a.verdict for a in self.answers if a.question.shape == shape) for shape in SHAPES}

    def by_colour(self) -> dict[str, dict[str, int]]:
        """colour -> pictures that asked for it as the object's and as the background's, and how many have it right."""
        rows = {}
        for colour in COLOURS:
            ink = [a.verdict for a in self.answers if a.question.colour == colour]
            ground = [a.verdict for a in self.answers if a.question.background == colour]
            rows[colour] = {
                "object": len(ink),
                "object_right": sum(v.colour_right for v in ink),
                "background": len(ground),
                "background_right": sum(v.background_right for v in ground),
            }
        return rows

    def as_dict(self) -> dict[str, Any]:
        """Everything but the pixels, as plain values for JSON."""
        return {
            "prompts": len(self.answers),
            "seed": self.seed,
            "settings": self.settings,
            "rates": {
                "colours_right": self.colours_right,
                "shape_right": self.shape_right,
                "both_right": self.both_right,
            },
            "shapes": self.by_shape(),
            "colours": self.by_colour(),
            "confusion": self.confusion(),
            "pictures": [
                {"prompt": a.question.prompt, "seed": a.seed, "loss": a.loss, "right": a.verdict.right}
                | a.verdict.as_dict()
                for a in self.answers
            ],
        }

    def markdown(self) -> str:
        """The rates and the tables."""
        settings = self.settings
        what = ", ".join(
            f"{name} {settings[name]}" for name in ("generator", "steps", "width", "height") if name in settings
        )
        confusion = self.confusion()
        seen = [*SHAPES, "none"]
        parts = [
            f"Drawing test: {len(self.answers)} prompts, seed {self.seed}" + (f" ({what})" if what else ""),
            markdown_table(
                ["colours right", "shape right", "both right"],
                [[f"{share:.1%}" for share in (self.colours_right, self.shape_right, self.both_right)]],
            ),
            markdown_table(
                ["shape", "asked", "colours right", "shape right", "both right"],
                [[name, *row.values()] for name, row in self.by_shape().items() if row["asked"]],
            ),
            markdown_table(
                ["colour", "as object", "right", "as background", "right"],
                [[name, *row.values()] for name, row in self.by_colour().items() if row["object"] + row["background"]],
            ),
            "Asked shape (rows) and seen shape (columns):",
            markdown_table(["", *seen], [[name, *(row.get(s, "") for s in seen)] for name, row in confusion.items()]),
        ]
        return "\n\n".join(parts) + "\n"

    def sheet(self) -> np.ndarray:
        """All pictures with their prompts and verdicts, uint8 [H, W, 3]. Raises UserError if there are none."""
        labels = [_said(answer) for answer in self.answers]
        return contact_sheet([a.pixels for a in self.answers], labels, font_size=12, label_lines=4)


def _article(word: str) -> str:
    return ("an " if word[0] in "aeiou" else "a ") + word


def _counts(verdicts: Iterable[Verdict]) -> dict[str, int]:
    found = list(verdicts)
    return {
        "asked": len(found),
        "colours_right": sum(v.colours_right for v in found),
        "shape_right": sum(v.shape_right for v in found),
        "both_right": sum(v.right for v in found),
    }


def _said(answer: Answer) -> str:
    """The verdict first, for labels are cut short, then the prompt and what was seen instead."""
    verdict, asked = answer.verdict, answer.question
    if verdict.right:
        return f"RIGHT: {asked.prompt}"
    seen = []
    if not verdict.background_right:
        seen.append(f"background {verdict.seen_background} {verdict.background_share:.0%}")
    if not verdict.colour_right:
        seen.append(f"object {verdict.seen_colour or 'none'} ({verdict.colour_share:.0%} {asked.colour})")
    if not verdict.shape_right:
        seen.append(f"shape {verdict.seen_shape or 'none'} (overlap {verdict.asked_iou:.2f})")
    return f"WRONG: {asked.prompt}; {', '.join(seen)}"
