"""A comparison from plan to files: what is drawn, what is not drawn again, what survives a failure."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from fastclipgen.comparison.compare import compare
from fastclipgen.comparison.plan import Plan
from fastclipgen.comparison.process import Failure
from fastclipgen.comparison.reports import Comparison, read_record
from fastclipgen.comparison.worker import Request, Tell
from fastclipgen.errors import UserError

from .tiny import draw_here, plan_in

REPORTS = {"index.html", "sheet.png", "table.md", "table.csv", "comparison.json"}


class Drawer:
    """Draws here, remembers what it was asked for, and fails for one entry if told to."""

    def __init__(self, fails: str | None = None) -> None:
        self.fails = fails
        self.asked: list[tuple[str, int]] = []

    def __call__(self, request: Request, tell: Tell, interrupted: Callable[[], bool]) -> Failure | None:
        self.asked.append((request["entry"], len(request["pictures"])))
        if request["entry"] == self.fails:
            return Failure("out of paint", "Traceback: line 1")
        return draw_here(request, tell, interrupted)


def run(plan: Plan, drawer: Drawer, **options: Any) -> Comparison:
    return compare(plan, draw=drawer, device="cpu", **{"notice": lambda line: None, **options})


def stored(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "comparison.json").read_text(), parse_constant=pytest.fail)


def test_all_is_drawn_measured_and_written(tmp_path: Path) -> None:
    plan, drawer = plan_in(tmp_path / "out"), Drawer()
    found = run(plan, drawer, judges=["builtin@2"], unavailable={"autoencoder": "no weights"})
    assert drawer.asked == [("fourier", 2), ("pixels", 2)]
    assert {path.name for path in plan.folder.iterdir()} == REPORTS | {"pictures"}
    assert [picture.slot.prompt for picture in found.pictures] == [*plan.prompts, *plan.prompts]
    for picture in found.pictures:
        assert picture.drawn
        assert picture.guide == picture.judged["builtin"]  # the same CLIP, seen in the same way
        assert (picture.verdict is None) == (picture.slot.number == 1)
        assert picture.alarm is not None
    record = stored(plan.folder)
    assert record["asked"] == plan.identity()
    assert [entry["entry"] for entry in record["entries"]] == ["fourier", "pixels"]
    assert record["entries"][0]["settings"]["optimizer"] == "adam"  # as it was decided
    assert record["unavailable"] == {"autoencoder": "no weights"}
    assert {"versions", "machine", "judges", "pictures"} <= set(record)
    rows = list(csv.DictReader((plan.folder / "table.csv").open()))
    assert len(rows) == len(record["pictures"]) == 4
    for row, slot in zip(rows, [s for entry in plan.entries for s in plan.slots(entry)], strict=True):
        assert (plan.folder / row["file"]).samefile(slot.path)
    with Image.open(plan.folder / "sheet.png") as sheet:
        assert sheet.width > 2 * 192


def test_scores_of_the_file_are_those_of_the_run(tmp_path: Path) -> None:
    large = "pixels: pixels width=64 height=64"  # small pictures are enlarged for the CLIP, in another way there
    plan = plan_in(tmp_path, large, prompts=("a red circle on a blue background",))
    [picture] = run(plan, Drawer()).pictures
    assert picture.metadata is not None
    assert picture.guide is not None
    # what the run found before the picture had 8 bits
    assert picture.guide == pytest.approx(100 * picture.metadata["scores"]["similarities"]["shapes-clip"][0], abs=0.3)


def test_the_same_again_draws_nothing(tmp_path: Path) -> None:
    plan = plan_in(tmp_path)
    first = run(plan, Drawer())
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("pictures/*/*.png")}
    drawer = Drawer()
    again = run(plan, drawer)
    assert drawer.asked == []
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("pictures/*/*.png")} == before
    assert [p.as_dict([], tmp_path) for p in again.pictures] == [p.as_dict([], tmp_path) for p in first.pictures]


def test_it_goes_on_where_it_was_stopped(tmp_path: Path) -> None:
    plan, drawer = plan_in(tmp_path), Drawer()
    found = run(plan, drawer, interrupted=lambda: bool(drawer.asked))
    assert drawer.asked == [("fourier", 2)]
    assert [summary.drawn for summary in found.summaries] == [2, 0]
    assert {path.name for path in tmp_path.iterdir()} == REPORTS | {"pictures"}
    os.unlink(plan.slots(plan.entries[0])[1].path)
    drawer, told = Drawer(), []
    run(plan, drawer, on_entry=lambda entry, missing: told.append((entry.name, missing)))
    assert drawer.asked == [("fourier", 1), ("pixels", 2)]
    assert told == drawer.asked


def test_one_that_fails_is_a_row_and_the_rest_goes_on(tmp_path: Path) -> None:
    plan = plan_in(tmp_path)
    found = run(plan, Drawer(fails="fourier"))
    assert found.failures == {"fourier": Failure("out of paint", "Traceback: line 1")}
    assert [(summary.drawn, summary.failure) for summary in found.summaries] == [(0, "out of paint"), (2, None)]
    first, second = stored(tmp_path)["entries"]
    assert (first["failure"], first["traceback"], second["failure"]) == ("out of paint", "Traceback: line 1", None)
    rows = list(csv.DictReader((tmp_path / "table.csv").open()))
    assert [row["error"] for row in rows] == ["out of paint", "out of paint", "", ""]
    assert "out of paint" in (tmp_path / "table.md").read_text()
    assert "Traceback: line 1" in (tmp_path / "index.html").read_text()
    mended = run(plan, Drawer())
    assert mended.failures == {}
    assert [summary.drawn for summary in mended.summaries] == [2, 2]


def test_a_comparison_may_grow(tmp_path: Path) -> None:
    run(plan_in(tmp_path, "pixels", prompts=("a", "b")), Drawer())
    drawer = Drawer()
    run(plan_in(tmp_path, "fourier", "pixels", prompts=("a", "b", "c")), drawer)
    assert drawer.asked == [("fourier", 3), ("pixels", 1)]


def test_another_comparison_in_the_folder_is_refused(tmp_path: Path) -> None:
    run(plan_in(tmp_path, "pixels", prompts=("a",)), Drawer())
    for plan, sentence in (
        (plan_in(tmp_path, "pixels: pixels steps=1", prompts=("a",)), "was made with steps 2, and now it is 1"),
        (plan_in(tmp_path, "pixels", prompts=("a",), count=2), "was made with count 1, and now it is 2"),
        (plan_in(tmp_path, "fourier", prompts=("a",)), "has an entry 'pixels'"),
    ):
        drawer, before = Drawer(), (tmp_path / "comparison.json").read_bytes()
        with pytest.raises(UserError, match=sentence):
            run(plan, drawer)
        assert drawer.asked == []
        assert (tmp_path / "comparison.json").read_bytes() == before


def test_judges_are_loaded_before_anything_is_drawn(tmp_path: Path) -> None:
    drawer = Drawer()
    with pytest.raises(UserError, match="nothing-like-it"):
        run(plan_in(tmp_path), drawer, judges=["nothing-like-it"])
    assert drawer.asked == []
    assert list(tmp_path.iterdir()) == []


def test_a_judge_that_guided_is_named(tmp_path: Path) -> None:
    lines: list[str] = []
    run(plan_in(tmp_path, "pixels", prompts=("a",)), Drawer(), judges=["builtin"], notice=lines.append)
    assert [line for line in lines if "'builtin' has guided" in line]


def test_pictures_of_one_prompt_differ_by_a_number(tmp_path: Path) -> None:
    found = run(plan_in(tmp_path, "pixels", prompts=("a",), count=2), Drawer())
    assert found.summaries[0].diversity is not None
    assert found.summaries[0].diversity > 0
    assert "(5)" in (tmp_path / "index.html").read_text()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [("{", "cannot be read"), ("[]", "cannot be read"), ('{"format": 99, "asked": {}}', "of another version")],
)
def test_a_damaged_record_is_an_error(tmp_path: Path, text: str, sentence: str) -> None:
    (tmp_path / "comparison.json").write_text(text)
    with pytest.raises(UserError, match=sentence):
        read_record(tmp_path)
