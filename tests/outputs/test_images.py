from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from fastclipgen.errors import UserError
from fastclipgen.outputs.images import check_output, save_image, to_uint8
from fastclipgen.outputs.naming import NameFields


@pytest.fixture
def picture() -> np.ndarray:
    rows, columns = np.mgrid[0:48, 0:64]
    return np.stack([rows * 5, columns * 3, 255 - rows * 5], axis=-1).astype(np.uint8)


def test_levels_come_back():
    levels = torch.arange(256, dtype=torch.float32)
    image = (levels / 255).expand(3, 2, 256)
    assert np.array_equal(to_uint8(image)[1, :, 2], np.arange(256))


def test_rounding_is_to_the_nearest_with_ties_up():
    values = torch.tensor([-1.0, 0.0, 0.49 / 255, 0.5 / 255, 1.5 / 255, 2.5 / 255, 254.4 / 255, 1.0, 7.0])
    assert to_uint8(values.expand(3, 1, 9))[0, :, 0].tolist() == [0, 0, 0, 1, 2, 3, 254, 255, 255]


def test_batches_dtypes_and_inputs_are_kept():
    images = torch.rand(2, 3, 4, 5, dtype=torch.float64, requires_grad=True)
    before = images.detach().clone()
    assert to_uint8(images).shape == (2, 4, 5, 3)
    assert torch.equal(images.detach(), before)
    assert to_uint8(torch.ones(3, 1, 1, dtype=torch.bfloat16)).tolist() == [[[255, 255, 255]]]


@pytest.mark.parametrize("image", [torch.full((3, 2, 2), float("nan")), torch.zeros(1, 2, 2), torch.zeros(3, 2)])
def test_to_uint8_refuses(image: torch.Tensor):
    with pytest.raises(UserError):
        to_uint8(image)


@pytest.mark.parametrize(
    ("suffix", "kind", "error"), [("png", "PNG", 0), ("jpg", "JPEG", 4), ("jpeg", "JPEG", 4), ("webp", "WEBP", 8)]
)
def test_save(tmp_path: Path, picture: np.ndarray, suffix: str, kind: str, error: int):
    fields = NameFields("A cat", seed=3)
    path = save_image(picture, tmp_path / f"{{slug}}-{{seed}}.{suffix}", {"seed": 3}, fields=fields, tag="-grid")
    assert path == tmp_path / f"a-cat-3-grid.{suffix}"
    with Image.open(path) as image:
        assert image.format == kind
        assert np.abs(np.array(image).astype(int) - picture).max() <= error


def test_tensor_and_array_give_the_same_bytes(tmp_path: Path, picture: np.ndarray):
    tensor = torch.from_numpy(picture).permute(2, 0, 1) / 255
    paths = [save_image(p, tmp_path / "a.png", {"seed": 1}) for p in (picture, tensor)]
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_quality(tmp_path: Path, picture: np.ndarray):
    sizes = [save_image(picture, tmp_path / "a.jpg", quality=q).stat().st_size for q in (20, 95)]
    assert sizes[0] < sizes[1]


@pytest.mark.parametrize(
    ("array", "name", "quality"),
    [
        (np.zeros((2, 2, 3), np.float32), "a.png", 95),
        (np.zeros((2, 2), np.uint8), "a.png", 95),
        (np.zeros((0, 2, 3), np.uint8), "a.png", 95),
        (np.zeros((2, 2, 3), np.uint8), "a.jpg", 0),
        (np.zeros((1, 16384, 3), np.uint8), "a.webp", 95),
        (np.zeros((2, 2, 3), np.uint8), "a.tiff", 95),
    ],
)
def test_what_cannot_be_saved_leaves_nothing(tmp_path: Path, array: np.ndarray, name: str, quality: int):
    with pytest.raises(UserError):
        save_image(array, tmp_path / name, quality=quality)
    assert os.listdir(tmp_path) == []


def test_check_output_tells_before_the_run(tmp_path: Path):
    check_output(tmp_path / "new/a.jpg", {"prompt": "a cat"}, size=(512, 512))
    for name, metadata, quality, size in [
        ("a.jpg", {"prompt": "x" * 70_000}, 95, (1, 1)),
        ("a.jpg", None, 101, (1, 1)),
        ("a.webp", None, 95, (20_000, 1)),
        ("{sede}.png", None, 95, (1, 1)),
    ]:
        with pytest.raises(UserError):
            check_output(tmp_path / name, metadata, quality=quality, size=size)
    assert os.listdir(tmp_path) == []
