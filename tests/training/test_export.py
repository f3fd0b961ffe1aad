"""What export does to trained weights: nothing that is seen."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import nn

from fastclipgen.training.export import fold_normalisation, save_half, whiten

MEAN, STD = (0.4, 0.5, 0.3), (0.2, 0.3, 0.25)


class Stem(nn.Module):
    """The first layers of open_clip's convolutional towers."""

    def __init__(self) -> None:
        super().__init__()
        self.visual = nn.Module()
        self.visual.conv1 = nn.Conv2d(3, 4, 3, padding=1, bias=False)
        self.visual.bn1 = nn.BatchNorm2d(4)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.visual.bn1(self.visual.conv1(images))  # pyright: ignore[reportCallIssue]


def test_folding_the_normalisation_changes_nothing_inside_the_picture() -> None:
    generator = torch.Generator().manual_seed(0)
    plain, folded = Stem().eval(), Stem().eval()
    tensors = {key: torch.rand(value.shape, generator=generator) + 0.1 for key, value in plain.state_dict().items()}
    plain.load_state_dict(tensors)
    before = {key: value.clone() for key, value in tensors.items()}
    folded.load_state_dict(fold_normalisation(tensors, MEAN, STD))
    images = torch.rand(2, 3, 8, 8, generator=generator)
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (MEAN, STD))
    with torch.no_grad():
        wanted, found = plain(images), folded((images - mean) / std)
    torch.testing.assert_close(found[..., 1:-1, 1:-1], wanted[..., 1:-1, 1:-1], atol=1e-5, rtol=1e-5)
    assert not torch.allclose(found, wanted), "the padding differs"
    assert all(torch.equal(tensors[key], before[key]) for key in before), "the given tensors stay"


def test_whitened_latents_have_unit_covariance() -> None:
    generator = torch.Generator().manual_seed(1)
    mixing = torch.randn(5, 5, generator=generator)
    means = torch.randn(4000, 5, generator=generator) @ mixing + 3
    variances = torch.rand(4000, 5, generator=generator)
    found = whiten(means, variances)
    torch.testing.assert_close(found["prior_mean"], means.mean(0), atol=1e-5, rtol=1e-5)
    samples = means + variances.sqrt() * torch.randn(means.shape, generator=generator)
    white = torch.linalg.solve_triangular(found["prior_factor"], (samples - found["prior_mean"]).T, upper=False)
    torch.testing.assert_close(torch.cov(white), torch.eye(5), atol=0.08, rtol=0)
    assert found["prior_factor"].dtype == torch.float32


def test_save_half_keeps_whole_numbers(tmp_path: Path) -> None:
    save_half({"w": torch.rand(3, 4).T, "n": torch.tensor([70000])}, tmp_path / "x.safetensors")
    found = load_file(tmp_path / "x.safetensors")
    assert found["w"].dtype == torch.float16
    assert found["w"].shape == (4, 3)
    assert found["n"].tolist() == [70000]


def test_weights_replace_others_and_may_be_read_as_the_umask_says(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(b"old")
    before = os.umask(0o022)
    try:
        save_half({"w": torch.ones(2)}, path, {"made": "by hand"})
    finally:
        os.umask(before)
    assert load_file(path)["w"].tolist() == [1, 1]
    assert [one.name for one in tmp_path.iterdir()] == ["x.safetensors"]
    if os.name == "posix":
        path.unlink()
        save_half({"w": torch.ones(2)}, path)
        assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~before
