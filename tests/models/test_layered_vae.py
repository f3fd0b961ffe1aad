"""The layered VAE: shapes, any size, sharp edges, gradients to every part."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from fastclipgen.models.layered_vae import (
    LATENT,
    OBJECTS,
    OUTLINE_SIDE,
    OUTLINES,
    PATTERNS,
    REACH,
    SIDE,
    LayeredVAE,
    Parts,
    draw,
    enlarge,
)


@pytest.fixture(scope="module")
def vae() -> LayeredVAE:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return LayeredVAE().eval()


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def disc(present: float = 30.0, radius: float = 0.3, x: float = 0.5) -> Parts:
    """A white disc (0.7 of the radius) on black; the second object is absent."""
    axis = torch.linspace(-REACH, REACH, OUTLINE_SIDE)
    return Parts(
        ground=torch.zeros(1, 3, 3),
        second=torch.zeros(1, 3),
        pattern=torch.full((1, 1, SIDE, SIDE), -30.0),
        present=torch.tensor([[present, -30.0]]),
        centre=torch.tensor([[[x, 0.5], [0.5, 0.5]]]),
        log_radius=torch.full((1, OBJECTS), radius).log(),
        angle=torch.zeros(1, OBJECTS),
        pattern_choice=torch.zeros(1, PATTERNS),
        outline_choice=torch.zeros(1, OBJECTS, OUTLINES),
        outline=(0.7 - torch.hypot(axis[:, None], axis)).expand(1, OBJECTS, -1, -1),
        ink=torch.ones(1, OBJECTS, 3),
    )


def test_encoder_and_decoder_shapes(vae: LayeredVAE) -> None:
    with torch.no_grad():
        mean, log_variance = vae.encoder(torch.rand(3, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0)))
        assert mean.shape == log_variance.shape == (3, LATENT)
        assert log_variance.max() < 0, "little noise before training"
        parts = vae.decoder.parts(mean)
        assert parts.outline.shape == (3, OBJECTS, OUTLINE_SIDE, OUTLINE_SIDE)
        assert parts.pattern.shape == (3, 1, SIDE, SIDE)
        assert parts.centre.shape == (3, OBJECTS, 2)
        assert vae.decoder(mean).shape == (3, 3, SIDE, SIDE)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (17, 33), (64, 100), (256, 256)])
def test_any_size(vae: LayeredVAE, height: int, width: int) -> None:
    with torch.no_grad():
        images = vae.decoder(noise(2, LATENT), height, width)
    assert images.shape == (2, 3, height, width)
    assert images.isfinite().all()


def test_a_picture_does_not_depend_on_its_batch(vae: LayeredVAE) -> None:
    latents = noise(3, LATENT)
    with torch.no_grad():
        torch.testing.assert_close(vae.decoder(latents)[1:2], vae.decoder(latents[1:2]), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("size", [64, 256])
def test_edges_are_one_pixel_wide_at_any_size(size: int) -> None:
    image = draw(disc(), size, size)[0, 0]
    between = ((image > 0.1) & (image < 0.9)).sum().item()
    round_the_disc = 2 * torch.pi * 0.3 * 0.7 * size
    # from 0.1 to 0.9 is 1.1 pixels for the sigmoid of four times the distance
    assert 0.8 * round_the_disc < between < 1.5 * round_the_disc
    assert image.mean().item() == pytest.approx(torch.pi * (0.3 * 0.7) ** 2, abs=0.003)


def test_objects_are_where_they_are_said_to_be_and_may_be_absent() -> None:
    left = draw(disc(radius=0.2, x=0.25), 64, 64)[0, 0]
    assert left[32, 16] > 0.99
    assert left[:, 32:].max() < 1e-3
    assert draw(disc(present=-30.0), 64, 64).max() < 1e-6


def test_a_stretched_picture_shows_the_same_scene() -> None:
    square, wide = draw(disc(), 64, 64), draw(disc(), 64, 128)
    shrunk = torch.nn.functional.avg_pool2d(wide, (1, 2))
    assert (square - shrunk).abs().mean() < 0.01


def test_the_ground_may_change_along_both_axes() -> None:
    parts = disc(present=-30.0)
    parts.ground[0, 0] = torch.tensor([0.5, 0.4, -0.2])
    image = draw(parts, 8, 10)[0, 0]
    assert image[0, 9] - image[0, 0] == pytest.approx(0.4 * 0.9, abs=1e-5)
    assert image[7, 0] - image[0, 0] == pytest.approx(-0.2 * 7 / 8, abs=1e-5)
    assert draw(parts, 8, 10)[0, 1].abs().max() < 1e-6


def test_gradients_reach_the_latents_and_every_weight(vae: LayeredVAE) -> None:
    vae.zero_grad()
    images = torch.rand(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1))
    mean, log_variance = vae.encoder(images)
    latents = mean + (0.5 * log_variance).exp() * noise(2, LATENT)
    latents.retain_grad()
    (vae.decoder(latents) - images).square().mean().backward()
    assert latents.grad is not None
    assert (latents.grad.abs().sum(1) > 0).all()
    for name, parameter in vae.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().max() > 0, name
    vae.zero_grad()


def test_the_shipped_size_is_allowed(vae: LayeredVAE) -> None:
    """Six megabytes in half precision."""
    assert sum(p.numel() for p in vae.parameters()) * 2 <= 6_000_000
    assert "decoder.disc" not in vae.state_dict()


def test_enlarging_is_bicubic_interpolation() -> None:
    fields = torch.randn(2, 3, 5, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    for height, width in ((11, 24), (5, 8), (4, 16)):
        ours = enlarge(fields, height, width)
        torchs = F.interpolate(fields, (height, width), mode="bicubic", align_corners=False)
        torch.testing.assert_close(ours, torchs, atol=1e-12, rtol=1e-12)
        weights = torch.randn(ours.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
        (ours_back,) = torch.autograd.grad((ours * weights).sum(), fields)
        (torchs_back,) = torch.autograd.grad((torchs * weights).sum(), fields)
        torch.testing.assert_close(ours_back, torchs_back, atol=1e-12, rtol=1e-12)
