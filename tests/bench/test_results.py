from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import pytest
import torch

from bench import results
from bench.machine import checkout, device_name, machine, source
from bench.schema import READER
from fastclipgen.errors import UserError

CPU = torch.device("cpu")


def options(**changed: Any) -> argparse.Namespace:
    return argparse.Namespace(**{"unchecked": True, "results": None, "commit": None} | changed)


def test_written_below_version_suite_and_device_and_read_back(tmp_path: Path, reports: Any) -> None:
    written = {}
    for device, version in (("cpu", "0.9.0"), ("cuda", "0.10.0")):
        suites = len(reports(device))
        for suite, values in reports(device).items():
            values["machine"]["fastclipgen"] = version
            report = READER.validate_python(values)
            path = results.write(report, tmp_path)
            assert path == tmp_path / version / f"{suite}--{'cpu-2-cores' if device == 'cpu' else 'nvidia-z9'}.json"
            written[path.relative_to(tmp_path)] = report
    found = results.read(tmp_path)
    assert found == written
    assert [path.parent.name for path in found] == ["0.10.0"] * suites + ["0.9.0"] * suites  # the newest first
    (tmp_path / "0.9.0" / "x--y.json").write_text("{}", encoding="utf-8")
    with pytest.raises(ValueError, match="suite"):
        results.read(tmp_path)


def test_unchecked_figures_are_not_written(tmp_path: Path) -> None:
    begun = results.begin(options(), CPU, ("philox",))
    assert begun["tests"] == "not run (--unchecked)"
    assert begun["device"] == "cpu"
    with pytest.raises(UserError, match="--unchecked prints figures that nothing vouches for"):
        results.begin(options(results=tmp_path), CPU, ("philox",))
    assert not list(tmp_path.iterdir())


def test_checks_the_ops_and_further_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr("bench.guard.check", lambda *which: asked.append(which) or "green")
    begun = results.begin(options(unchecked=False, commit="a" * 40), CPU, ("philox",), ("tests/x.py",))
    assert asked == [(("philox",), ("tests/x.py",))]
    assert (begun["tests"], begun["source"].commit) == ("green", "a" * 40)


def test_devices_that_cannot_be_timed_are_refused() -> None:
    with pytest.raises(UserError, match="cpu and cuda, got mps"):
        results.begin(options(), torch.device("mps"), ())


def test_a_folder_that_cannot_be_written(tmp_path: Path, reports: Any) -> None:
    (tmp_path / "taken").write_text("", encoding="utf-8")
    with pytest.raises(UserError, match="choose another folder with --results"):
        results.write(READER.validate_python(reports("cpu")["ops"]), tmp_path / "taken")


def test_machine_and_sources(tmp_path: Path) -> None:
    where = machine(CPU)
    assert device_name(where) == f"cpu-{where.cores}-cores"
    assert where.gpu is None
    assert checkout() == Path(__file__).resolve().parents[2]
    assert checkout(tmp_path) is None
    assert source(tmp_path).commit is None  # a folder without git has no commit
