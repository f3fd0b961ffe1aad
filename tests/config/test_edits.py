"""Edits that settings ask for: their effect on a run, the same again by `rerun`, and clear refusals."""

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

from ..models import taesd_checkpoints
from ..models.vqgan_checkpoints import Sizes, taming

SIDE = 16


class Eye(nn.Module):
    """Sees the colours of nine patches; every text is red."""

    image_size, name = SIDE, "Eye"

    def encode_image(self, views: Tensor) -> Tensor:
        return nn.functional.adaptive_avg_pool2d(views - 0.5, 3).flatten(1)

    def encode_text(self, texts: list[str]) -> Tensor:
        return torch.tensor([[0.6, -0.4, -0.4]]).repeat_interleave(9, 1).expand(len(texts), -1)


def settings(**changed: Any) -> dict[str, Any]:
    asked = {"steps": 9, "views": 2, "size": SIDE, "cutouts": "gentle", "generator": "pixels", "seed": 5}
    return asked | {"starts": 1, "tracks": 1, "learning_rate": 0.0, "schedule": "constant", "constraints": []} | changed


def run(prompts: Any = "red", **changed: Any) -> tuple[list[Result], list[Tensor]]:
    """The results, of 16 x 16 pixels, and the pictures [B, 3, H, W] before every step. Nothing moves by itself."""
    kept: list[Tensor] = []
    done = generate(
        prompts, perceptors=[Eye()], callbacks=[lambda info: kept.append(info.images())], **settings(**changed)
    )
    return done, kept


def again(result: Result) -> Result:
    """The picture made from what it stores."""
    stored = json.loads(json.dumps(result.metadata["settings"]))
    [made] = next(Job(make_config(stored), perceptors=[Eye()]).run())
    return made


def save(path: Path, values: np.ndarray) -> str:
    Image.fromarray(values).save(path)
    return str(path)


@pytest.fixture
def square(tmp_path: Path) -> str:
    """White in the middle of black, 4 x 4 of 32 x 32 pixels."""
    values = np.zeros((32, 32, 3), np.uint8)
    values[14:18, 14:18] = 255
    return save(tmp_path / "square.png", values)


@pytest.fixture
def half(tmp_path: Path) -> str:
    """Green on the left; on the right nothing, which would be magenta. Twice the size of the pictures."""
    values = np.zeros((2 * SIDE, 2 * SIDE, 4), np.uint8)
    values[:, :SIDE] = 0, 255, 0, 255
    values[:, SIDE:] = 255, 0, 255, 0
    return save(tmp_path / "half.png", values)


def test_an_overlay_is_laid_over_at_its_steps(half: str) -> None:
    [free], before = run()
    options = {"overlay_every": 2, "overlay_offset": 1, "overlay_until": 4, "overlay_alpha": 0.5}
    [_], pictures = run(overlay=half, **options)
    start, green = before[0], torch.tensor([0.0, 1.0, 0.0]).view(3, 1, 1)
    left = [start, start / 2 + green / 2, start / 4 + green * 3 / 4]
    for step, times in enumerate([0, 1, 1, 2, 2, 2, 2, 2, 2]):  # steps 1 and 3, and no more from 4 on
        assert torch.allclose(pictures[step][..., :7], left[times][..., :7], atol=1e-6), step
        assert torch.allclose(pictures[step][..., 9:], start[..., 9:], atol=1e-6), "where it is transparent"
    # the edge of it, resized, is between green and what is below, without the colour of what is transparent
    assert pictures[1][0, 0, :, 7:9].max() < start[0, 0, :, 7:9].max() + 1e-3
    [laid], pictures = run(overlay=half, overlay_every=20)
    assert torch.allclose(pictures[0][..., :7], green.expand(1, 3, SIDE, 7)), "step 0 is due with offset 0"
    assert np.abs(laid.pixels - free.pixels.astype(int)).max() > 50


def test_a_mask_hides_an_overlay(half: str, square: str) -> None:
    """The square, in the middle, alone may change; it becomes green on its left."""
    [done], _ = run(init=square, mask=square, size=32, steps=1, overlay=half, overlay_every=1)
    green = (done.pixels == (0, 255, 0)).all(2)
    assert np.argwhere(green).min(0).tolist() == [14, 14]
    assert np.argwhere(green).max(0).tolist() == [17, 15]
    assert (done.pixels[:, :14] == 0).all()


