"""The VQGAN's sizes are those of the published models, and it computes what their documentation says."""

from __future__ import annotations

import pytest
import torch

from fastclipgen.models.vqgan import VQGAN, Geometry
from fastclipgen.models.vqgan_dialects import build
from fastclipgen.models.vqgan_layers import attend_at_once

from .vqgan_checkpoints import TINY, Plain, Sizes, clip_gen, taming

KINDS = {
    "taming": (taming, TINY),
    "gumbel": (taming, Sizes(widths=(32, 64), attention=(1,), gumbel=True)),
    "clip-gen": (clip_gen, TINY),
    "narrow": (taming, Sizes(widths=(24, 48), attention=())),
    "two levels attend": (taming, Sizes(widths=(32, 64, 64), attention=(0, 2), blocks=1)),
}


@pytest.mark.parametrize(
    ("geometry", "parameters", "tensors", "factor"),
    [
        (Geometry(codes=1024), 72_141_699, 343, 16),
        (Geometry(), 76_073_859, 343, 16),
        (Geometry(multipliers=(1, 1, 2, 4), attention=(3,), codes=8192, gumbel=True), 68_995_971, 301, 8),
    ],
)
def test_published_sizes(geometry: Geometry, parameters: int, tensors: int, factor: int) -> None:
    with torch.device("meta"):
        model = VQGAN(geometry)
    assert sum(value.numel() for value in model.parameters()) == parameters
    assert len(model.state_dict()) == tensors
    assert geometry.factor == factor
    assert model.codebook.shape == (geometry.codes, geometry.embed)


@pytest.mark.parametrize("kind", KINDS)
def test_it_computes_what_is_documented(kind: str) -> None:
    maker, sizes = KINDS[kind]
    weights = maker(1, sizes)
    model, plain = build(weights, "a checkpoint").double(), Plain(weights, sizes)
    random = torch.Generator().manual_seed(2)
    images = 2 * torch.rand(2, 3, 24, 16, generator=random) - 1
    h = model.encode(images)
    torch.testing.assert_close(h, plain.encode(images), atol=1e-9, rtol=1e-9)
    indices = model.choose(h)
    assert torch.equal(indices, plain.indices(h))
    assert len(indices.unique()) > 1
    codes = model.codes(indices)
    assert torch.equal(codes.movedim(1, -1), plain.codebook[indices])
    torch.testing.assert_close(model.decode(codes), plain.decode(codes), atol=1e-9, rtol=1e-9)


def test_nearest_codes_pass_the_gradient_on() -> None:
    weights = taming(3)
    model = build(weights, "a checkpoint")
    z = torch.randn(2, 4, 3, 5, generator=torch.Generator().manual_seed(4)).requires_grad_()
    codes, indices = model.nearest(z)
    distances = torch.cdist(z.detach().movedim(1, -1).flatten(0, 2).double(), model.codebook.double())
    assert torch.equal(indices.flatten(), distances.argmin(1))
    assert torch.equal(codes, model.codes(indices))
    slope = torch.randn(codes.shape, generator=torch.Generator().manual_seed(5))
    (back,) = torch.autograd.grad((codes * slope).sum(), z)
    assert torch.equal(back, slope)


def test_a_gumbel_codebook_is_searched_by_distance_too() -> None:
    """The encoder's choice is by logits, but vectors that are optimised become their nearest code."""
    sizes = Sizes(widths=(32, 64), attention=(1,), gumbel=True)
    model = build(taming(6, sizes), "a checkpoint")
    indices = torch.arange(12).view(1, 3, 4)
    assert torch.equal(model.nearest(model.codes(indices) + 1e-3)[1], indices)
    assert not torch.equal(model.choose(model.codes(indices)), indices)


def test_it_computes_in_the_dtype_of_its_weights() -> None:
    model = build(taming(7), "a checkpoint")
    codes = model.codes(torch.arange(6).view(1, 2, 3))
    whole = model.decode(codes)
    half = model.to(torch.bfloat16).decode(codes)
    assert half.dtype == torch.bfloat16
    assert (half.float() - whole).abs().max() < 0.1 * whole.abs().max()
    assert model.encode(torch.zeros(1, 3, 8, 8)).dtype == torch.bfloat16


def test_attention_at_once_is_attention() -> None:
    """What a GPU does for maps that are not too large."""
    query, key, value = torch.randn(3, 2, 1, 35, 24, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    wanted = torch.nn.functional.scaled_dot_product_attention(query, key, value)
    torch.testing.assert_close(attend_at_once(query, key, value), wanted, atol=1e-6, rtol=1e-6)


def test_drawing_in_another_precision_leaves_the_choice_of_codes_alone() -> None:
    model = build(taming(), "x")
    images = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    before, codes = model.choose(model.encode(images)), model.codebook.clone()
    model.draw_in(torch.bfloat16)
    assert torch.equal(model.choose(model.encode(images)), before)
    assert torch.equal(model.codebook, codes)
    assert model.decode(model.codes(before)).dtype == torch.bfloat16
