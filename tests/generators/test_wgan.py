"""Generator wgan by itself: what it is told, fits to start pictures, the files it takes. Shared facts: test_cvae.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from fastclipgen.errors import UserError
from fastclipgen.generators import registry
from fastclipgen.generators.conditioned import Trained
from fastclipgen.generators.wgan import Wgan

from ..models.wgan_checkpoints import ABOUT, made, text2image_clip, write


def generator(height: int = 16, width: int = 16, **options: Any) -> Wgan:
    return Wgan(height, width, Trained(made(), ABOUT), **options)


def test_the_prompt_decides_what_is_drawn() -> None:
    one = generator(attributes=["a", "-c"])
    params = one.init(torch.tensor([1, 1, 2]))
    embeddings = F.normalize(torch.randn(3, 5, generator=torch.Generator().manual_seed(1)), dim=1)
    fixed = one.fixed(embeddings)
    assert torch.equal(fixed["condition"], torch.cat([torch.tensor([[1.0, 0, -1]]).expand(3, -1), embeddings], 1))
    drawn = one(params | fixed)
    assert not torch.equal(drawn[0], drawn[1])  # the same latent
    torch.testing.assert_close(drawn, (made()(params["w"], fixed["condition"]) + 1) / 2)
    nothing = one.fixed(torch.zeros(3, 5))
    assert torch.equal(one(params), one(params | nothing))


def test_a_free_condition_keeps_its_range() -> None:
    kept = generator(free_condition=True).project({"w": torch.zeros(1, 6), "condition": torch.full((1, 8), -3.0)})
    assert kept["condition"][0, :3].tolist() == [-1, -1, -1]
    assert kept["condition"][0, 3:].norm().item() == pytest.approx(1)


def test_a_picture_of_its_own_is_found_again() -> None:
    one = generator()
    truth = one(one.init(torch.tensor([77, 78])))
    found = one(one.init_from(truth))
    rough = generator(fit_steps=0)
    nearest = rough(rough.init_from(truth))
    errors = [float((drawn - truth).square().mean()) for drawn in (found, nearest)]
    assert errors[0] < 0.5 * errors[1]


def test_files(tmp_path: Path) -> None:
    write(tmp_path / "wgan.safetensors", embedding=7)
    loaded = Wgan.load_weights(str(tmp_path / "wgan.safetensors"))
    assert (loaded.about.geometry.embedding, Wgan.clip_of(str(tmp_path / "wgan.safetensors"))) == (7, "builtin")
    nested: dict[str, dict] = {}
    for name, value in text2image_clip(1, (12, 6)).items():
        part, _, inner = name.partition(".")
        nested.setdefault(part, {})[inner] = value
    torch.save(nested, tmp_path / "checkpoint2.pth")
    original = Wgan.load_weights(str(tmp_path / "checkpoint2.pth"))
    assert original.about.attributes[20] == "Male"
    drawn = registry.create("wgan", 20, 20, model=original, attributes="Smiling,-Male")
    assert isinstance(drawn, Wgan)
    assert drawn.embedding == 0
    assert drawn(drawn.init(torch.tensor([1]))).shape == (1, 3, 20, 20)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"norm": 0.0}, "option 'norm' of generator 'wgan' must be between 0.1 and 10.0, got 0.0"),
        ({"fit_steps": -1}, "option 'fit_steps' of generator 'wgan' must be at least 0, got -1"),
        ({"attributes": ["d"]}, "unknown attribute 'd'"),
    ],
)
def test_mistakes(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UserError) as error:
        generator(**options)
    assert sentence in str(error.value)


def test_a_file_of_something_else(tmp_path: Path) -> None:
    torch.save({"weight": torch.zeros(3)}, tmp_path / "other.pt")
    with pytest.raises(UserError, match=r"other.pt' is no WGAN: expected .* of fastclipgen train wgan-gp"):
        Wgan.load_weights(str(tmp_path / "other.pt"))
