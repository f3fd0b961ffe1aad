"""What settings ask a picture to become: their effect on a run, the same again by `rerun`, and clear refusals."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from fastclipgen import UserError, generate
from fastclipgen.api import Job
from fastclipgen.config.run import make_config
from fastclipgen.result import Result

WORDS = {"red": (1, 0, 0), "green": (0, 1, 0), "blue": (0, 0, 1), "white": (1, 1, 1)}


class Eye(nn.Module):
    """Sees the colours of nine patches; a text is its first colour word, everywhere."""

    image_size, name = 16, "Eye"

    def encode_image(self, views: Tensor) -> Tensor:
        return nn.functional.adaptive_avg_pool2d(views - 0.5, 3).flatten(1)

    def encode_text(self, texts: list[str]) -> Tensor:
        rows = [next((WORDS[word] for word in text.split() if word in WORDS), (1, 1, 1)) for text in texts]
        return (torch.tensor(rows).float() - 0.4).repeat_interleave(9, 1)


def make(prompts: Any = "red", **changed: Any) -> Result:
    """A picture of 16 x 16 pixels, which its own settings make again."""
    settings = {"steps": 6, "views": 3, "size": 16, "cutouts": "gentle", "generator": "pixels", "seed": 5}
    asked = settings | {"starts": 1, "tracks": 1, "learning_rate": 0.1, "deterministic": True} | changed
    [result] = generate(prompts, perceptors=[Eye()], **asked)
    stored = json.loads(json.dumps(result.metadata["settings"]))
    [again] = next(Job(make_config(stored), perceptors=[Eye()]).run())
    assert np.array_equal(again.pixels, result.pixels)
    return result


def colour(result: Result) -> list[float]:
    return (result.pixels.reshape(-1, 3).mean(0) / 255).tolist()


def save(path: Path, *colours: tuple[int, int, int]) -> str:
    """Vertical bands of 8 x 16 pixels."""
    bands = [np.full((16, 8, 3), colour, np.uint8) for colour in colours]
    Image.fromarray(np.concatenate(bands, axis=1)).save(path)
    return str(path)


def apart(one: Result, other: Result) -> float:
    return float(np.abs(one.pixels.astype(float) - other.pixels).mean())


@pytest.mark.parametrize("setting", ["init_weight", "init_weight_dist", "init_weight_cos", "init_weight_decay"])
def test_the_start_holds_in_the_latent(setting: str) -> None:
    start, free = make(generator="vae", steps=0), make(generator="vae", steps=4)
    held = make(generator="vae", steps=4, **{setting: 1000.0})
    assert apart(held, start) < 0.7 * apart(free, start)
    with pytest.raises(UserError, match=f"'{setting}' compares latents, and generator 'pixels' has none; use"):
        make(**{setting: 1.0})


def test_the_start_holds_in_pixels(tmp_path: Path) -> None:
    path = save(tmp_path / "start.png", (40, 90, 200), (40, 90, 200))
    start, free = make(init=path, steps=0), make(init=path)
    assert apart(make(init=path, init_weight_pixels=100.0), start) < 0.3 * apart(free, start)


def test_target_pictures(tmp_path: Path) -> None:
    path = save(tmp_path / "green.png", (20, 220, 40), (20, 220, 40))
    near = make(target_pixels=[f"{path}:100"])
    assert np.abs(np.array(colour(near)) - np.array([20, 220, 40]) / 255).max() < 0.3 < colour(make())[0]
    whole = make(generator="vae", init=path, steps=0)
    drawn, free = (make(generator="vae", steps=6, target_images=[f"{path}:{w}"]) for w in (1000, 1e-9))
    assert apart(drawn, whole) < 0.8 * apart(free, whole)
    with pytest.raises(UserError, match="'target_images' compares latents"):
        make(target_images=[path])
    with pytest.raises(UserError, match="got a stop as well"):
        make(target_pixels=[f"{path}:1:2"])
