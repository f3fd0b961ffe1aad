from __future__ import annotations

import pytest

from fastclipgen import doctor
from fastclipgen.ops import library

pytestmark = pytest.mark.usefixtures("fresh_backends")


def test_every_heading_says_something(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(library._KERNELS, "cutouts", frozenset())
    findings = doctor.report()
    assert all(findings.values())
    assert list(findings) == ["versions", "devices", "native module", "backends", "built-in weights", "model hub"]
    assert any(line.startswith("torch 2.") for line in findings["versions"])
    backends = "\n".join(findings["backends"])
    for op in library.OPS:
        assert f"{op} on cpu: {library.choose(op, 'cpu')}" in backends
    assert "not cpp: there is no cpp kernel for cutouts" in backends


def test_says_why_there_is_no_native_module(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "_native", None)
    monkeypatch.setattr(library, "native_reason", lambda: "no compiler was found")
    assert doctor.report()["native module"] == ["no: no compiler was found"]


def test_says_when_the_hub_is_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert doctor.report()["model hub"][0].startswith("configured: offline")


def test_says_when_the_weights_are_missing(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    monkeypatch.setattr(doctor, "_ASSETS", tmp_path)
    assert doctor.report()["built-in weights"][0].startswith("none in")
    (tmp_path / "x.safetensors").write_bytes(bytes(2_000_000))
    assert doctor.report()["built-in weights"] == ["x.safetensors: 2.0 MB"]


def test_prints_and_succeeds(capsys: pytest.CaptureFixture[str]) -> None:
    assert doctor.main() == 0
    assert "native module\n  " in capsys.readouterr().out
