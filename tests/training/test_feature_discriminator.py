"""The discriminator of the CVAE-GAN: its sizes, and what it looks at."""

from __future__ import annotations

import pytest
import torch

from fastclipgen.errors import UserError
from fastclipgen.training.feature_discriminator import FeatureDiscriminator


def test_the_originals_sizes() -> None:
    """Text2ImageClip's: kernels of 5, 3 -> 32 -> 128 -> 256, then 16384 -> 512 -> 1."""
    with torch.device("meta"):
        found = FeatureDiscriminator(64, 0)
    kernels = 25 * (3 * 32 + 32 * 128 + 128 * 256) + 32 + 128 + 256
    assert sum(p.numel() for p in found.parameters()) == kernels + 16384 * 512 + 512 + 512 + 1


def test_shapes_and_conditions() -> None:
    torch.manual_seed(0)
    found = FeatureDiscriminator(16, 5, channels=4)
    images, condition = torch.rand(3, 3, 16, 16), torch.randn(3, 5)
    logits, features = found(images, condition)
    assert (logits.shape, features.shape) == ((3,), (3, 32, 2, 2))
    others, same = found(images, torch.cat([condition[:2], -condition[2:]]))
    assert torch.equal(features, same)
    assert (others == logits).tolist() == [True, True, False]
    alone, _ = found(images[1:2], condition[1:2])
    torch.testing.assert_close(alone, logits[1:2])


def test_a_side_that_cannot_be() -> None:
    with pytest.raises(UserError, match="expected a --size of a multiple of 8 for the discriminator, got 20"):
        FeatureDiscriminator(20, 0)
