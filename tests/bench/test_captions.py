"""The captions bench on a few captions: all three ways find the same, and what each leaves on the disk."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from bench import captions
from bench.cli import main
from bench.schema import READER, CaptionsReport

QUICK = ["--device", "cpu", "--repeats", "2", "--block-seconds", "0.001", "--captions", "9"]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.guard.check", lambda *which: "all green")


def measured(folder: Path, *options: str) -> CaptionsReport:
    assert main("captions", captions.run, [*QUICK, *options, "--results", str(folder)]) == 0
    (file,) = folder.rglob("*.json")
    report = READER.validate_json(file.read_text(encoding="utf-8"))
    assert isinstance(report, CaptionsReport)
    return report


def test_all_ways_find_the_same_and_keep_less(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = measured(tmp_path, "--alike", "3")
    assert (report.captions, report.unique) == (9, 3)
    one, batches, cache = report.lanes
    assert [lane.name for lane in report.lanes] == ["one at a time", "batches", "cache"]
    assert (one.faster.median, one.error) == (1.0, 0.0)
    assert 0 < batches.error < 1e-3  # of float16
    assert 0 < cache.error < 1e-3
    assert cache.bytes < batches.bytes < one.bytes
    printed = capsys.readouterr().out
    assert "captions of 9 pictures, 3 of them different" in printed
    assert " ms" not in printed


@pytest.mark.parametrize("shapes", [False, True])
def test_captions_are_as_often_alike_as_asked(shapes: bool) -> None:
    texts = captions.texts_of(10, 3, shapes)
    assert sorted(Counter(texts).values()) == [2, 2, 3, 3]
    assert len(set(captions.texts_of(200, 1, shapes))) == 200
    assert captions.texts_of(10, 3, shapes) == texts
    assert all(("man" in text.split() or "woman" in text.split()) == (not shapes) for text in texts)


def test_more_alike_than_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert main("captions", captions.run, [*QUICK, "--alike", "10", "--unchecked"]) == 2
    assert "--alike must be 9 or less, as many as --captions, got 10" in capsys.readouterr().err
