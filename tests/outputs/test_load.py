from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from fastclipgen.errors import UserError
from fastclipgen.outputs.load import fit, load_image, load_mask, load_overlay

RED_LEFT = np.zeros((4, 6, 3), np.uint8)
RED_LEFT[:, :3] = (255, 0, 0)
RED_LEFT[:, 3:] = (0, 0, 255)


def colours(path: Path) -> list[list[float]]:
    """The left and right colour of the picture, rounded."""
    image = load_image(path)
    assert image.shape == (3, 4, 6)
    assert image.dtype == torch.float32
    return [[round(v, 2) for v in image[:, 1, column].tolist()] for column in (1, 4)]


@pytest.mark.parametrize(
    ("mode", "name", "left", "right"),
    [
        ("RGB", "a.png", [1, 0, 0], [0, 0, 1]),
        ("P", "a.png", [1, 0, 0], [0, 0, 1]),
        ("P", "a.gif", [1, 0, 0], [0, 0, 1]),
        ("CMYK", "a.tiff", [1, 0, 0], [0, 0, 1]),
        ("L", "a.png", [0.3] * 3, [0.11] * 3),
        ("LA", "a.png", [0.3] * 3, [0.11] * 3),
        ("1", "a.png", None, None),
        ("RGBA", "a.webp", None, None),
    ],
)
def test_modes(tmp_path: Path, mode: str, name: str, left: list[float] | None, right: list[float] | None):
    Image.fromarray(RED_LEFT).convert(mode).save(tmp_path / name)
    found = colours(tmp_path / name)
    if left is not None:
        assert found == [left, right]


def test_cmyk_jpeg(tmp_path: Path):
    Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(tmp_path / "a.jpg")
    assert load_image(tmp_path / "a.jpg").mean((1, 2)).tolist() == pytest.approx([1, 0, 0], abs=0.02)


def test_sixteen_bits_keep_their_depth(tmp_path: Path):
    grey = np.array([[0, 1, 32768, 65535]], np.uint16)
    Image.fromarray(grey).save(tmp_path / "a.png")
    expected = torch.from_numpy(grey.astype(np.float32) / 65535)
    assert torch.allclose(load_image(tmp_path / "a.png")[2], expected, atol=1e-7)


@pytest.mark.parametrize(("value", "good"), [(0.25, True), (3.0, False), (float("nan"), False)])
def test_floating_point_grey(tmp_path: Path, value: float, good: bool):
    Image.fromarray(np.full((2, 2), value, np.float32)).save(tmp_path / "a.tiff")
    if good:
        assert load_image(tmp_path / "a.tiff").unique().tolist() == [0.25]
    else:
        with pytest.raises(UserError, match="32-bit"):
            load_image(tmp_path / "a.tiff")


