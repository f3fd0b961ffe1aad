from __future__ import annotations

import colorsys

import pytest
import torch

from fastclipgen.ops.colour import brightness_contrast, colour_jitter, scale_saturation, turn_hue


def pictures(count: int = 4, side: int = 5) -> torch.Tensor:
    return torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(3), dtype=torch.float64)


def clip(value: float) -> float:
    return min(max(value, 0.0), 1.0)


def slow_pixel(rgb: list[float], factors: list[float]) -> tuple[float, ...]:
    brightness, contrast, saturation, hue = factors
    r, g, b = (clip(clip(v + brightness - 1) * contrast) for v in rgb)
    h, s, v = colorsys.rgb_to_hsv(r, g, b)
    return colorsys.hsv_to_rgb((h + hue) % 1.0, clip(s * saturation), v)


FACTORS = torch.tensor(
    [[1.1, 0.9, 1.4, 0.1], [0.8, 1.2, 0.5, -0.4], [1.0, 1.0, 3.0, 0.25], [1.3, 1.1, 0.0, 0.5]], dtype=torch.float64
)


def test_equals_a_slow_loop_over_pixels() -> None:
    images = pictures()
    got = colour_jitter(images, FACTORS)
    for m in range(4):
        for y in range(5):
            for x in range(5):
                expected = slow_pixel(images[m, :, y, x].tolist(), FACTORS[m].tolist())
                assert got[m, :, y, x].tolist() == pytest.approx(expected, abs=1e-9)


def test_neutral_factors_change_nothing() -> None:
    images = pictures()
    neutral = torch.tensor([[1.0, 1.0, 1.0, 0.0]], dtype=torch.float64).expand(4, 4)
    torch.testing.assert_close(colour_jitter(images, neutral), images, rtol=0, atol=1e-12)


def test_named_colours() -> None:
    red = torch.tensor([1.0, 0.0, 0.0])[None, :, None, None]
    third = torch.tensor([1 / 3])
    assert turn_hue(red, third).flatten().tolist() == pytest.approx([0, 1, 0], abs=1e-6)
    assert turn_hue(red, -third).flatten().tolist() == pytest.approx([0, 0, 1], abs=1e-6)
    assert scale_saturation(red, torch.zeros(1)).flatten().tolist() == [1, 1, 1]
    pink = torch.tensor([1.0, 0.5, 0.5])[None, :, None, None]
    assert scale_saturation(pink, torch.tensor([5.0])).flatten().tolist() == [1, 0, 0]


def test_each_picture_has_its_own_factors() -> None:
    images = pictures(1).expand(4, -1, -1, -1)
    together = colour_jitter(images, FACTORS)
    for m in range(4):
        assert torch.equal(together[m : m + 1], colour_jitter(images[:1], FACTORS[m : m + 1]))
    assert (together[0] - together[1]).abs().max() > 0.1


def test_brightness_and_contrast_stay_in_range() -> None:
    images = pictures()
    bright = brightness_contrast(images, torch.full((4,), 1.9).double(), torch.full((4,), 2.0).double())
    assert bright.max() == 1
    dark = brightness_contrast(images, torch.full((4,), 0.5).double(), torch.full((4,), 1.0).double())
    assert dark.min() == 0


def test_neutral_factors_pass_every_gradient() -> None:
    """Also those of black, white and pure colours, which sit on the ends of the clamps and the seams of the hue."""
    images = torch.cartesian_prod(*[torch.tensor([0.0, 0.5, 1.0])] * 3)[:, :, None, None].requires_grad_()
    weights = torch.rand(images.shape, generator=torch.Generator().manual_seed(0))
    out = colour_jitter(images, torch.tensor([1.0, 1.0, 1.0, 0.0]).expand(27, 4))
    (gradient,) = torch.autograd.grad((out * weights).sum(), images)
    torch.testing.assert_close(gradient, weights)


def test_gradcheck_away_from_the_seams() -> None:
    images = torch.tensor([[0.8, 0.3, 0.5], [0.2, 0.65, 0.4], [0.3, 0.35, 0.7]], dtype=torch.float64)[:, :, None, None]
    factors = torch.tensor([[1.05, 0.95, 1.1, 0.03], [0.95, 1.1, 2.5, -0.07], [1, 1, 0.5, 0.4]], dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda i: colour_jitter(i, factors), images.requires_grad_())


@pytest.mark.parametrize("shade", [0.0, 1e-38, 0.3, 1.0])
def test_gradients_are_finite_at_greys_and_saturated_corners(shade: float) -> None:
    grey = torch.full((1, 3, 1, 1), shade)
    nearly = grey + torch.tensor([0.0, 1e-7, -1e-6])[None, :, None, None]
    corners = torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * 3)[:, :, None, None]  # [8, 3, 1, 1]
    images = torch.cat((grey, nearly, corners)).requires_grad_()
    for factors in ([1.05, 1.05, 1.5, 0.1], [1.0, 1.0, 0.0, -0.5], [0.9, 0.9, 1.0, 0.0]):
        out = colour_jitter(images, torch.tensor([factors]).expand(len(images), 4))
        (gradient,) = torch.autograd.grad((out * torch.tensor([1.0, 2.0, 3.0])[:, None, None]).sum(), images)
        assert out.isfinite().all()
        assert gradient.isfinite().all()
        assert gradient.abs().max() < 100
