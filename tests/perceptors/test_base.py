"""Any module with the few attributes is a perceptor, frozen; anything else is told what it lacks."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from fastclipgen import perceptors
from fastclipgen.errors import UserError
from fastclipgen.perceptors import as_perceptor


class Toy(nn.Module):
    """Embeds the mean colour; a text is its length."""

    image_size: Any = 4

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(3, 5)

    def encode_image(self, views: Tensor) -> Tensor:
        return self.head(views.mean(dim=(2, 3)))

    def encode_text(self, texts: list[str]) -> Tensor:
        return torch.tensor([[float(len(text)), 1, 1, 1, 1] for text in texts])


def test_toy_is_a_frozen_perceptor():
    toy = Toy().train()
    perceptor = as_perceptor(toy)
    assert (perceptor.image_size, perceptor.embed_dim, perceptor.name) == (4, 5, "Toy")
    assert (perceptor.mean, perceptor.std) == ((0, 0, 0), (1, 1, 1))
    assert not toy.training
    assert not perceptor.train().training
    assert as_perceptor(perceptor) is perceptor


def test_gradients_flow_to_the_views_only():
    toy = Toy()
    perceptor = as_perceptor(toy)
    views = torch.rand(2, 3, 4, 4, requires_grad=True)
    perceptor.encode_image(views).sum().backward()
    assert views.grad is not None
    assert views.grad.abs().sum() > 0
    assert toy.head.weight.grad is None


def test_images_are_raw_and_texts_of_length_one():
    toy = Toy()
    perceptor = as_perceptor(toy)
    views = torch.rand(2, 3, 4, 4)
    torch.testing.assert_close(perceptor.encode_image(views), toy.encode_image(views))
    texts = perceptor.encode_text(["a", "abcdef"])
    torch.testing.assert_close(texts.norm(dim=1), torch.ones(2))
    assert not torch.equal(texts[0], texts[1])
    assert not texts.requires_grad
    assert perceptor.encode_text([]).shape == (0, 5)


def test_texts_must_be_a_list_of_str():
    for texts in ("a circle", ["a", 1]):
        with pytest.raises(UserError, match="takes a list of str"):
            as_perceptor(Toy()).encode_text(texts)  # pyright: ignore[reportArgumentType]


def test_to_half_precision_gives_float32_embeddings():
    perceptor = as_perceptor(Toy()).to("cpu", torch.bfloat16)
    assert next(perceptor.parameters()).dtype == torch.bfloat16
    views = torch.rand(2, 3, 4, 4, requires_grad=True)
    embeddings = perceptor.encode_image(views)
    assert embeddings.dtype == torch.float32
    embeddings.sum().backward()
    assert views.grad is not None
    assert views.grad.dtype == torch.float32


def test_only_the_image_tower_loses_digits():
    class TwoTowers(Toy):
        def __init__(self) -> None:
            super().__init__()
            self.visual, self.words = nn.Linear(3, 5), nn.Linear(1, 5)
            self.head = self.visual

    towers = TwoTowers()
    as_perceptor(towers).to("cpu", torch.bfloat16)
    assert towers.visual.weight.dtype == torch.bfloat16
    assert towers.words.weight.dtype == torch.float32


def changed(**attributes: Any) -> nn.Module:
    toy = Toy()
    for name, value in attributes.items():
        setattr(toy, name, value)
    return toy


def no_gradient(views: Tensor) -> Tensor:
    return torch.zeros(views.shape[0], 5)


@pytest.mark.parametrize(
    ("obj", "sentence"),
    [
        (object(), "must be a torch.nn.Module, got object"),
        (nn.Linear(1, 1), "Linear lacks encode_image and encode_text and image_size"),
        (changed(image_size=(4, 6)), "4x6 pixels, but views are square"),
        (changed(image_size=0), "whole number of pixels"),
        (changed(image_size="big"), "whole number of pixels"),
        (changed(image_size=True), "whole number of pixels"),
        (changed(mean=(0.5, 0.5)), "mean .* must be 3 numbers"),
        (changed(mean=(0.5, 0.5, float("nan"))), "mean .* must be finite"),
        (changed(std=(1, 1, 0)), "std .* above 0"),
        (changed(encode_text=lambda tokens: tokens.long()), r"encode_text\(\['a circle'\]\) .* AttributeError"),
        (changed(encode_image=lambda views: None), "encode_image.* must work, got AttributeError"),
        (changed(encode_image=lambda views: views), r"must return \[1, E\] for one input, got \[1, 3, 4, 4\]"),
        (changed(encode_text=lambda texts: torch.ones(1, 7)), "one space, got 5 numbers for a picture and 7"),
        (changed(encode_image=no_gradient), "passes no gradient"),
    ],
)
def test_what_does_not_fit_is_said(obj: Any, sentence: str):
    with pytest.raises(UserError, match=sentence) as raised:
        as_perceptor(obj)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("size", [4, (4, 4), [4, 4], torch.tensor(4), torch.Size([4, 4])])
def test_image_size_in_any_common_form(size: Any):
    assert as_perceptor(changed(image_size=size)).image_size == 4


def test_public_names():
    assert all(hasattr(perceptors, name) for name in perceptors.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        perceptors.nothing  # noqa: B018  # pyright: ignore[reportAttributeAccessIssue]
