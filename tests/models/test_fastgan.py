"""FastGAN's generator: published sizes, noise, what its norms use, recalibration."""

from __future__ import annotations

import pytest
import torch

from fastclipgen.models.fastgan import AddNoise, FastGAN, Geometry, settle

TINY = Geometry.usual(64, base=8, latent=6)


@pytest.fixture
def model() -> FastGAN:
    """Random weights, those of the noise included."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        made = FastGAN(TINY)
        for module in made.modules():
            if isinstance(module, AddNoise):
                torch.nn.init.normal_(module.weight)
        for norm in made.norms():
            torch.nn.init.uniform_(norm.running_var, 0.01, 0.1)  # pyright: ignore[reportArgumentType]
    return made.eval().requires_grad_(False)


def latents(count: int, seed: int = 1) -> torch.Tensor:
    return torch.randn(count, TINY.latent, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("size", "count"), [(256, 29_127_846), (512, 29_174_392), (1024, 29_176_512)])
def test_published_sizes(size: int, count: int) -> None:
    with torch.device("meta"):
        model = FastGAN(Geometry.usual(size))
        big, small = model.both(torch.empty(2, 256))
    assert sum(parameter.numel() for parameter in model.parameters()) == count
    assert (big.shape, small.shape) == ((2, 3, size, size), (2, 3, 128, 128))


@pytest.mark.parametrize(
    ("size", "small", "excited"),
    [(32, 16, (8, 16, 32)), (64, 32, (16, 32, 64)), (128, 64, (32, 64, 128)), (256, 128, (64, 128, 256))],
)
def test_small_networks(size: int, small: int, excited: tuple[int, ...]) -> None:
    geometry = Geometry.usual(size, base=8, latent=6)
    assert geometry.excited == excited
    model = FastGAN(geometry).eval()
    pictures = model.both(latents(2))
    assert [picture.shape[-1] for picture in pictures] == [size, small]
    assert torch.equal(model(latents(2)), pictures[0])


def test_tanh_at_1024_pixels_only() -> None:
    geometries = [Geometry.usual(size) for size in (64, 256, 512, 1024)]
    assert [geometry.bounded for geometry in geometries] == [False, False, False, True]


def test_noise_is_the_seeds_own(model: FastGAN) -> None:
    seeds = torch.tensor([7, -3, 7])
    noise = model.noise(seeds)
    assert {side: tuple(part.shape) for side, part in noise.items()} == {8: (3, 2, 8, 8), 32: (3, 2, 32, 32)}
    alone = model.noise(seeds[1:2])
    assert all(torch.equal(noise[side][1], alone[side][0]) for side in noise)
    assert all(torch.equal(noise[side][0], noise[side][2]) for side in noise)
    assert all((noise[side][0] != noise[side][1]).float().mean() > 0.99 for side in noise)
    assert (noise[8][0, 0] != noise[8][0, 1]).all()
    assert (model.noise(seeds, step=1)[32] != noise[32]).float().mean() > 0.99
    assert torch.cat([part.flatten() for part in noise.values()]).std() == pytest.approx(1, abs=0.03)


def test_noise_moves_the_picture_and_frozen_noise_does_not(model: FastGAN) -> None:
    z = latents(1).expand(3, -1)
    seeds = torch.tensor([1, 1, 2])
    one, two, three = model(z, model.noise(seeds))
    assert torch.equal(one, two)
    assert (one - three).abs().mean() > 1e-3
    assert torch.equal(model(z, model.noise(seeds)), torch.stack([one, two, three]))
    assert (model(z)[0] - one).abs().mean() > 1e-3


def test_what_the_norms_use(model: FastGAN) -> None:
    z = latents(4)
    running = model(z)
    model.normalise_by("picture")
    each = model(z)
    assert (each - running).abs().mean() > 1e-3
    model.normalise_by("batch")
    together = model(z)
    assert (each - together).abs().mean() > 1e-3
    alone = torch.cat([model(z[k : k + 1]) for k in range(4)])
    torch.testing.assert_close(each, alone, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(model.train()(z), together)
    model.eval().normalise_by("running")
    assert not torch.equal(model(z), running)  # the pass in training mode moved them
    with pytest.raises(ValueError, match="expected one of running, batch, picture, got 'pictures'"):
        model.normalise_by("pictures")  # pyright: ignore[reportArgumentType]


def test_recalibrated_statistics_are_means_over_the_batches(model: FastGAN) -> None:
    batches = [latents(8, seed) for seed in (1, 2, 3)]
    momentum = model.norms()[0].momentum
    model.calibrated = False
    seen: list[torch.Tensor] = []
    handle = model.norms()[0].register_forward_hook(lambda norm, given, out: seen.append(given[0]))
    settle(model, [(z, model.noise(torch.arange(8), k)) for k, z in enumerate(batches)])
    handle.remove()
    expected = torch.stack([x.var((0, 2, 3)) for x in seen]).mean(0)
    torch.testing.assert_close(model.norms()[0].running_var, expected)
    assert model.norms()[0].momentum == momentum
    assert model.calibrated
    assert not model.training
    z, noise = latents(32, 4), model.noise(torch.arange(32), 4)
    running = model(z, noise)
    model.normalise_by("batch")
    assert (model(z, noise) - running).square().mean() < 0.2 * running.var()
    with pytest.raises(ValueError, match="one batch or more"):
        settle(model, [])


def test_pictures_have_gradients_to_their_own_latents_alone(model: FastGAN) -> None:
    model.normalise_by("picture")
    z = latents(3).requires_grad_()
    [gradient] = torch.autograd.grad(model(z)[1].square().sum(), z)
    assert (gradient.abs().sum(1) > 0).tolist() == [False, True, False]
