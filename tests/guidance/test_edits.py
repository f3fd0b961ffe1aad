"""What edits do to pictures, and when they are due."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from fastclipgen.guidance.edits import Edit, Overlay, Zoom


def blob(height: int, width: int, y: float, x: float, sigma: float = 1.5) -> Tensor:
    """A smooth spot [1, 3, H, W] around a place, in pixels from the top left corner."""
    rows, cols = torch.arange(height) + 0.5 - y, torch.arange(width) + 0.5 - x
    return torch.exp(-(rows[:, None].square() + cols.square()) / (2 * sigma**2)).expand(1, 3, -1, -1)


def centre(images: Tensor) -> tuple[float, float]:
    """Where the light of a picture is, (y, x) in pixels."""
    light = images[0, 0].double()
    rows, cols = (torch.arange(side) + 0.5 for side in light.shape)
    return float((light.sum(1) * rows).sum() / light.sum()), float((light.sum(0) * cols).sum() / light.sum())


def test_when_an_edit_is_due() -> None:
    def steps(**rule: Any) -> list[int]:
        edit = Edit(lambda images: images, **rule)
        return [step for step in range(12) if edit.due(step)]

    assert steps(every=4) == [0, 4, 8]
    assert steps(every=4, offset=3) == [3, 7, 11]
    assert steps(every=4, first=1) == [4, 8]
    assert steps(every=4, first=8) == [8]
    assert steps(every=4, offset=1, until=9) == [1, 5]
    assert steps(every=1, until=3) == [0, 1, 2]


def test_an_overlay_hides_as_much_as_it_is_opaque() -> None:
    opacity = torch.tensor([0.0, 0.25, 1.0]).view(1, 1, 3)
    colour = torch.tensor([1.0, 0.5, 0.0]).view(3, 1, 1)
    images = torch.tensor([0.2, 0.8]).view(2, 1, 1, 1).expand(2, 3, 1, 3)
    found = Overlay(colour * opacity, opacity)(images)
    assert torch.allclose(found[..., 0], images[..., 0])
    assert torch.allclose(found[..., 1], 0.75 * images[..., 1] + 0.25 * colour[..., 0])
    assert torch.allclose(found[..., 2], colour[..., 0].expand(2, 3, 1))


@pytest.mark.parametrize(("height", "width"), [(24, 24), (20, 31)])
def test_a_zoom_scales_about_the_centre(height: int, width: int) -> None:
    """A spot goes away from the centre, and grows, by the scale; to it, and shrinks, below 1."""
    for scale in (1.5, 0.75, 0.5):
        images = blob(height, width, height / 2 + 3, width / 2 - 4)
        found = Zoom(height, width, scale)(images)
        wanted = blob(height, width, height / 2 + 3 * scale, width / 2 - 4 * scale, 1.5 * scale)
        inside = [round(side * max(0, 1 - scale) / 2) for side in (height, width)]  # mirror images are beyond
        apart = (found - wanted)[..., inside[0] : height - inside[0], inside[1] : width - inside[1]].abs()
        assert apart.max() < 0.1, scale
        assert (images - wanted).abs().max() > 0.3


@pytest.mark.parametrize(("height", "width"), [(24, 24), (20, 31)])
def test_a_rotation_is_against_the_clock_and_keeps_shapes(height: int, width: int) -> None:
    found = Zoom(height, width, degrees=90.0)(blob(height, width, height / 2, width / 2 + 6))
    assert (found - blob(height, width, height / 2 - 6, width / 2)).abs().max() < 0.03
    y, x = centre(Zoom(height, width, degrees=30.0)(blob(height, width, height / 2, width / 2 + 5)))
    assert (height / 2 - y, x - width / 2) == pytest.approx(
        (5 * math.sin(math.pi / 6), 5 * math.cos(math.pi / 6)), abs=0.05
    )


def test_a_shift_wraps_and_moves_pixels_as_they_are() -> None:
    images = torch.rand(2, 3, 5, 7)
    found = Zoom(5, 7, shift=(2, -1))(images)
    assert torch.equal(found[..., :-1, 2:], images[..., 1:, :-2]), "right and up"
    assert torch.equal(found[..., -1, 2:], images[..., 0, :-2]), "what left at the top is at the bottom"
    assert torch.equal(found[..., :-1, :2], images[..., 1:, -2:])


def test_what_comes_into_sight_is_mirrored() -> None:
    images = torch.zeros(1, 3, 16, 16)
    images[..., :, :4] = 1.0
    found = Zoom(16, 16, 0.5)(images)
    # the picture is 8 pixels wide and begins at 4; its stripe of 2 pixels has its mirror image on the left
    assert found[0, 0, 8].round().tolist() == [0, 0, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]


def test_shrinking_does_not_alias() -> None:
    stripes = (torch.arange(32) % 2).float().expand(1, 3, 32, 32)
    assert (Zoom(32, 32, 0.5)(stripes) - 0.5).abs().max() < 0.15


def test_values_stay_in_their_range_and_pictures_apart() -> None:
    images = (torch.rand(3, 3, 9, 12, generator=torch.Generator().manual_seed(0)) > 0.5).float()
    zoom = Zoom(9, 12, 1.3, 20.0, (3, 1))
    found = zoom(images)
    assert found.min() == 0.0
    assert found.max() == 1.0
    for row in range(3):
        assert torch.equal(zoom(images[row : row + 1])[0], found[row])
