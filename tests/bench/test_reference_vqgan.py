"""The reference's VQGAN draws the same pictures as the package's, by torch's own layers."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from bench import random_vqgan
from bench.reference_vqgan import PlainNorm, PlainVqgan, plain
from fastclipgen.errors import UserError
from fastclipgen.generators.vqgan import Vqgan
from fastclipgen.models.frozen_conv import Conv
from fastclipgen.models.vqgan_layers import Norm

CPU = torch.device("cpu")


@pytest.fixture
def generator() -> Vqgan:
    return Vqgan(10, 14, random_vqgan.random_vqgan(random_vqgan.geometry_of("random:tiny"), CPU, torch.float32))


@pytest.mark.parametrize("careful", [False, True])
def test_same_picture_and_gradient(generator: Vqgan, careful: bool) -> None:
    start = generator.init(torch.tensor([3]))["z"]
    start = start + 0.1 * torch.randn(start.shape, generator=torch.Generator().manual_seed(0))
    found = []
    for draw in (generator, PlainVqgan(generator, torch.float32, careful).draw):
        z = start.clone().requires_grad_()
        image = draw({"z": z})
        found.append((image.detach(), *torch.autograd.grad(image.square().sum(), z)))
    for one, two in zip(*found, strict=True):
        torch.testing.assert_close(one, two, atol=1e-4, rtol=1e-4)
    assert found[0][0].std() > 0.05  # there is something to see


def test_plain_is_made_of_torchs_layers_and_leaves_the_model_alone(generator: Vqgan) -> None:
    made = plain(generator.model, torch.bfloat16, torch.contiguous_format)
    kinds = {type(module) for module in made.decoder.modules()}
    assert {PlainNorm, nn.Conv2d} <= kinds
    assert not {Norm, Conv} & kinds
    assert made.decoder.conv_out.weight.dtype == torch.bfloat16
    assert {Norm, Conv} <= {type(module) for module in generator.model.decoder.modules()}
    assert generator.model.decoder.conv_out.weight.dtype == torch.float32


def test_unknown_geometries_are_one_sentence() -> None:
    with pytest.raises(UserError, match="did you mean 'tiny'"):
        random_vqgan.geometry_of("random:tinny")
