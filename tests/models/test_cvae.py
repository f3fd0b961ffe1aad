"""The CVAE's sizes are those of Text2ImageClip, its files load, and it computes what they did."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from fastclipgen.data import attribute_captions
from fastclipgen.errors import UserError
from fastclipgen.models.about import About
from fastclipgen.models.cvae import ORIGINAL, divergence, sample
from fastclipgen.models.cvae_dialects import CELEBA, KEY, about, build

from .cvae_checkpoints import SMALL, made, text2image_clip, uniform


def batch_norm(weights: dict[str, Tensor], name: str, x: Tensor) -> Tensor:
    mean, variance, scale, shift = (
        weights[f"{name}.{part}"] for part in ("running_mean", "running_var", "weight", "bias")
    )
    return F.batch_norm(x, mean, variance, scale, shift)


def test_it_has_the_originals_number_of_parameters() -> None:
    assert sum(value.numel() for value in made(ORIGINAL).parameters()) == 13_756_675


def test_a_file_of_text2image_clip_loads_and_computes_what_it_did() -> None:
    """Its layers written out, with the condition tiled to planes."""
    weights = text2image_clip(3, widths=(8, 12, 20), embedding=16, latent=6, bottom=2)
    found = about(weights, {}, "the CVAE")
    assert (found.geometry.side, found.geometry.latent, found.geometry.channels) == (16, 6, (8, 12, 20))
    assert (found.geometry.attributes, found.geometry.embedding) == (40, 16)
    assert found.attributes == CELEBA
    model = build(weights, found, "the CVAE").double()
    w = {name: value.double() for name, value in weights.items()}
    images, z = uniform(2, 3, 16, 16).double(), torch.randn(2, 6, generator=torch.Generator().manual_seed(2)).double()
    attributes, embeddings = uniform(2, 40, seed=3).round(), uniform(2, 16, seed=4)
    condition = torch.cat([attributes, embeddings], 1).double()
    torch.testing.assert_close(model.conditions(2, attributes, embeddings).double(), condition)

    x = torch.cat([images * 2 - 1, condition[:, :, None, None].expand(-1, -1, 16, 16)], 1)
    x = F.leaky_relu(F.conv2d(x, w["encoder.0.weight"], w["encoder.0.bias"], 2, 1), 0.2)
    for place in (2, 5):
        x = F.conv2d(x, w[f"encoder.{place}.weight"], w[f"encoder.{place}.bias"], 2, 1)
        x = F.leaky_relu(batch_norm(w, f"encoder.{place + 1}", x), 0.2)
    for mine, name in zip(model.encode(images, condition), ("fc_mu", "fc_logvar"), strict=True):
        truth = F.linear(x.flatten(1), w[f"{name}.weight"], w[f"{name}.bias"])
        torch.testing.assert_close(mine.double(), truth, atol=1e-6, rtol=1e-6)
    y = F.linear(torch.cat([z, condition], 1), w["decoder_input.weight"], w["decoder_input.bias"]).view(2, 20, 2, 2)
    for place in (0, 3):
        y = F.conv_transpose2d(y, w[f"decoder.{place}.weight"], w[f"decoder.{place}.bias"], 2, 1)
        y = F.relu(batch_norm(w, f"decoder.{place + 1}", y))
    y = F.conv_transpose2d(y, w["decoder.6.weight"], w["decoder.6.bias"], 2, 1).sigmoid()
    torch.testing.assert_close(model.decode(z, condition).double(), y, atol=1e-6, rtol=1e-6)


def test_the_attributes_are_those_of_celeba() -> None:
    """Two lists, as data/ and models/ do not know each other."""
    assert attribute_captions.CELEBA == CELEBA


def test_a_whole_file_of_text2image_clip_has_its_geometry() -> None:
    found = about(text2image_clip(1), {}, "the CVAE")
    assert found.geometry == ORIGINAL
    assert (found.clip, found.length) == ("ViT-B-32:openai", 10.0)


@pytest.mark.parametrize("draws", ["0..1", "-1..1"])
def test_pictures_are_in_0_to_1_whatever_the_decoder_draws(draws: str) -> None:
    model = made(replace(SMALL, draws=draws, reads=draws, decoder="upsampled"))
    pictures = model.decode(30 * torch.randn(4, 6, generator=torch.Generator().manual_seed(1)), torch.zeros(4, 8))
    assert pictures.shape == (4, 3, 16, 16)
    assert 0 <= pictures.min() < pictures.max() <= 1
    raw = model.raw(torch.zeros(1, 6), torch.zeros(1, 8))
    drawn = raw.sigmoid() if draws == "0..1" else raw.tanh() / 2 + 0.5
    torch.testing.assert_close(model.decode(torch.zeros(1, 6), torch.zeros(1, 8)), drawn)


def test_the_encoder_reads_its_range() -> None:
    plain, signed = made(), made(replace(SMALL, reads="-1..1"))
    images, condition = uniform(2, 3, 16, 16), torch.zeros(2, 8)
    torch.testing.assert_close(signed.encode(images, condition), plain.encode(images * 2 - 1, condition))


def test_missing_parts_of_a_condition_are_unknown() -> None:
    attributes = torch.tensor([[1.0, 0.0, float("nan")]])
    embeddings = uniform(1, 5)
    assert made().conditions(1, attributes, embeddings)[0, :3].tolist() == [1, -1, 0]
    assert made(replace(SMALL, signed=False)).conditions(1, attributes)[0].tolist() == [1, 0, 0, 0, 0, 0, 0, 0]
    assert torch.equal(made().conditions(1, embeddings=embeddings)[:, 3:], embeddings)
    assert not made().conditions(2).any()
    with pytest.raises(ValueError, match=r"\[2, 3\], got \[1, 3\]"):
        made().conditions(2, attributes)


def test_whitened_latents_come_back() -> None:
    model = made()
    random = torch.Generator().manual_seed(1)
    model.prior_mean.copy_(torch.randn(6, generator=random))
    model.prior_factor.copy_(torch.randn(6, 6, generator=random).tril() + 3 * torch.eye(6))
    w = torch.randn(4, 6, generator=random)
    torch.testing.assert_close(model.whitened(model.latents(w)), w)
    torch.testing.assert_close(model.latents(w)[1], model.prior_mean + model.prior_factor @ w[1])


def test_the_divergence_is_that_of_gaussians() -> None:
    mean, log_variance = torch.tensor([[0.3, -1.0]]), torch.tensor([[0.2, -0.7]])
    normal = torch.distributions.Normal(mean, (log_variance / 2).exp())
    truth = torch.distributions.kl_divergence(normal, torch.distributions.Normal(0.0, 1.0)).sum(1)
    torch.testing.assert_close(divergence(mean, log_variance), truth)
    torch.testing.assert_close(sample(mean, log_variance, torch.ones(1, 2)), mean + normal.scale)


@pytest.mark.parametrize("kind", ["transposed", "upsampled"])
def test_our_files_say_what_they_are(kind: str) -> None:
    stated = About(replace(SMALL, decoder=kind), ("a", "b", "c"), "ViT-B-32:openai", 2.5)
    model = made(stated.geometry)
    model.prior_mean.add_(1)
    found = about(model.state_dict(), stated.metadata(KEY), "the CVAE")
    assert found == stated
    again = build(model.state_dict(), found, "the CVAE")
    z, condition = torch.randn(2, 6, generator=torch.Generator().manual_seed(1)), uniform(2, 8)
    assert torch.equal(again.decode(again.latents(z), condition), model.decode(model.latents(z), condition))
    images = uniform(2, 3, 16, 16)
    assert torch.equal(again.encode(images, condition)[0], model.encode(images, condition)[0])


def test_loading_draws_nothing_from_torch() -> None:
    weights = made().state_dict()
    before = torch.random.get_rng_state()
    build(weights, About(SMALL), "the CVAE")
    assert torch.equal(torch.random.get_rng_state(), before)


def test_what_is_no_cvae_is_told() -> None:
    weights = text2image_clip(1, widths=(8, 12), embedding=4, latent=3)
    with pytest.raises(UserError, match=r"'a\.pth' is no CVAE: it lacks 'fc_mu\.weight'"):
        about({k: v for k, v in weights.items() if k != "fc_mu.weight"}, {}, "'a.pth'")
    with pytest.raises(UserError, match="conditions of 43 numbers, its encoder 44"):
        about(weights | {"decoder_input.weight": torch.zeros(192, 46)}, {}, "'a.pth'")
    with pytest.raises(UserError, match=r"lacks 'decoder\.0\.weight'"):
        build({k: v for k, v in weights.items() if k != "decoder.0.weight"}, about(weights, {}, "it"), "it")
    with pytest.raises(UserError, match="cannot be read"):
        about(weights, {"fastclipgen.cvae": "{}"}, "it")
    with pytest.raises(UserError, match="halved 2 times"):
        replace(SMALL, side=18).check()
    with pytest.raises(UserError, match="channels and a latent"):
        replace(SMALL, channels=()).check()
