"""Labels, image labels, noise and directions: what each is for a perceptor, and that targets hold them in order."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from fastclipgen.errors import UserError
from fastclipgen.guidance.aims import TEMPLATES, Direction, ImageLabel, Label, Noise
from fastclipgen.guidance.prompts import Prompt
from fastclipgen.guidance.targets import build_targets, encode_picture


class Eye:
    """Embeds a text by its letters and a view by its mean colour, both in `width` numbers."""

    image_size, mean, std = 4, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)

    def __init__(self, name: str = "ViT-B-32 openai", width: int = 3) -> None:
        self.name, self.width = name, width

    def encode_text(self, texts: list[str]) -> Tensor:
        return torch.tensor([[1.0 + text.count(letter) for letter in "aeiou"[: self.width]] for text in texts])

    def encode_image(self, views: Tensor) -> Tensor:
        return views.mean((2, 3))


def test_a_label_is_the_mean_of_its_templates() -> None:
    eye = Eye()
    texts = [template.replace("{}", "fox") for template in TEMPLATES]
    assert len(texts) == 7
    wanted = F.normalize(F.normalize(eye.encode_text(texts), dim=1).mean(0), dim=0)
    torch.testing.assert_close(Label("fox").embed(eye, "cpu"), wanted)


def test_an_image_label_is_the_mean_of_its_pictures() -> None:
    images = [torch.rand(3, 8, 8, generator=torch.Generator().manual_seed(i)) for i in range(3)]
    wanted = F.normalize(sum(encode_picture(Eye(), image) for image in images), dim=0)  # pyright: ignore
    torch.testing.assert_close(ImageLabel(images).embed(Eye(), "cpu"), wanted)


def test_noise_is_a_direction_of_its_seed() -> None:
    one, again, other = (Noise(seed).embed(Eye(width=5), "cpu") for seed in (1, 1, 2))
    assert torch.equal(one, again)
    assert not torch.allclose(one, other)
    assert one.norm().item() == pytest.approx(1.0)
    assert Noise(1).embed(Eye(width=3), "cpu").shape == (3,)


def test_directions_by_model() -> None:
    rows = torch.tensor([[2.0, 0.0, 0.0], [0.0, 0.5, 0.0]])
    vectors = {"vit_b/32": rows, "RN50": torch.ones(1, 5)}
    torch.testing.assert_close(
        Direction(vectors, "x.json").embed(Eye(), "cpu"), F.normalize(torch.tensor([1.0, 1.0, 0.0]), dim=0)
    )
    with pytest.raises(UserError, match=r"'x.json' has no direction for CLIP 'ViT-L-14' \(it has RN50, vit_b/32\)"):
        Direction(vectors, "x.json").embed(Eye("ViT-L-14"), "cpu")
    with pytest.raises(UserError, match="have 5 numbers, its embeddings have 3"):
        Direction(vectors, "x.json").embed(Eye("RN50 openai"), "cpu")


def test_targets_hold_them_behind_the_prompts() -> None:
    aims = [Label("fox", 0.5), Noise(3, -2.0, 0.1)]
    (built,) = build_targets([Eye()], [[Prompt("a")], []], aims=[aims, aims[1:]])
    assert built.weights.tolist() == [[1.0, 0.5, -2.0], [-2.0, 0.0, 0.0]]
    torch.testing.assert_close(built.stops[0, 2], torch.tensor(0.1))
    torch.testing.assert_close(built.embeddings[0, 1], aims[0].embed(Eye(), "cpu"))
    assert torch.equal(built.embeddings[0, 2], built.embeddings[1, 0])