def test_alpha_lies_over_the_background(tmp_path: Path):
    pixels = np.array([[[255, 0, 0, 255], [255, 0, 0, 0], [255, 0, 0, 51]]], np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    white = load_image(tmp_path / "a.png")[:, 0].T
    assert torch.allclose(white, torch.tensor([[1.0, 0, 0], [1, 1, 1], [1, 0.8, 0.8]]), atol=1e-6)
    green = load_image(tmp_path / "a.png", background=(0.0, 1.0, 0.0))[:, 0].T
    assert torch.allclose(green, torch.tensor([[1.0, 0, 0], [0, 1, 0], [0.2, 0.8, 0]]), atol=1e-6)


def test_palette_transparency(tmp_path: Path):
    image = Image.fromarray(np.array([[0, 1]], np.uint8), "P")
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.save(tmp_path / "a.png", transparency=1)
    assert load_image(tmp_path / "a.png")[:, 0].T.tolist() == [[1, 0, 0], [1, 1, 1]]


def test_exif_orientation(tmp_path: Path):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise
    Image.fromarray(np.repeat(RED_LEFT, 8, 0).repeat(8, 1)).save(tmp_path / "a.jpg", exif=exif, subsampling=0)
    image = load_image(tmp_path / "a.jpg")
    assert image.shape == (3, 48, 32)
    assert image[:, 4, 16].tolist() == pytest.approx([1, 0, 0], abs=0.05)
    assert image[:, 44, 16].tolist() == pytest.approx([0, 0, 1], abs=0.05)


def test_animation_gives_the_first_picture_and_a_notice(tmp_path: Path):
    frames = [Image.new("RGB", (3, 2), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    notices: list[str] = []
    assert load_image(tmp_path / "a.gif", notice=notices.append)[:, 0, 0].tolist() == [1, 0, 0]
    assert len(notices) == 1
    assert "has 2 pictures" in notices[0]
    Image.new("RGB", (3, 2)).save(tmp_path / "b.gif")
    load_image(tmp_path / "b.gif", notice=notices.append)
    assert len(notices) == 1


def test_an_overlay_keeps_its_colours_and_its_opacity(tmp_path: Path):
    pixels = np.array([[[255, 0, 51, 0], [0, 255, 0, 51]]], np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    colours, opacity = load_overlay(tmp_path / "a.png")
    assert torch.allclose(colours, torch.tensor([[[1.0, 0.0]], [[0.0, 1.0]], [[0.2, 0.0]]]))
    assert torch.allclose(opacity, torch.tensor([[[0.0, 0.2]]]))
    Image.fromarray(pixels).convert("L").save(tmp_path / "b.png")
    colours, opacity = load_overlay(tmp_path / "b.png")
    assert (colours.shape, opacity.tolist()) == ((3, 1, 2), [[[1.0, 1.0]]])


def test_too_many_pixels_are_refused_before_decoding(tmp_path: Path):
    for name, width, height, words in [("a.png", 20_000, 6_000, "20000 x 6000"), ("b.png", 60_000, 60_000, "far too")]:
        header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
        data = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
        (tmp_path / name).write_bytes(data + struct.pack(">I", 0) + b"IDAT" + struct.pack(">I", zlib.crc32(b"IDAT")))
        with pytest.raises(UserError, match=words):
            load_image(tmp_path / name)
    Image.new("L", (4, 3)).save(tmp_path / "c.png")
    load_image(tmp_path / "c.png", max_pixels=12)
    with pytest.raises(UserError, match="4 x 3"):
        load_image(tmp_path / "c.png", max_pixels=11)


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.webp", "a.gif", "a.tiff"])
@pytest.mark.parametrize("keep", [0.5, 0.9])
def test_truncated(tmp_path: Path, name: str, keep: float):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / name)
    data = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(data[: int(len(data) * keep)])
    with pytest.raises(UserError):
        load_image(tmp_path / name)


def test_what_is_not_an_image(tmp_path: Path):
    (tmp_path / "text.png").write_text("hello")
    (tmp_path / "vector.eps").write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n")
    for name in ("text.png", "vector.eps"):
        with pytest.raises(UserError, match="is not an image"):
            load_image(tmp_path / name)
    with pytest.raises(UserError, match="is a folder"):
        load_image(tmp_path)
    with pytest.raises(UserError, match="does not exist"):
        load_image(tmp_path / "none.png")
    for address in ("https://example.org/a.png", "HTTP://a/b.png", "file:///a.png"):
        with pytest.raises(UserError, match="download it first"):
            load_image(address)
    with pytest.raises(UserError, match="cannot be opened"):
        load_image("a\0b.png")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_does_not_block(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(UserError, match="not a regular file"):
        load_image(tmp_path / "pipe.png")


def test_mask(tmp_path: Path):
    pixels = np.zeros((4, 8, 4), np.uint8)
    pixels[:, :4] = 255  # white and opaque on the left
    pixels[:, 4:, :3] = 255  # white but clear on the right
    Image.fromarray(pixels).save(tmp_path / "a.png")
    mask = load_mask(tmp_path / "a.png", 4, 8)
    assert mask.shape == (1, 4, 8)
    assert mask[0, 0].tolist() == pytest.approx([1] * 4 + [0] * 4)
    assert load_mask(tmp_path / "a.png", 8, 8, "contain")[0, 0].tolist() == [0] * 8


def test_cover_crops_the_centre():
    image = torch.zeros(3, 4, 8)
    image[..., 2:6] = 1
    assert fit(image, 4, 4).eq(1).all()
    assert fit(image.transpose(1, 2), 2, 2).allclose(torch.ones(3, 2, 2), atol=1e-5)


def test_contain_adds_even_borders():
    image = fit(torch.zeros(2, 3, 2, 4), 8, 8, "contain", background=0.5)
    assert image[0, 0, :, 0].tolist() == [0.5] * 2 + [0] * 4 + [0.5] * 2


def test_stretch_is_antialiased_and_stays_in_range():
    stripes = (torch.arange(64) % 2).float().expand(3, 64, 64)
    assert fit(stripes, 8, 24, "stretch")[..., 1:-1].sub(0.5).abs().max() < 0.1
    edge = torch.zeros(3, 4, 4)
    edge[..., 2:] = 1
    large = fit(edge, 64, 64)
    assert large.min() == 0
    assert large.max() == 1


def test_thin_strips_stay_small():
    for how in ("cover", "contain", "stretch"):
        assert fit(torch.rand(3, 1, 100_000), 32, 16, how).shape == (3, 32, 16)


def test_the_same_size_is_untouched():
    image = torch.rand(3, 5, 7)
    assert torch.equal(fit(image, 5, 7), image)


def test_fit_refuses():
    with pytest.raises(UserError, match="did you mean 'cover'"):
        fit(torch.zeros(3, 2, 2), 2, 2, "covr")
    with pytest.raises(UserError, match="at least 1 x 1"):
        fit(torch.zeros(3, 2, 2), 0, 2)
