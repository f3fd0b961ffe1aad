"""What pictures are sampled from: mixes of texts and pictures by weights, and which part of them crosses the gap."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from fastclipgen.clip_gen.aims import Aims, aim
from fastclipgen.errors import UserError
from fastclipgen.guidance.prompts import parse_prompts
from fastclipgen.guidance.targets import ImageTarget, encode_picture
from fastclipgen.perceptors import as_perceptor

from .tiny import Eye

EYE = as_perceptor(Eye())
PICTURE = torch.rand(3, 16, 16, generator=torch.Generator().manual_seed(0))


def text(words: str) -> Tensor:
    return F.normalize(Eye().encode_text([words])[0], dim=-1)


def aims(*prompts: str, negative: str = "", images: float = 0.0, bridge: object = None) -> Aims:
    targets = [ImageTarget(PICTURE, images)] if images else []
    parsed = [parse_prompts(own) if own else () for own in prompts]
    return aim(EYE, parsed, parse_prompts(negative) if negative else (), targets, bridge, torch.device("cpu"))  # type: ignore[arg-type]


def test_mixes() -> None:
    found = aims("a", "b:3|c", negative="d:0.5", images=2.0)
    picture = encode_picture(EYE, PICTURE)
    expected = torch.stack(
        [text("a") - 0.5 * text("d") + 2 * picture, 3 * text("b") + text("c") - 0.5 * text("d") + 2 * picture]
    )
    torch.testing.assert_close(found.conditions, F.normalize(expected, dim=-1))
    assert torch.equal(found.conditions, found.wanted)
    assert found.counts == [3, 4]


def test_one_text_or_picture_is_itself() -> None:
    torch.testing.assert_close(aims("a").conditions[0], text("a"))
    torch.testing.assert_close(aims("", images=0.3).conditions[0], encode_picture(EYE, PICTURE))


def test_only_texts_cross_the_gap_and_ranking_stays_where_it_was() -> None:
    def bridge(embeddings: Tensor) -> Tensor:
        return embeddings.roll(1, -1)

    found = aims("a", "b|c", negative="d", images=1.0, bridge=bridge)
    plain = aims("a", "b|c", negative="d", images=1.0)
    picture = encode_picture(EYE, PICTURE)
    crossed = torch.stack([text("a") - text("d"), text("b") + text("c") - text("d")]).roll(1, -1) + picture
    torch.testing.assert_close(found.conditions, F.normalize(crossed, dim=-1))
    assert torch.equal(found.wanted, plain.wanted)
    assert torch.equal(found.targets.embeddings, plain.targets.embeddings)


def test_parts_that_cancel_out() -> None:
    with pytest.raises(UserError, match="the prompts of a picture cancel each other out"):
        aims("a", negative="a")
    assert aims("a:1.1", negative="a").conditions.norm() == pytest.approx(1.0)
