"""Pictures to tokens and embeddings, and back."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from fastclipgen.errors import UserError
from fastclipgen.models.vqgan_dialects import build
from fastclipgen.perceptors.base import as_perceptor
from fastclipgen.training.tokenizer import Tokenizer

from ..clip_gen.tiny import SIZES, Eye
from ..models.vqgan_checkpoints import taming
from .tiny_clip_gen import tokenizer


@pytest.fixture
def pictures() -> torch.Tensor:
    return torch.randint(256, (70, 3, 16, 16), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)


def test_tokens_and_embeddings_are_those_of_the_models(pictures: torch.Tensor) -> None:
    tok = tokenizer()
    assert (tok.length, tok.vocabulary, tok.width) == (16, SIZES.codes, 27)
    tokens, embeddings = tok(pictures)
    vqgan, images = build(taming(0, SIZES), "tiny"), pictures / 255
    with torch.no_grad():
        codes = vqgan.choose(vqgan.encode(images * 2 - 1))
    assert torch.equal(tokens, codes.flatten(1))
    assert len(tokens.unique()) > 5
    torch.testing.assert_close(embeddings, F.normalize(F.adaptive_avg_pool2d(images - 0.5, 3).flatten(1), dim=1))


def test_drawing_is_decoding_in_0_to_1(pictures: torch.Tensor) -> None:
    tok = tokenizer()
    tokens, _ = tok(pictures[:3])
    drawn = tok.draw(tokens)
    assert drawn.shape == (3, 3, 16, 16)
    assert float(drawn.min()) >= 0
    assert float(drawn.max()) <= 1
    decoded = tok.vqgan.decode(tok.vqgan.codes(tokens.view(3, 4, 4)))
    torch.testing.assert_close(drawn, ((decoded + 1) / 2).clamp(0, 1))
    assert drawn.std() > 0.01


@pytest.mark.parametrize("size", [2, 18])
def test_a_size_that_is_no_whole_number_of_tokens_is_refused(size: int) -> None:
    with pytest.raises(UserError, match=f"--size must be a multiple of 4, .*, got {size}"):
        Tokenizer(build(taming(0, SIZES), "tiny"), as_perceptor(Eye()), size, torch.device("cpu"))


def test_identity_changes_with_either_model() -> None:
    first = tokenizer().identity()
    assert tokenizer().identity() == first
    other = Tokenizer(build(taming(1, SIZES), "tiny"), as_perceptor(Eye()), 16, torch.device("cpu")).identity()
    assert {name for name in first if first[name] != other[name]} == {"vqgan"}
