"""Targets: order, padding, signs, one encoding per distinct text, image prompts, and errors."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from fastclipgen.errors import UserError
from fastclipgen.guidance import targets
from fastclipgen.guidance.prompts import Prompt
from fastclipgen.guidance.targets import ImageTarget, build_targets, encode_picture, plain_views


class Letters:
    """Embeds a text as (length, vowels 'a', 1) and a view as its mean colour; counts what it is asked."""

    image_size = 4
    mean = (0.5, 0.5, 0.5)
    std = (0.25, 0.5, 1.0)

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.views: list[Tensor] = []

    def encode_text(self, texts: list[str]) -> Tensor:
        self.batches.append(texts)
        return torch.tensor([[float(len(text)), float(text.count("a")), 1.0] for text in texts])

    def encode_image(self, views: Tensor) -> Tensor:
        self.views.append(views)
        return views.mean((2, 3))


def unit(*values: float) -> Tensor:
    return F.normalize(torch.tensor(values), dim=0)


def test_prompts_negatives_images_then_padding() -> None:
    perceptor = Letters()
    red = torch.tensor([1.0, 0.0, 0.0]).view(3, 1, 1).expand(3, 8, 8)
    (built,) = build_targets(
        [perceptor],
        [[Prompt("aa", 2.0, 0.3)], [Prompt("b")]],
        negatives=[[Prompt("aa", 0.5)], []],
        aims=[[ImageTarget(red, 0.25)], []],
    )
    assert built.weights.tolist() == [[2.0, -0.5, 0.25], [1.0, 0.0, 0.0]]
    expected = torch.tensor([[0.3, -math.inf, -math.inf], [-math.inf, -math.inf, -math.inf]])
    assert torch.equal(built.stops, expected)
    aa, b, picture = unit(2.0, 2.0, 1.0), unit(1.0, 0.0, 1.0), unit(0.5 / 0.25, -0.5 / 0.5, -0.5)
    torch.testing.assert_close(built.embeddings[0], torch.stack([aa, aa, picture]))
    torch.testing.assert_close(built.embeddings[1, 0], b)
    assert built.embeddings[1, 1:].abs().sum() == 0
    assert torch.equal(built.at(torch.tensor([1])).weights, built.weights[1:])


def test_each_text_and_picture_is_encoded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(targets, "TEXT_BATCH", 2)
    first, second = Letters(), Letters()
    image = ImageTarget(torch.rand(3, 4, 4))
    prompts = [[Prompt("a"), Prompt("b")], [Prompt("b"), Prompt("cc", 3.0)], [Prompt("a")]]
    both = build_targets([first, second], prompts, aims=[[image], [image], []])
    assert first.batches == second.batches == [["a", "b"], ["cc"]]
    assert len(first.views) == 1
    assert torch.equal(both[0].embeddings, both[1].embeddings)
    assert torch.equal(both[0].embeddings[0, 1], both[0].embeddings[1, 0])
    assert not torch.equal(both[0].embeddings[1, 0], both[0].embeddings[1, 1])


def test_image_prompts_alone_are_enough() -> None:
    (built,) = build_targets([Letters()], [[]], aims=[[ImageTarget(torch.ones(3, 4, 4))]])
    assert built.embeddings.shape == (1, 1, 3)
    torch.testing.assert_close(built.embeddings[0, 0], unit(2.0, 1.0, 0.5))


def test_a_wide_picture_is_seen_from_start_to_end() -> None:
    image = torch.zeros(3, 8, 24)
    image[0, :, :8], image[1, :, 8:16], image[2, :, 16:] = 1.0, 1.0, 1.0
    views = plain_views(image, 4)
    assert views.shape == (3, 3, 4, 4)
    torch.testing.assert_close(views.mean((2, 3)), torch.eye(3))
    torch.testing.assert_close(plain_views(image.mT, 4), views.mT)
    perceptor = Letters()
    expected = torch.stack([F.normalize((colour - 0.5) / torch.tensor(Letters.std), dim=0) for colour in torch.eye(3)])
    torch.testing.assert_close(encode_picture(perceptor, image), F.normalize(expected.mean(0), dim=0))


def test_shrinking_is_antialiased() -> None:
    stripes = torch.zeros(3, 32, 32)
    stripes[..., 3::8] = stripes[..., 4::8] = 1.0  # where a resize without antialiasing would look
    torch.testing.assert_close(plain_views(stripes, 4), torch.full((1, 3, 4, 4), 0.25), atol=0.06, rtol=0)


def test_enlarging_stays_in_range() -> None:
    edge = torch.zeros(3, 4, 4)
    edge[..., 2:] = 1.0
    views = plain_views(edge, 32)
    assert views.min() == 0.0
    assert views.max() == 1.0


class WrongShape(Letters):
    def encode_text(self, texts: list[str]) -> Tensor:
        return torch.ones(3)


class NotFinite(Letters):
    def encode_text(self, texts: list[str]) -> Tensor:
        return torch.full((len(texts), 3), math.nan)


def test_errors() -> None:
    with pytest.raises(UserError, match="picture 1 has neither"):
        build_targets([], [[Prompt("a")], []])
    with pytest.raises(UserError, match="all are 0 in 'picture 0'"):
        build_targets([], [[Prompt("a", 0.0)]])
    with pytest.raises(UserError, match="each of the 1 pictures"):
        build_targets([], [[Prompt("a")]], negatives=[[], []])
    with pytest.raises(UserError, match="one embedding for each"):
        build_targets([WrongShape()], [[Prompt("a")]])
    with pytest.raises(UserError, match="NaN"):
        build_targets([NotFinite()], [[Prompt("a")]])
