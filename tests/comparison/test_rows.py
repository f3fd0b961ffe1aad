"""The rows of the tables: of pictures and of entries."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fastclipgen.comparison.entries import Entry
from fastclipgen.comparison.plan import KEY, Plan
from fastclipgen.comparison.rows import Picture, common_settings, summarize
from fastclipgen.comparison.table import columns, markdown, shown, table_csv
from fastclipgen.evaluation.judge import judge

HOME = Path("out")
PLAN = Plan(("a red circle on a blue background", "b|c"), 1, 0, (Entry("p=q", {"generator": "pixels"}),), HOME)


def drawn(number: int, guide: float, seconds: float = 1.0, **values: Any) -> Picture:
    settings = {"generator": "pixels", "steps": 4, "width": 8, "height": 8, "seed": number, "views": None}
    cost = {"seconds": seconds, "compile_seconds": 0.25, "peak_bytes": 2**20 * (number + 1), "device": "cpu"}
    metadata = {"settings": settings, "steps_done": 4, "scores": {"loss": 0.5}, KEY: cost}
    slot = PLAN.slots(PLAN.entries[0])[number]
    return Picture(slot, metadata, np.zeros((8, 8, 3), np.uint8), guide=guide, **values)


@pytest.fixture
def pictures() -> list[Picture]:
    black = np.zeros((32, 32, 3), np.uint8)
    wrong = judge(black, "circle", "red", "blue")
    return [
        drawn(0, 20.0, verdict=wrong, judged={"J": 10.0}, alarm=True),
        drawn(1, 30.0, 3.0, judged={"J": 11.0}, alarm=False),
    ]


def test_an_entry_is_the_mean_of_its_pictures(pictures: list[Picture]) -> None:
    row = summarize(pictures, ["J"], diversity=0.5)
    assert (row.entry, row.generator, row.drawn, row.asked) == ("p=q", "pixels", 2, 2)
    assert (row.guide, row.judged, row.seconds, row.compile_seconds) == (25.0, {"J": 10.5}, 2.0, 0.5)
    assert (row.peak_bytes, row.alarms, row.diversity, row.failure) == (2 * 2**20, 0.5, 0.5, None)
    assert (row.judgeable, row.colours_right, row.shape_right, row.all_right) == (1, 0.0, 0.0, 0.0)
    assert row.settings == {"generator": "pixels", "steps": 4, "width": 8, "height": 8}
    assert row.as_dict()["guide_score"] == 25.0
    assert row.as_dict()["score_by_J"] == 10.5


def test_what_is_not_drawn_says_nothing(pictures: list[Picture]) -> None:
    row = summarize([pictures[0], Picture(pictures[1].slot)], ["J"], failure="it broke")
    assert (row.drawn, row.asked, row.guide, row.failure) == (1, 2, 20.0, "it broke")
    empty = summarize([Picture(pictures[0].slot)], ["J"])
    assert (empty.generator, empty.drawn, empty.guide, empty.seconds, empty.all_right) == (
        "pixels",
        0,
        None,
        None,
        None,
    )
    assert (empty.settings, empty.peak_bytes, empty.judged) == ({}, None, {"J": None})


def test_settings_that_pictures_share(pictures: list[Picture]) -> None:
    assert "seed" not in common_settings(pictures)
    assert "seed" in common_settings(pictures[1:])
    assert "views" not in common_settings(pictures)  # nobody chose any


def test_csv_has_a_row_for_each_picture(pictures: list[Picture]) -> None:
    text = table_csv([*pictures, Picture(pictures[1].slot)], ["J"], HOME, {"p=q": "it broke, so"})
    first, second, third = csv.DictReader(io.StringIO(text))
    assert list(first) == [
        "entry", "prompt", "seed", "file", "guide_score", "score_by_J", "colours_right", "shape_right", "all_right",
        "spectrum_alarm", "seconds", "compile_seconds", "drawn_together", "peak_bytes", "device", "finite", "loss",
        "steps", "width", "height", "error",
    ]  # fmt: skip
    assert first["file"] == "pictures/p-q/a-red-circle-on-a-blue-background-0.png"
    assert (first["guide_score"], first["all_right"], first["spectrum_alarm"], first["error"]) == (
        "20.0",
        "False",
        "True",
        "",
    )
    assert (second["all_right"], second["prompt"]) == ("", "b|c")
    assert (third["file"], third["guide_score"], third["error"]) == ("", "", "it broke, so")


def test_columns_of_which_nothing_is_known_are_left_out(pictures: list[Picture]) -> None:
    row = summarize(pictures, ["J"])
    titles = [column.title for column in columns([row], ["J"])]
    assert titles == [
        "entry", "guide", "J", "colours", "shape", "all right", "alarms", "s/picture", "compiling", "peak", "steps",
        "size", "pictures",
    ]  # fmt: skip
    cells = {column.title: shown(column, row) for column in columns([row], ["J"])}
    assert cells["guide"] == "25.0"
    assert (cells["alarms"], cells["s/picture"], cells["peak"], cells["size"]) == ("50%", "2.00", "2 MiB", "8x8")
    assert [column.title for column in columns([summarize([Picture(pictures[0].slot)], [])], [])] == [
        "entry", "guide", "pictures"
    ]  # fmt: skip


def test_markdown_is_a_table_with_notes(pictures: list[Picture]) -> None:
    row = summarize(pictures, ["J"], failure="a | broke\nit")
    lines = markdown([row], ["J"], {"autoencoder": "no weights"}).splitlines()
    assert lines[0].startswith("| entry | guide | J    |")
    assert set(lines[1]) == {"|", "-"}
    assert len({len(line) for line in lines[:3]}) == 1
    assert lines[3:] == ["", "- 'p=q' is not finished: a \\| broke it", "- 'autoencoder' is left out: no weights"]
