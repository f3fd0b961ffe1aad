"""FID's Inception: what is missing is said, nothing is downloaded, and the features go through."""

from __future__ import annotations

import hashlib
import importlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from fastclipgen.errors import UserError
from fastclipgen.evaluation import inception
from fastclipgen.evaluation.inception import InceptionFeatures


class Network(torch.nn.Module):
    """Stands for torchmetrics' Inception: the mean colours of uint8 pictures."""

    def forward(self, looks: torch.Tensor) -> torch.Tensor:
        assert looks.dtype == torch.uint8
        return looks.float().mean((2, 3))


@pytest.fixture
def packages(monkeypatch: pytest.MonkeyPatch) -> None:
    """torchmetrics and torch-fidelity, as far as they are used."""
    metric = SimpleNamespace(FrechetInceptionDistance=lambda **_: SimpleNamespace(inception=Network()))
    found: dict[str, Any] = {"torch_fidelity": SimpleNamespace(), "torchmetrics.image.fid": metric}
    monkeypatch.setattr(inception, "importlib", SimpleNamespace(import_module=found.__getitem__))


def weights(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = folder / inception.WEIGHTS
    torch.save({"fc.weight": torch.zeros(2, 2)}, file)
    monkeypatch.setattr(inception, "HASH", hashlib.sha256(file.read_bytes()).hexdigest()[:8])
    return file


def test_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> None:
        raise ModuleNotFoundError(name=name)

    monkeypatch.setattr(importlib, "import_module", absent)
    with pytest.raises(UserError, match=r"'torch_fidelity'; run 'pip install fastclipgen\[eval\]'"):
        InceptionFeatures(None, torch.device("cpu"))


@pytest.mark.usefixtures("packages")
def test_missing_weights_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    with pytest.raises(UserError, match=r"checkpoints/weights-inception-2015-12-05-6726825d\.pth', and there are none"):
        InceptionFeatures(None, torch.device("cpu"))


@pytest.mark.usefixtures("packages")
def test_another_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.pth").write_bytes(b"something else")
    with pytest.raises(UserError, match="is not the Inception of FID, whose hash begins with 6726825d"):
        InceptionFeatures(tmp_path / "x.pth", torch.device("cpu"))


@pytest.mark.usefixtures("packages")
def test_pictures_become_features(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    found = InceptionFeatures(weights(tmp_path, monkeypatch), torch.device("cpu"))
    looks = torch.stack([found.look(torch.full((3, 40, 60), level)) for level in (0.0, 1.0)])
    assert (looks.shape, looks.dtype) == ((2, 3, 299, 299), torch.uint8)
    torch.testing.assert_close(found.embed(looks), torch.tensor([[0.0] * 3, [255.0] * 3]))
    assert found.key.startswith("inception 1 ")
