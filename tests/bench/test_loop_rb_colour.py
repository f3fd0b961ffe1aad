from __future__ import annotations

import colorsys
import math

import torch

from bench.loop_rb_colour import brighten, contrast, saturate, to_hsv, to_rgb, turn
from fastclipgen.ops.colour import brightness_contrast, scale_saturation, turn_hue

IMAGES = torch.rand(4, 3, 9, 7, generator=torch.Generator().manual_seed(0))


def each(*values: float) -> tuple[torch.Tensor, torch.Tensor]:
    """A factor for every picture, as the op takes it and as the loop does."""
    one = torch.tensor(values)
    return one, one.view(-1, 1, 1, 1)


def test_hsv_is_python_s() -> None:
    found = to_hsv(IMAGES)
    pixels = IMAGES.movedim(1, -1).reshape(-1, 3).tolist()
    wanted = torch.tensor([colorsys.rgb_to_hsv(*pixel) for pixel in pixels]).view(4, 9, 7, 3).movedim(-1, 1)
    wanted[:, 0] *= 2 * math.pi
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-5)
    torch.testing.assert_close(to_rgb(found), IMAGES, rtol=0, atol=1e-5)


def test_grey_stays_grey() -> None:
    grey = torch.full((1, 3, 2, 2), 0.3)
    torch.testing.assert_close(turn(grey, torch.tensor(1.0)), grey)
    torch.testing.assert_close(to_rgb(to_hsv(torch.zeros(1, 3, 1, 1))), torch.zeros(1, 3, 1, 1))


def test_stages_are_those_of_the_op() -> None:
    plain, wide = each(0.9, 1.0, 1.05, 1.1)
    torch.testing.assert_close(saturate(IMAGES, wide), scale_saturation(IMAGES, plain), rtol=0, atol=1e-5)
    turns, angles = each(-0.1, 0.0, 0.05, 0.1)
    torch.testing.assert_close(turn(IMAGES, angles * 2 * math.pi), turn_hue(IMAGES, turns), rtol=0, atol=1e-5)
    lighter, one = each(0.9, 1.0, 1.05, 1.1), each(1.1, 0.9, 1.0, 1.0)
    both = contrast(brighten(IMAGES, lighter[1] - 1), one[1])
    torch.testing.assert_close(both, brightness_contrast(IMAGES, lighter[0], one[0]))
