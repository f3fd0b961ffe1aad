"""Programs in files: told from checkpoints, opened only for a user who trusts them."""

from __future__ import annotations

import warnings
import zipfile
from pathlib import Path

import pytest
import torch
from torch import nn

from fastclipgen.errors import UserError
from fastclipgen.weights.programs import kind_of_program, load_program


@pytest.fixture
def files(tmp_path: Path) -> Path:
    network = nn.Linear(3, 2)
    torch.export.save(torch.export.export(network, (torch.zeros(1, 3),)), tmp_path / "a.pt2")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.trace(network, torch.zeros(1, 3)).save(str(tmp_path / "b.pt"))  # pyright: ignore[reportAttributeAccessIssue]
    torch.save(network.state_dict(), tmp_path / "c.pth")
    (tmp_path / "d.pt2").write_text("no archive")
    return tmp_path


def test_kinds(files: Path) -> None:
    kinds = {name: kind_of_program(files / name) for name in ("a.pt2", "b.pt", "c.pth", "d.pt2")}
    assert kinds == {"a.pt2": "torch.export", "b.pt": "TorchScript", "c.pth": None, "d.pt2": None}


@pytest.mark.parametrize("name", ["a.pt2", "b.pt"])
def test_they_are_opened_on_trust_alone(files: Path, name: str) -> None:
    with pytest.raises(UserError, match=f"'.*{name}' of a net is a .* program, and .* may run any code.*--yes"):
        load_program(files / name, "a net", False, "--yes")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        program = load_program(files / name, "a net", True, "--yes")
    assert program(torch.ones(1, 3)).shape == (1, 2)


def test_nothing_is_run_before_trust(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for opener in ("torch.export.load", "torch.jit.load", "torch.load"):
        monkeypatch.setattr(opener, lambda *_, **__: pytest.fail("the file was opened"))
    for name in ("a.pt2", "b.pt"):
        with pytest.raises(UserError, match="if you trust them"):
            load_program(files / name, "a net", False, "--yes")


@pytest.mark.parametrize("name", ["a.pt2", "b.pt"])
def test_damaged_ones_are_one_sentence(files: Path, name: str, caplog: pytest.LogCaptureFixture) -> None:
    broken = files / f"broken-{name}"
    with zipfile.ZipFile(files / name) as whole, zipfile.ZipFile(broken, "w") as part:
        for entry in whole.namelist():
            if not entry.endswith((".json", ".py", "data.pkl")):
                part.writestr(entry, whole.read(entry))
    with pytest.raises(UserError, match=f"program '.*broken-{name}' of a net cannot be read by torch .*; export"):
        load_program(broken, "a net", True, "--yes")
    assert not caplog.records
