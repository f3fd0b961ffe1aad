"""The TAESD family: what it computes is what is documented, and the shape of a member is read from its weights."""

from __future__ import annotations

import pytest
import torch

from fastclipgen.errors import UserError
from fastclipgen.models.taesd import build_decoder, build_encoder

from . import taesd_checkpoints as tiny


@pytest.mark.parametrize("pooled", [False, True])
@pytest.mark.parametrize("channels", [4, 16])
def test_it_computes_what_is_documented(channels: int, pooled: bool) -> None:
    weights = tiny.decoder(channels, pooled), tiny.encoder(channels, pooled)
    decoder, encoder = build_decoder(weights[0], "x").double(), build_encoder(weights[1], "x").double()
    assert (decoder.channels, decoder.factor, encoder.channels, encoder.factor) == (channels, 4, channels, 4)
    random = torch.Generator().manual_seed(0)
    latents = 4 * torch.randn(2, channels, 3, 5, generator=random, dtype=torch.float64)
    torch.testing.assert_close(decoder(latents), tiny.plain_decode(weights[0], latents))
    images = torch.rand(2, 3, 12, 20, generator=random, dtype=torch.float64)
    torch.testing.assert_close(encoder(images), tiny.plain_encode(weights[1], images))


def test_it_is_frozen_and_in_float32() -> None:
    decoder = build_decoder({name: value.half() for name, value in tiny.decoder().items()}, "x")
    assert not decoder.training
    assert all(not value.requires_grad and value.dtype == torch.float32 for value in decoder.parameters())


def test_what_is_refused() -> None:
    with pytest.raises(UserError, match=r"the file holds no encoder of RGB pictures.*other half"):
        build_encoder(tiny.decoder(), "the file")
    with pytest.raises(UserError, match="the file holds no decoder"):
        build_decoder(tiny.encoder(), "the file")
    with pytest.raises(UserError, match=r"named by number .*got 'visual.proj'"):
        build_decoder({"1.weight": torch.zeros(2, 2, 3, 3), "visual.proj": torch.zeros(1)}, "the file")
    with pytest.raises(UserError, match="got 'no tensor'"):
        build_decoder({}, "the file")
    with pytest.raises(UserError, match="layer 4, which is unknown"):
        build_decoder(tiny.decoder() | {"4.alpha": torch.zeros(1)}, "the file")
    with pytest.raises(UserError, match=r"the \w+ in the file lacks '3\.conv\.2\.bias'"):
        build_decoder({k: v for k, v in tiny.decoder().items() if k != "3.conv.2.bias"}, "the file")
    with pytest.raises(UserError, match=r"'9\.bias' of the \w+ in the file holds values that are not finite"):
        build_decoder(tiny.decoder() | {"9.bias": torch.full((3,), torch.inf)}, "the file")
