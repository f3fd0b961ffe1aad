"""All figures of made-up features, and how they are written."""

from __future__ import annotations

import csv
import json
import math

import pytest
import torch

from fastclipgen.evaluation.distances import cmmd, frechet
from fastclipgen.evaluation.figures import Figures, Sight, distinct, measure
from fastclipgen.evaluation.figures_report import FiguresReport
from fastclipgen.evaluation.spectrum import Limits, ring_power

AXES = torch.eye(4)
PROMPTS = ["a fox", "a fox", None, "an owl"]
FILES = ["a.png", "b.png", "c.png", "d.png"]
# the first two show the fox, one exactly; the last shows it too, instead of the owl
IMAGES = torch.stack([AXES[0], 0.6 * AXES[0] + 0.8 * AXES[2], AXES[3], AXES[0]])
TEXTS = AXES[:2]
LIMITS = Limits(0.1, -1.0)


def figures(reference: torch.Tensor | None = None, guide: bool = False, fid: bool = False) -> Figures:
    noise = torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(0))
    rings = torch.stack([ring_power(noise), ring_power(torch.ones(3, 32, 32)), ring_power(noise.mT), ring_power(noise)])
    small = torch.tensor([[0.0], [0.0], [1.0], [1.0]])
    inception = (IMAGES, IMAGES + 1.0) if fid else None
    sight = Sight("tiny", IMAGES, TEXTS, reference, guide)
    return measure("set", FILES, PROMPTS, [sight], rings, small, LIMITS, inception)


def test_texts_are_counted_once() -> None:
    assert distinct(PROMPTS) == ["a fox", "an owl"]


def test_scores_of_the_pictures_that_have_a_text() -> None:
    [clip] = figures().clips
    assert (clip.scored, clip.texts) == (3, 2)
    assert clip.score == pytest.approx((100 + 60 + 0) / 3)
    assert clip.score_error == pytest.approx(torch.tensor([100.0, 60.0, 0.0]).std().item() / math.sqrt(3))
    assert clip.r1 == pytest.approx(2 / 3)
    assert clip.r5 is None
    assert clip.spread_within == pytest.approx(0.4)
    assert clip.spread == pytest.approx((0.4 + 1 + 0 + 1 + 0.4 + 1) / 6, abs=1e-6)
    assert (clip.cmmd, clip.frechet, clip.narrow) == (None, None, False)


def test_each_picture_has_a_row() -> None:
    rows = figures().pictures
    assert [row.scores["tiny"] for row in rows] == pytest.approx([100, 60, None, 0], abs=1e-4)
    assert [row.places["tiny"] for row in rows] == [1, 1, None, 2]
    assert [row.alarm for row in rows] == [True, False, True, True]
    assert rows[1].slope is None
    assert rows[0].high_share == pytest.approx(0.8, abs=0.05)


def test_the_set_has_medians_and_counts() -> None:
    found = figures()
    assert found.alarms == 3
    assert found.high_share == found.pictures[0].high_share  # of the three that are not flat
    assert found.difference == pytest.approx(math.sqrt(4 / 6))
    assert found.fid is None


def test_distances_from_a_reference() -> None:
    reference = torch.randn(6, 4, generator=torch.Generator().manual_seed(1))
    [clip] = figures(reference).clips
    assert clip.cmmd == cmmd(IMAGES, reference)
    assert clip.frechet == frechet(IMAGES, reference)
    assert clip.narrow  # four pictures, four numbers
    assert figures(fid=True).fid == pytest.approx(4.0)


def test_a_set_without_texts() -> None:
    rings = ring_power(torch.rand(3, 32, 32))[None]
    found = measure("x", ["a.png"], [None], [Sight("tiny", AXES[:1], AXES[:0])], rings, torch.zeros(1, 3), LIMITS)
    [clip] = found.clips
    assert (clip.scored, clip.score, clip.r1, clip.spread, clip.spread_within) == (0, None, None, None, None)
    assert found.pictures[0].scores == {"tiny": None}


def test_the_report_says_what_is_to_be_known() -> None:
    reference = torch.randn(6, 4, generator=torch.Generator().manual_seed(1))
    text = FiguresReport((figures(reference, guide=True, fid=True),), "6 pictures").markdown()
    rows = [line for line in text.splitlines() if line.startswith("| set")]
    assert rows[0].startswith("| set | tiny (*) | 3 | 53.33 ± 29.06 | 66.7% | - | 2 | 0.633 | 0.400 |")
    assert rows[0].endswith("(+) |")
    assert rows[1].startswith("| set | 4 | 3 | 82.4% | 0.20 | 0.816 |")
    assert rows[1].endswith("| 4.00 |")
    assert "Reference: 6 pictures" in text
    assert "more than 10.0% of the power in high frequencies and a slope above -1.00" in text
    plain = FiguresReport((figures(),), None).markdown()
    assert "(*)" not in plain
    assert "(+)" not in plain


def test_csv_and_json_hold_every_picture() -> None:
    report = FiguresReport((figures(),), None)
    head, *rows = csv.reader(report.csv().splitlines())
    assert head == ["set", "file", "prompt", "score tiny", "place tiny", "high_share", "slope", "alarm"]
    assert rows[1] == ["set", "b.png", "a fox", "60.0", "1", "", "", "0"]
    assert rows[2][2:5] == ["", "", ""]
    stored = json.loads(json.dumps(report.as_dict()))
    assert stored["sets"][0]["pictures"][3]["places"] == {"tiny": 2}
    assert stored["sets"][0]["limits"] == {"share": 0.1, "slope": -1.0}
