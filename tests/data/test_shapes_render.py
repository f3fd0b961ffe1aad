"""Pixels: right colours in the right places, antialiased, at any size, through cameras, fast enough to train on."""

from __future__ import annotations

import numpy as np
import pytest

from fastclipgen.data.shapes_render import cameras, render
from fastclipgen.data.shapes_scene import FACTS, Scenes, draw_scenes
from fastclipgen.data.shapes_sdf import SHAPES

from ..timing import takes_less_than

BLUE, RED, GREEN = (0.1, 0.2, 0.9), (0.9, 0.1, 0.1), (0.1, 0.8, 0.2)


def scene(shape: str = "circle", pattern: int = 0, tilt: int = 0, radius: float = 0.3, x: float = 0.5) -> Scenes:
    """One object in red on blue (and green), `pattern` with pitch 4."""
    facts = np.full((1, len(FACTS)), -1)
    facts[0, [0, 1, 8]] = 1, SHAPES.index(shape), pattern
    return Scenes(
        facts=facts,
        centre=np.array([[[x, 0.5], [0, 0]]], np.float32),
        radius=np.array([[radius, 0.1]], np.float32),
        angle=np.zeros((1, 2), np.float32),
        ink=np.array([[RED, RED]], np.float32),
        ground=np.array([[BLUE, GREEN]], np.float32),
        pitch=np.array([4], np.float32),
        tilt=np.array([tilt]),
    )


def close(pixels: np.ndarray, colour: tuple[float, float, float]) -> np.ndarray:
    return np.abs(pixels - np.array(colour, np.float32)).max(-1) < 1e-4


@pytest.mark.parametrize("size", [1, 7, 64, 200])
def test_values_and_shape_at_any_size(size: int) -> None:
    scenes = draw_scenes(1, np.arange(60))
    images = render(scenes, size)
    assert images.shape == (60, size, size, 3)
    assert images.dtype == np.float32
    assert images.min() >= 0
    assert images.max() <= 1


def test_a_picture_does_not_depend_on_its_batch() -> None:
    whole = render(draw_scenes(2, np.arange(40)), 32)
    for i in (0, 17, 39):
        assert np.array_equal(render(draw_scenes(2, np.array([i])), 32)[0], whole[i])


def test_object_and_ground_have_their_colours_and_edges_are_blended() -> None:
    [image] = render(scene(radius=0.4), 64)
    ink, ground = close(image, RED), close(image, BLUE)
    axis = (np.arange(64) + 0.5) / 64 - 0.5
    from_centre = np.hypot(axis[None], axis[:, None])
    assert ink[from_centre < 0.97 * 0.4 - 1.5 / 64].all()
    assert ground[from_centre > 0.97 * 0.4 + 1.5 / 64].all()
    blended = ~ink & ~ground
    assert 0.03 < blended.mean() < 0.08, "an edge one or two pixels wide"
    # the area of the disc, to a few thousandths, counts the blended pixels by their share
    share = (image - np.array(BLUE, np.float32))[..., 0] / (RED[0] - BLUE[0])
    assert share.mean() == pytest.approx(np.pi * (0.97 * 0.4) ** 2, abs=0.003)


def test_every_shape_is_drawn_in_its_colour() -> None:
    for name in SHAPES:
        [image] = render(scene(name, radius=0.4), 64)
        assert 0.08 < close(image, RED).mean() < 0.6, name
        assert close(image, BLUE).mean() > 0.3, name


def test_position_and_turn() -> None:
    left = close(render(scene(x=0.25, radius=0.15), 64)[0], RED)
    assert left[:, :32].any()
    assert not left[:, 32:].any()
    upright = scene("arrow")
    turned = scene("arrow")
    turned.angle[:] = np.pi / 2  # y points down: clockwise as seen
    straight, right = (close(render(s, 64)[0], RED) for s in (upright, turned))
    assert straight.any(1).sum() > straight[20].sum(), "taller than its tip is wide"
    assert np.mean(right == np.rot90(straight, -1)) > 0.98


@pytest.mark.parametrize("pattern", [1, 2, 3, 4])
@pytest.mark.parametrize("tilt", [0, 1, 2])
def test_patterns_show_both_colours_and_nothing_else(pattern: int, tilt: int) -> None:
    [image] = render(scene(pattern=pattern, tilt=tilt, radius=0.05), 128)
    first, second = np.array(BLUE, np.float32), np.array(GREEN, np.float32)
    mix = (image - first) @ (second - first) / ((second - first) @ (second - first))
    off = np.abs(first + mix[..., None] * (second - first) - image).max(-1)
    assert np.mean(off < 1e-3) > 0.985  # the rest is the small object
    assert mix.min() >= -0.1
    assert np.mean(mix < 0.2) > 0.07
    assert np.mean(mix > 0.8) > 0.07
    if pattern in (2, 4):  # stripes and checks are half and half
        assert mix.mean() == pytest.approx(0.5, abs=0.04)
    if pattern in (1, 2) and tilt < 2:
        along = 0 if tilt == 0 else 1
        assert np.ptp(mix[:40, :40], axis=1 - along).max() < 1e-4, "the same all along a stripe"


def test_two_objects_and_the_second_on_top() -> None:
    both = scene(x=0.4)
    both.facts[0, [0, 5]] = 2, SHAPES.index("square")
    both.centre[0, 1] = 0.6, 0.5
    both.radius[0, 1] = 0.2
    both.ink[0, 1] = GREEN
    [image] = render(both, 64)
    assert close(image[32, 38], GREEN)
    assert close(image[32, 12], RED)


def test_a_camera_sees_the_crop_of_a_larger_picture() -> None:
    scenes = draw_scenes(3, np.arange(50))
    seen = render(scenes, 64, cameras(50, zoom=0.5, shift=np.full((50, 2), (0.125, -0.125))))
    whole = render(scenes, 128)
    crop = whole[:, 16:80, 48:112]  # rows, columns: centre at (0.625, 0.375) of the side
    assert np.abs(seen - crop).mean() < 1e-3
    assert np.abs(seen - whole[:, 32:96, 32:96]).mean() > 0.02


def test_the_plain_camera_is_none_and_a_turn_turns() -> None:
    scenes = draw_scenes(4, np.arange(30))
    plain = render(scenes, 48)
    assert np.abs(render(scenes, 48, cameras(30)) - plain).mean() < 1e-3
    turned = render(scenes, 48, cameras(30, turn=np.pi / 2))
    assert np.abs(turned - np.rot90(plain, 1, axes=(1, 2))).mean() < 5e-3
    zoom_out = render(scene(radius=0.4), 64, cameras(1, zoom=2.0))
    assert close(zoom_out[0], RED).mean() == pytest.approx(
        close(render(scene(radius=0.4), 64)[0], RED).mean() / 4, rel=0.1
    )


def test_speed_of_pictures_with_their_scenes() -> None:
    """2,000 a second on a quiet core."""
    render(draw_scenes(9, np.arange(256)), 64)  # the tables are made once
    assert takes_less_than(256 / 2000, lambda: render(draw_scenes(9, np.arange(256)), 64))
