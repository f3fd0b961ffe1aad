"""What a run begins with: noise, images, tensors, sizes; and how pictures change their size."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image

from fastclipgen.experiments.drawing import ClampedPixels, Drawing, scaled
from fastclipgen.experiments.experiment import Init
from fastclipgen.experiments.starting import beginning
from fastclipgen.generators.pixels import Pixels

SEEDS = torch.tensor([3, 4])


def begun(init: Init, height: int = 12, width: int = 16) -> torch.Tensor:
    return beginning(init, SEEDS, height, width, lambda line: None)


def test_noise_has_the_mean_and_the_spread_of_each_channel() -> None:
    pictures = begun(Init(mean=(0.3, 0.5, 0.7), std=(0.02, 0.05, 0.1)), 64, 64)
    torch.testing.assert_close(pictures.mean((0, 2, 3)), torch.tensor([0.3, 0.5, 0.7]), atol=0.01, rtol=0)
    torch.testing.assert_close(pictures.std((0, 2, 3)), torch.tensor([0.02, 0.05, 0.1]), atol=0.01, rtol=0)
    assert not torch.equal(pictures[0], pictures[1])
    alone = beginning(Init(mean=(0.3, 0.5, 0.7), std=(0.02, 0.05, 0.1)), SEEDS[1:], 64, 64, lambda line: None)
    assert torch.equal(alone[0], pictures[1])


def test_noise_is_clamped_and_made_at_its_own_size() -> None:
    wild = begun(Init(std=(5.0, 5.0, 5.0)))
    assert wild.min() == 0
    assert wild.max() == 1
    coarse = begun(Init(resolution=(2, 2)), 32, 32)
    fine = begun(Init(), 32, 32)
    apart = [(x[..., 1:] - x[..., :-1]).abs().mean() for x in (coarse, fine)]
    assert apart[0] < apart[1] / 5


@pytest.mark.parametrize(("mean", "std", "wanted"), [(0.0, 1.0, 1.0), (0.5, 0.1, 0.6)])
def test_an_image_is_times_std_plus_mean(tmp_path: Path, mean: float, std: float, wanted: float) -> None:
    Image.new("RGBA", (40, 20), (255, 0, 0, 255)).save(tmp_path / "red.png")
    pictures = begun(Init(mean=(mean,) * 3, std=(std,) * 3, image=str(tmp_path / "red.png")))
    assert pictures.shape == (2, 3, 12, 16)
    torch.testing.assert_close(pictures[:, 0], torch.full((2, 12, 16), wanted))
    torch.testing.assert_close(pictures[:, 1], torch.full((2, 12, 16), mean))


def test_a_tensor_is_taken_as_it_is() -> None:
    given = torch.linspace(-1, 2, 3 * 12 * 16).view(3, 12, 16)
    assert torch.equal(begun(Init(image_tensor=given.tolist())), given.expand(2, -1, -1, -1))


@pytest.mark.parametrize("how", ["nearest", "linear", "cubic"])
def test_sizes_change_by_the_named_way(how: str) -> None:
    flat = torch.full((1, 3, 8, 8), 0.25)
    torch.testing.assert_close(scaled(flat, 4, 6, how), torch.full((1, 3, 4, 6), 0.25))
    edge = torch.zeros(1, 1, 1, 4)
    edge[..., 2:] = 1
    levels = scaled(edge, 1, 8, how).unique()
    assert (len(levels) == 2) == (how == "nearest")
    assert (float(levels.min()) < 0) == (how == "cubic")


def test_compat_pixels_have_no_slope_outside() -> None:
    cpu = torch.device("cpu")
    for compat, kind in ((True, ClampedPixels), (False, Pixels)):
        drawing = Drawing("pixels", {}, compat, cpu, torch.float32, lambda line: None)
        generator = drawing.at(1, 1)
        assert type(generator) is kind
        assert generator is drawing.at(1, 1)
        raw = torch.tensor([-1.0, 0.5, 2.0]).view(1, 3, 1, 1).requires_grad_()
        (-generator({"rgb": raw}).sum()).backward()
        assert raw.grad is not None
        assert raw.grad.flatten().tolist() == ([0, -1, 0] if compat else [-1, -1, 0])
