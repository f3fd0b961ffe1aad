from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from bench import loops
from bench.cli import main
from bench.loop_quality import drawn, quality
from bench.schema import READER, LoopsReport
from bench.subject import Subject
from fastclipgen.data.palette import RGB
from fastclipgen.errors import UserError
from fastclipgen.evaluation.drawing import draw_questions
from fastclipgen.evaluation.report import Question

QUICK = ["--device", "cpu", "--size", "64", "--views", "2", "--repeats", "2", "--block-seconds", "0.001"]
QUICK += ["--quality-steps", "10", "--quality-pictures", "1"]


@pytest.fixture(autouse=True)
def green(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.guard.check", lambda *which: "all green")


def measured(folder: Path, *options: str) -> LoopsReport:
    assert main("loops", loops.run, [*QUICK, "--results", str(folder), *options]) == 0
    (file,) = folder.rglob("*.json")
    report = READER.validate_json(file.read_text(encoding="utf-8"))
    assert isinstance(report, LoopsReport)
    return report


def test_writes_a_report_and_prints_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = measured(tmp_path, "--case", "das", "--clip", "builtin", "--batches", "1", "2")
    (case,) = report.cases
    lanes = {(lane.name, lane.batch): lane for lane in case.lanes}
    assert list(lanes) == [("engine", 1), ("engine", 2), ("faithful", 1), ("fair", 1)]
    assert [(one.slow, one.fast) for one in case.ratios] == [
        ("faithful@1", "engine@1"), ("faithful@1", "engine@2"),
        ("fair@1", "engine@1"), ("fair@1", "engine@2"),
        ("engine@1", "engine@2"),
    ]  # fmt: skip
    # it keeps a gradient for every weight
    assert lanes["faithful", 1].peak_bytes > lanes["fair", 1].peak_bytes
    assert (case.settings["generator"], case.settings["cutouts"], case.settings["views"]) == ("stack", "das", 2)
    assert case.quality.drawn is not None  # the built-in CLIP's pictures are measured
    printed = capsys.readouterr().out
    assert "fair@1 / engine@2" in printed
    assert "colours" in printed
    assert " ms" not in printed  # no seconds on a CPU


CUTOUTS = {"das": "das", "vqgan": "latest", "crowson": "original", "rb": "latest"}


@pytest.mark.parametrize("name", ["vqgan", "crowson"])
def test_the_other_loops_run_too(name: str, tmp_path: Path) -> None:
    more = ["--clip", "builtin", "--views", "8", "--quality-steps", "30"]
    (case,) = measured(tmp_path, "--case", name, *more).cases
    assert (case.name, case.settings["cutouts"]) == (name, CUTOUTS[name])
    assert case.quality.engine < case.quality.before
    assert case.quality.reference < case.quality.before


def test_the_whole_loop_of_r_b(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(loops.CASES["rb"].settings, "vqgan", "random:tiny")
    (case,) = measured(tmp_path, "--case", "rb", "--clip", "builtin", "--quality-steps", "8").cases
    chosen = case.settings
    assert (case.name, chosen["generator"], chosen["cutouts"], chosen["optimizer"]) == ("rb", "vqgan", "latest", "adam")
    assert [(one.slow, one.fast) for one in case.ratios] == [("faithful@1", "engine@1"), ("fair@1", "engine@1")]
    assert case.flops
    assert all(lane.of_matrix is not None for lane in case.lanes)
    assert case.quality.engine < case.quality.before
    assert case.quality.engine == pytest.approx(case.quality.reference, abs=0.1)
    assert "of a matrix product's speed" in capsys.readouterr().out


def test_the_demo_moves_the_tracks_of_a_picture_together(tmp_path: Path) -> None:
    report = measured(tmp_path, "--case", "demo", "--generator", "pixels")
    (case,) = report.cases
    together = f"engine@{case.settings['tracks']}"
    assert [(one.slow, one.fast) for one in case.ratios] == [("faithful@1", together), ("fair@1", together)]
    subject = Subject(1, {"clip": ["builtin"]})
    assert loops.CASES["demo"].batches is None
    assert (subject.job.config.generator, subject.job.config.tracks) == ("vae", 6)


def test_every_case_is_what_its_loop_was() -> None:
    for name, case in loops.CASES.items():
        if name != "demo":
            assert case.settings["cutouts"] == CUTOUTS[name]
    whole = loops.CASES["rb"].settings
    assert (whole["vqgan"], whole["cutouts"], whole["width"], whole["views"]) == ("random:f16-16384", "latest", 512, 32)
    assert loops.CASES["das"].settings["views"] == 32
    assert loops.CASES["das"].settings["width"] == 224
    assert not loops.CASES["das"].habits.frozen
    assert loops.CASES["vqgan"].settings["width"] == 512
    assert loops.CASES["crowson"].settings["views"] == 64


def test_mistakes_are_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main("loops", loops.run, [*QUICK, "--case", "vqgam"]) == 2
    assert "did you mean 'vqgan'" in capsys.readouterr().err
    assert main("loops", loops.run, [*QUICK, "--case", "demo", "--generator", "stak"]) == 2
    assert "did you mean 'stack'" in capsys.readouterr().err


def test_cases_that_fail_or_are_cut_off_do_not_take_the_others_with_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reports: Any
) -> None:
    report = READER.validate_python(reports("cpu")["loops"])
    assert isinstance(report, LoopsReport)
    done = report.cases[0]
    ends: dict[str, BaseException] = {"demo": UserError("no weights"), "vqgan": SystemExit(124)}

    def case(name: str, *rest: object) -> Any:
        if name in ends:
            raise ends[name]
        return done

    monkeypatch.setattr(loops, "_case", case)
    report = measured(tmp_path)
    assert [(one.what, one.reason) for one in report.missing] == [
        ("demo", "no weights"),
        ("vqgan", "ended from outside"),
    ]
    assert len(report.cases) == 2  # rb and das; crowson would have come after
    late = measured(tmp_path, "--minutes", "0.0000001")
    assert (len(late.cases), len(late.missing)) == (1, 4)
    ends["rb"] = SystemExit(124)
    with pytest.raises(SystemExit):
        main("loops", loops.run, QUICK)


def test_both_sides_of_the_quality_begin_at_the_same_place(small: dict[str, Any]) -> None:
    """One view of the whole picture has no chance in it: engine and reference come to the same."""
    chosen = small | {"generator": "vae"}
    subject = Subject(2, chosen)
    found = quality(subject, chosen, 3, 2, starts=8)
    assert found.engine < found.before
    assert found.engine == pytest.approx(found.reference, abs=2e-3)
    assert quality(subject, chosen, 3, 2, starts=1).before > found.before  # the best of eight starts is better


def test_drawn_counts_pictures_as_the_judge_sees_them() -> None:
    def ground(colour: str) -> torch.Tensor:
        return (torch.tensor(RGB[colour]) / 255).view(3, 1, 1).expand(3, 64, 64).clone()

    square = ground("blue")
    square[:, 20:44, 20:44] = (torch.tensor(RGB["red"]) / 255).view(3, 1, 1)
    asked = Question("square", "red", "blue")
    found = drawn(torch.stack([square, ground("blue")]), [asked, asked])
    assert (found.colours, found.shapes) == (0.5, 0.5)
    assert len(draw_questions(3, 0)) == 3
