"""The losses of a VQGAN against plain formulas, and what is said where LPIPS cannot be made."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from fastclipgen.errors import UserError
from fastclipgen.training.vq_losses import adaptive_weight, hinge_of_discriminator, lpips_name, open_perceptual

CPU = torch.device("cpu")


def test_the_hinge_leaves_alone_what_is_told_apart_clearly() -> None:
    real, fake = torch.tensor([2.0, 0.5, -1.0]), torch.tensor([-3.0, 0.0])
    # 1 - real: 0, 0.5, 2; 1 + fake: 0, 1
    assert float(hinge_of_discriminator(real, fake)) == pytest.approx(0.5 * (2.5 / 3 + 1 / 2))
    assert float(hinge_of_discriminator(torch.ones(2), -torch.ones(2))) == 0.0


def test_the_adaptive_weight_is_the_ratio_of_gradients_at_the_last_layer() -> None:
    torch.manual_seed(0)
    last = nn.Parameter(torch.randn(3, 4))
    x = torch.randn(5, 4)
    drawn = x @ last.T
    reconstruction, adversarial = (drawn - 1).abs().mean(), -(drawn * 0.1).tanh().mean()
    weight = adaptive_weight(reconstruction, adversarial, last)
    here = (torch.sign(x @ last.T - 1).T @ x / 15).norm()
    there = (-(1 - (x @ last.T * 0.1).tanh().square()).T @ x * 0.1 / 15).norm()
    assert float(weight) == pytest.approx(float(here / (there + 1e-4)), rel=1e-5)
    assert not weight.requires_grad
    (reconstruction + weight * adversarial).backward()  # the graphs were kept
    assert last.grad is not None


def test_the_adaptive_weight_is_bounded() -> None:
    last = nn.Parameter(torch.ones(1))
    assert float(adaptive_weight(last.sum() * 1e6, last.sum() * 0.0, last)) == 1e4


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("features.0.weight", "net.slice1.0.weight"),
        ("features.2.bias", "net.slice1.2.bias"),
        ("features.5.weight", "net.slice2.5.weight"),
        ("features.14.weight", "net.slice3.14.weight"),
        ("features.17.weight", "net.slice4.17.weight"),
        ("features.28.weight", "net.slice5.28.weight"),
        ("lin0.model.1.weight", "lin0.model.1.weight"),
    ],
)
def test_the_names_of_torchvision(ours: str, theirs: str) -> None:
    assert lpips_name(ours) == theirs


class StandIn(nn.Module):
    """Has LPIPS's names: a part of VGG16, and a linear layer held twice."""

    def __init__(self, **options: Any) -> None:
        super().__init__()
        assert options["net"] == "vgg"
        self.net = nn.Module()
        self.net.slice1 = nn.Sequential(nn.Conv2d(3, 1, 1))
        self.lin0 = nn.Linear(1, 1, bias=False)
        self.lins = nn.ModuleList([self.lin0])

    def forward(self, ours: Tensor, theirs: Tensor) -> Tensor:
        difference = self.net.get_submodule("slice1")(ours - theirs).square().mean((1, 2, 3))
        return (self.lin0.weight[0, 0] * difference)[:, None, None, None]


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch) -> None:
    module: Any = ModuleType("lpips")
    module.LPIPS = StandIn
    monkeypatch.setitem(sys.modules, "lpips", module)


def save(path: Path, tensors: dict[str, Tensor]) -> Path:
    torch.save(tensors, path)
    return path


VGG = {"features.0.weight": torch.full((1, 3, 1, 1), 2.0), "features.0.bias": torch.zeros(1)}


def test_lpips_takes_torchvisions_weights(package: None, tmp_path: Path) -> None:
    torch.manual_seed(0)
    path = save(tmp_path / "vgg.pth", {**VGG, "classifier.0.weight": torch.ones(1), "lin0.model.weight": torch.ones(1)})
    distance = open_perceptual("lpips", path, CPU)
    assert distance is not None
    ours, theirs = torch.full((2, 3, 4, 4), 0.5, requires_grad=True), torch.zeros(2, 3, 4, 4)
    found = distance(ours, theirs)
    assert found.shape == (2,)
    found.sum().backward()
    assert ours.grad is not None


def test_lpips_takes_a_whole_network(package: None, tmp_path: Path) -> None:
    whole = {
        "net.slice1.0.weight": VGG["features.0.weight"], "net.slice1.0.bias": torch.zeros(1),
        "lin0.weight": torch.full((1, 1), 0.5),
    }  # fmt: skip
    distance = open_perceptual("lpips", save(tmp_path / "lpips.pt", whole), CPU)
    assert distance is not None
    found = distance(torch.full((2, 3, 4, 4), 0.5), torch.zeros(2, 3, 4, 4))
    assert found.tolist() == pytest.approx([4.5, 4.5])  # 0.5 * (3 * 2 * 0.5)**2


def test_none_needs_nothing() -> None:
    assert open_perceptual("none", None, CPU) is None


def test_what_is_missing_is_said(package: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="needs the weights of VGG16; name their file with --perceptual-weights"):
        open_perceptual("lpips", None, CPU)
    with pytest.raises(UserError, match="there is none at"):
        open_perceptual("lpips", tmp_path / "none.pth", CPU)
    part = save(tmp_path / "part.pth", {"features.0.weight": VGG["features.0.weight"]})
    with pytest.raises(UserError, match=r"lacks layers of VGG16, 'net.slice1.0.bias' among 1; give torchvision's"):
        open_perceptual("lpips", part, CPU)
    monkeypatch.setitem(sys.modules, "lpips", None)
    with pytest.raises(UserError, match=r"needs the lpips package: run pip install 'fastclipgen\[train\]'"):
        open_perceptual("lpips", part, CPU)
