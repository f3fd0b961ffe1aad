"""The alarm for adversarial noise: known spectra, made and real pictures, and a picture that is adversarial."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from fastclipgen.data.shapes import HELD_OUT_SEED, ShapesDataset
from fastclipgen.errors import UserError
from fastclipgen.evaluation.spectrum import NATURAL, RINGS, Limits, high_share, limits_of, ring_power, slope
from fastclipgen.outputs.load import fit, load_image
from fastclipgen.perceptors.builtin import load_builtin

from ..material import MATERIAL


def rings_of(pictures: torch.Tensor | list[torch.Tensor]) -> torch.Tensor:
    return torch.stack([ring_power(picture) for picture in pictures])


def noise(exponent: float, side: int = 96, count: int = 4, seed: int = 0) -> torch.Tensor:
    """Pictures [count, 3, side, side] whose power goes as frequency ** exponent."""
    white = torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    axis = torch.fft.fftfreq(side, dtype=torch.float64)
    radius = (axis[:, None].square() + axis.square()).sqrt()
    radius[0, 0] = 1 / side
    shaped = torch.fft.ifft2(torch.fft.fft2(white) * radius ** (exponent / 2)).real
    return 0.5 + 0.1 * shaped / shaped.std()


def shapes(count: int, size: int = 64) -> torch.Tensor:
    return torch.from_numpy(ShapesDataset(HELD_OUT_SEED, size).images(np.arange(count))).permute(0, 3, 1, 2)


def adversarial(count: int = 4, steps: int = 60) -> torch.Tensor:
    """Plain gradient ascent on the pixels: the CLIP is content, and there is nothing to be seen."""
    eye = load_builtin(print)
    text = eye.encode_text(["a red circle on a blue background"])
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (eye.mean, eye.std))
    generator = torch.Generator().manual_seed(0)
    pixels = (0.5 + 0.01 * torch.randn(count, 3, eye.image_size, eye.image_size, generator=generator)).requires_grad_()
    optimizer = torch.optim.Adam([pixels], lr=0.05)
    for _ in range(steps):
        optimizer.zero_grad()
        seen = F.normalize(eye.encode_image((pixels.clamp(0, 1) - mean) / std), dim=1)
        (-(seen * text).sum()).backward()
        optimizer.step()
    return pixels.detach().clamp(0, 1)


@pytest.mark.parametrize("exponent", [0.0, -1.0, -2.0, -3.0])
def test_the_slope_of_noise_of_a_known_slope(exponent: float) -> None:
    assert slope(rings_of(noise(exponent))).mean().item() == pytest.approx(exponent, abs=0.12)


def test_white_noise_has_its_share_by_area() -> None:
    assert high_share(rings_of(noise(0.0))).mean().item() == pytest.approx(1 - math.pi / 16, abs=0.01)


def test_a_wave_lies_in_the_ring_of_its_frequency() -> None:
    wave = 0.5 + 0.3 * torch.sin(2 * math.pi * torch.arange(64) * 0.21875).expand(3, 64, 64)  # 7 of 32 rings, times 2
    power = ring_power(wave)[0]
    assert power[13:16].sum() / power.sum() > 0.99
    assert high_share(ring_power(wave)[None]).item() < 0.01
    assert high_share(ring_power(0.5 + 0.4 * (-1) ** torch.arange(64).expand(3, 64, 64))[None]).item() > 0.99


def test_power_is_the_variance_and_rings_are_counted() -> None:
    power, count = ring_power(noise(0.0, side=64, count=1)[0])
    assert count.sum().item() == 64 * 64
    assert power.sum().item() == pytest.approx(3 * 0.01, rel=0.15)  # three colours with a deviation of 0.1
    assert len(power) == RINGS + 1


def test_neither_contrast_nor_brightness_nor_turning_matters() -> None:
    picture = noise(-1.5, side=48, count=1)[0][:, :, :40]
    others = [picture, 0.2 + 0.3 * picture, picture.mT, picture.flip(2)]
    found = rings_of(others)
    for of in (high_share, slope):
        torch.testing.assert_close(of(found), of(found)[:1].expand(4))


def test_flat_pictures_raise_no_alarm_and_small_ones_are_refused() -> None:
    rings = rings_of([torch.full((3, 20, 20), 0.3)])
    assert rings[0, 0].sum() == 0
    share, found = high_share(rings), slope(rings)
    assert math.isnan(share.item())
    assert math.isnan(found.item())
    assert not NATURAL.exceeded(share, found).item()
    with pytest.raises(UserError, match="16 x 16 pixels or more, got 40 x 15"):
        ring_power(torch.rand(3, 15, 40))


def test_both_numbers_must_exceed() -> None:
    limits = Limits(0.1, -1.0)
    share, found = torch.tensor([0.2, 0.2, 0.05, 0.05]), torch.tensor([-0.5, -2.0, -0.5, -2.0])
    assert limits.exceeded(share, found).tolist() == [True, False, False, False]


def test_the_alarm_fires_on_an_adversarial_picture_and_not_on_drawings() -> None:
    bad, good = rings_of(adversarial()), rings_of(shapes(60))
    own = limits_of(good[:30])
    assert own.exceeded(high_share(bad), slope(bad)).all()
    assert NATURAL.exceeded(high_share(bad), slope(bad)).float().mean() >= 0.75  # photographs may do more than drawings
    for limits in (NATURAL, own):
        assert not limits.exceeded(high_share(good), slope(good)).any()


@pytest.mark.skipif(not (MATERIAL / "coco").is_dir(), reason="material: no photographs beside the checkout")
def test_no_alarm_on_photographs_and_one_on_their_noisy_copies() -> None:
    files = sorted(MATERIAL.glob("coco/val2017/*.jpg"))[:16]
    photographs = [load_image(file) for file in files]
    rings = rings_of(photographs)
    assert not NATURAL.exceeded(high_share(rings), slope(rings)).any()
    generator = torch.Generator().manual_seed(0)
    noisy = [fit(photograph, 224, 224) for photograph in photographs]
    rings = rings_of([(p + 0.4 * torch.randn(p.shape, generator=generator)).clamp(0, 1) for p in noisy])
    assert NATURAL.exceeded(high_share(rings), slope(rings)).float().mean() > 0.8


def test_the_limits_of_a_reference() -> None:
    rings = rings_of(noise(-2.0, count=10))
    limits = limits_of(torch.cat([rings, rings_of([torch.zeros(3, 96, 96)])]))  # the flat one counts for nothing
    assert limits.slope == pytest.approx(float(slope(rings).mean() + 3 * slope(rings).std()))
    assert limits.share == pytest.approx(float(high_share(rings).log().mean().exp()))
    with pytest.raises(UserError, match="8 pictures or more that are not flat, got 7"):
        limits_of(rings[:7])