def test_a_zoom_doubles_a_square_in_the_right_number_of_edits(square: str) -> None:
    [done], pictures = run(init=square, size=32, zoom_every=2, zoom=2**0.25)
    light = [float(picture.mean()) for picture in pictures]
    for step in range(9):  # zooms before the steps 2, 4, 6 and 8: a factor of four in area
        assert light[step] / light[0] == pytest.approx(2 ** (step // 2 / 2), rel=0.05), step
    white = (done.pixels[..., 0] > 127).astype(int)
    assert white.sum() == pytest.approx(64, abs=8)
    assert white[12:20, 12:20].mean() > 0.9
    [_], late = run(init=square, size=32, zoom_every=2, zoom=2**0.25, zoom_from=5)
    assert [float(p.mean()) == light[0] for p in late] == [True] * 6 + [False] * 3


def test_a_shift_wraps(square: str) -> None:
    [done], pictures = run(init=square, size=32, steps=5, zoom_every=1, zoom=1, zoom_shift=(5, -4))
    for step in range(5):
        assert torch.equal(pictures[step], pictures[0].roll((-4 * step, 5 * step), (2, 3)))
    assert (done.pixels[[30, 31, 0, 1], 2:6] == 255).all(), "it has left the picture on two sides"


def test_two_edits_are_stored_and_made_again_to_the_bit(half: str) -> None:
    edits = {"zoom_every": 2, "zoom_rotate": 5, "zoom_shift": (1, 2), "overlay": half, "overlay_every": 3}
    free = {"learning_rate": 0.1, "ema": 0.5, "init_weight_pixels": 0.5, "deterministic": True}
    done, _ = run(["red", "red|green"], **edits, **free, count=2)
    assert len({result.pixels.tobytes() for result in done}) == 4
    stored = done[0].metadata["settings"]
    assert (stored["zoom"], stored["overlay"], stored["overlay_offset"]) == (0.99, half, 0)
    for result in done:
        made = again(result)
        assert np.array_equal(made.pixels, result.pixels)
        assert made.metadata == result.metadata


@pytest.mark.parametrize("generator", ["vqgan", "autoencoder", "stack", "fourier"])
def test_generators_that_give_pictures_back(tmp_path: Path, half: str, generator: str) -> None:
    weights = {}
    if generator == "vqgan":
        weights["vqgan"] = str(tmp_path / "tiny.ckpt")
        torch.save({"state_dict": taming(0, Sizes(widths=(32, 64), blocks=1, attention=(1,)))}, weights["vqgan"])
    if generator == "autoencoder":
        weights["autoencoder"] = str(tmp_path / "tiny_decoder.pth")
        torch.save(taesd_checkpoints.decoder(), weights["autoencoder"])
        torch.save(taesd_checkpoints.encoder(), tmp_path / "tiny_encoder.pth")
    latent = {"init_weight": 1.0} if weights else {}
    options = {"generator": generator, "steps": 4, "learning_rate": 0.1, "deterministic": True} | weights | latent
    [free], before = run(**options)
    [done], pictures = run(**options, zoom_every=2, zoom=1.5, overlay=half, overlay_every=3, overlay_offset=1)
    assert torch.equal(pictures[0], before[0])
    assert not torch.equal(pictures[1], before[1])
    assert not np.array_equal(done.pixels, free.pixels)
    if not weights:  # networks of random weights have learned no inverse
        assert pictures[1][:, 1, :, :7].min() > 0.99
        assert pictures[1][:, 0, :, :7].max() < 0.01
    made = again(done)
    assert np.array_equal(made.pixels, done.pixels)


def test_pulls_hold_to_the_zoomed_start(tmp_path: Path) -> None:
    """Held with all force, the picture stays where the zoom has taken it; its first start would draw it back."""
    values = np.zeros((SIDE, SIDE, 3), np.uint8)
    values[:, :8] = 255
    options = {"init": save(tmp_path / "half.png", values), "steps": 16, "learning_rate": 0.1, "zoom_every": 8}
    [held], _ = run(**options, zoom=1, zoom_shift=(8, 0), init_weight_pixels=100.0)
    assert held.pixels[:, :8].max() < 80
    assert held.pixels[:, 8:].min() > 175


def test_edits_that_cannot_be(tmp_path: Path, half: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fastclipgen.engine.engine.Engine.run", lambda *_, **__: pytest.fail("the work began"))
    for generator in ("vae", "siren"):
        with pytest.raises(UserError, match=f"encoded again, which generator '{generator}' does not do well enough"):
            run(generator=generator, zoom_every=2)
    with pytest.raises(UserError, match="none of the 2 steps of this run has a zoom; raise --steps or lower --zoom-ev"):
        run(steps=2, zoom_every=2)
    with pytest.raises(UserError, match="none of the 3 steps of this run has an overlay; raise --steps or lower --ove"):
        run(steps=3, overlay=half, overlay_every=5, overlay_offset=3)
    with pytest.raises(UserError, match=r"no\.png"):
        run(overlay=str(tmp_path / "no.png"), overlay_every=5)
    torch.save(taesd_checkpoints.decoder(), tmp_path / "tiny_decoder.pth")
    with pytest.raises(UserError, match="a start picture, or an edited one, goes through the autoencoder's encoder"):
        run(generator="auto", autoencoder=str(tmp_path / "tiny_decoder.pth"), overlay=half, overlay_every=5)
