"""The generator `gan`: what its options do, on a FastGAN of random weights."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from fastclipgen.errors import UserError
from fastclipgen.generators.gan import Gan
from fastclipgen.generators.gan_networks import FastGans
from fastclipgen.models.exported import as_exported
from fastclipgen.models.fastgan import FastGAN
from fastclipgen.outputs.load import fit

from ..models.test_exported import Net
from . import tiny_gan

SEEDS = torch.tensor([3, 4, 5])


def gan(height: int = 32, width: int = 32, **options: Any) -> Gan:
    return Gan(height, width, tiny_gan.both(), **options)


def own(generator: Gan) -> FastGAN:
    assert isinstance(generator.network, FastGAN)
    return generator.network


def test_latents_are_normal_and_pictures_are_the_network_s() -> None:
    generator = gan()
    z = generator.init(torch.arange(500))["z"]
    assert z.shape == (500, tiny_gan.LATENT)
    assert z.mean().abs() < 0.03
    assert z.std() == pytest.approx(1, abs=0.03)
    noise = {side: plane.expand(2, -1, -1, -1) for side, plane in own(generator).noise(torch.tensor([0])).items()}
    torch.testing.assert_close(generator({"z": z[:2]}), ((own(generator)(z[:2], noise) + 1) / 2).clamp(0, 1))


def test_truncation_scales_latents_and_their_shell() -> None:
    whole, half = gan(), gan(truncation=0.5)
    torch.testing.assert_close(half.init(SEEDS)["z"], 0.5 * whole.init(SEEDS)["z"])
    lengths = half.project({"z": 9 * half.init(SEEDS)["z"]})["z"].norm(dim=1)
    torch.testing.assert_close(lengths, torch.full((3,), 0.5 * 1.1 * math.sqrt(tiny_gan.LATENT)))


@pytest.mark.parametrize(("factor", "part"), [(10, 1.2), (0.1, 0.8)])
def test_latents_stay_in_their_shell(factor: float, part: float) -> None:
    z = gan().init(SEEDS)["z"]
    far = factor * z
    kept = gan(shell=0.2).project({"z": far})["z"]
    torch.testing.assert_close(kept.norm(dim=1), torch.full((3,), part * math.sqrt(tiny_gan.LATENT)))
    torch.testing.assert_close(torch.cosine_similarity(kept, z), torch.ones(3))
    assert torch.equal(gan(shell=None).project({"z": far})["z"], far)
    inside = z / z.norm(dim=1, keepdim=True) * math.sqrt(tiny_gan.LATENT)
    torch.testing.assert_close(gan(shell=0.2).project({"z": inside})["z"], inside)


def test_noise() -> None:
    """Frozen is one for all pictures, fresh follows the latent alone, and off is none."""
    z = gan().init(SEEDS)
    drawn = {kind: gan(noise=kind)(z) for kind in ("frozen", "fresh", "off", "auto")}
    assert torch.equal(drawn["auto"], drawn["frozen"])
    torch.testing.assert_close(drawn["off"], ((own(gan())(z["z"]) + 1) / 2).clamp(0, 1))
    for one, other in (("frozen", "fresh"), ("frozen", "off"), ("fresh", "off")):
        assert (drawn[one] - drawn[other]).abs().mean() > 0.003
    fresh = gan(noise="fresh")
    torch.testing.assert_close(fresh({"z": z["z"][1:2]}), drawn["fresh"][1:2])
    nudged, frozen = {"z": z["z"] * 1.00001}, gan(noise="frozen")
    assert (frozen(nudged) - drawn["frozen"]).abs().mean() < 1e-4
    assert (fresh(nudged) - drawn["fresh"]).abs().mean() > 0.003


def test_norms_by_each_picture_alone_are_those_of_a_batch_of_one_in_training() -> None:
    generator = gan(batch_norm="picture", noise="off")
    z = generator.init(SEEDS)["z"]
    network = tiny_gan.network().train()
    alone = torch.cat([network(row) for row in z.split(1)])
    torch.testing.assert_close(generator({"z": z}), ((alone + 1) / 2).clamp(0, 1), rtol=1e-4, atol=1e-5)
    assert (generator({"z": z}) - gan(noise="off")({"z": z})).abs().mean() > 0.01


def test_statistics_that_are_not_of_the_weights_are_made_anew() -> None:
    def means(generator: Gan) -> torch.Tensor:
        return own(generator).norms()[1].running_mean.clone()  # pyright: ignore[reportOptionalMemberAccess]

    def averaged() -> FastGans:
        average = tiny_gan.network(1)
        for norm in average.norms():
            norm.reset_running_stats()
        average.calibrated = False
        return FastGans(tiny_gan.network(0), average)

    true = means(Gan(32, 32, FastGans(tiny_gan.network(1), None)))
    assert not means(Gan(32, 32, averaged(), batch_norm="running")).any()
    for option in ("auto", "recalibrated"):
        found = means(Gan(32, 32, averaged(), batch_norm=option, noise="fresh"))
        assert (found - true).abs().mean() < 0.2 * true.abs().mean()
    kept = means(gan())
    assert torch.equal(means(Gan(32, 32, averaged(), weights="g")), kept)
    assert not torch.equal(means(gan(batch_norm="recalibrated")), kept)


def test_weights() -> None:
    models = FastGans(tiny_gan.network(0), tiny_gan.network(1))
    assert Gan(32, 32, models, weights="g").network is models.plain
    assert Gan(32, 32, models, weights="ema").network is models.average
    assert Gan(32, 32, models).network is models.average
    with pytest.raises(UserError, match="asks for the moving average, but this checkpoint holds none"):
        gan(weights="ema")


@pytest.mark.parametrize("size", [(20, 20), (48, 64), (64, 31)])
def test_other_sizes_are_cut_to_the_shape_and_resized(size: tuple[int, int]) -> None:
    z = gan().init(SEEDS)
    # `fit` clamps at the end, as the generator does
    wanted = fit((own(gan(*size))(z["z"], None) + 1) / 2, *size)
    torch.testing.assert_close(gan(*size, noise="off")(z), wanted, rtol=0, atol=1e-4)
    assert Gan.size_of(tiny_gan.both()) == (32, 32)


def test_guides_may_see_values_as_they_are_drawn() -> None:
    network = tiny_gan.network()
    network.to_big.weight *= 9  # far beyond -1..1
    free, cut = (Gan(32, 32, FastGans(network, None), clamp=clamp) for clamp in (False, True))
    z = free.init(SEEDS)
    seen = free.canvas(z)
    assert seen.min() < -0.5
    assert seen.max() > 1.5
    assert torch.equal(free.publish(seen), seen.clamp(0, 1))
    assert torch.equal(cut.canvas(z), seen.clamp(0, 1))


def test_a_start_picture_is_fitted() -> None:
    """A picture that the network can draw comes back far nearer than the best of the random ones begins."""
    aim = gan()(gan().init(torch.tensor([77])))
    errors = []
    for steps in (0, 150):
        generator = gan(fit_steps=steps, fit_lr=0.1)
        found = generator.init_from(aim)
        errors.append(float((generator(found) - aim).square().mean()))
        length = found["z"].norm() / math.sqrt(tiny_gan.LATENT)
        assert 0.9 - 1e-5 <= length <= 1.1 + 1e-5
    assert errors[1] < 0.3 * errors[0]


def test_a_program_has_none_of_a_checkpoint_s_options() -> None:
    program = as_exported(Net(), "it", 5, -1, 1)
    generator = Gan(8, 12, program, shell=0.3)
    assert Gan.size_of(program) == (4, 6)
    assert generator(generator.init(SEEDS)).shape == (3, 3, 8, 12)
    generator.draw_in(torch.bfloat16)
    assert next(program.parameters()).dtype == torch.float32
    for name, value in (("noise", "fresh"), ("batch_norm", "picture"), ("weights", "g")):
        options: dict[str, Any] = {name: value}
        with pytest.raises(UserError, match=f"option '{name}' of generator 'gan' is about a FastGAN's checkpoint"):
            Gan(8, 12, program, **options)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"shell": 1.5}, "option 'shell' of generator 'gan' must be between 0.0 and 1.0"),
        ({"truncation": 0.0}, "option 'truncation' .* between 0.01 and 10.0"),
        ({"fit_steps": -1}, "option 'fit_steps' .* at least 0"),
        ({"fit_lr": math.nan}, "option 'fit_lr' .* at least 0"),
    ],
)
def test_options_out_of_range(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        gan(**options)
