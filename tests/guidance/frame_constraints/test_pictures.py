"""Total variation and palettes as constraints of frames: literal values, and how palettes are written."""

from __future__ import annotations

import pytest
import torch

from fastclipgen.errors import UserError
from fastclipgen.guidance.frame_constraints.base import Manner
from fastclipgen.guidance.frame_constraints.registry import CONSTRAINTS

from .stepping import value_of, values_at

STEPS = torch.tensor([[0.0, 0.25], [0.5, 0.75]]).expand(3, 2, 2)  # rows 0.5 apart, columns 0.25


def test_total_variation() -> None:
    torch.testing.assert_close(value_of("tv", STEPS, Manner("l1")), torch.tensor([[100 * (0.5 + 0.25)]]))
    torch.testing.assert_close(value_of("tv", STEPS), torch.tensor([[100 * (0.5**2 + 0.25**2)]]))


def test_palette() -> None:
    colour = torch.tensor([0.9, 0.1, 0.2]).view(3, 1, 1).expand(3, 2, 2)
    for given in (["black", "red"], "[black, red]", r"black->red\2", "black, red", "rgb(255,0,0)\\2"):
        square = value_of("palette", colour, colors=given)
        torch.testing.assert_close(square, torch.tensor([[100 * (0.01 + 0.01 + 0.04)]]))
        # the root has no slope at 0, so it is smoothed (picture_losses.SMOOTHED)
        plain = value_of("palette", colour, Manner("l1"), colors=given)
        torch.testing.assert_close(plain, torch.tensor([[100 * 0.06**0.5]]), atol=0.1, rtol=0)


def test_how_palettes_are_written() -> None:
    def table(given: object) -> list[list[float]]:
        return values_at(CONSTRAINTS["palette"], {"colors": given})["colors"].tolist()

    assert table(["black", "#00ff00"]) == [[0, 0, 0], [0, 1, 0]]
    assert table(["rgb(0,0,255)", "white"]) == [[0, 0, 1], [1, 1, 1]]
    assert table(r"[white];black->red\3") == [[1, 1, 1], [0, 0, 0], [0.5, 0, 0], [1, 0, 0]]
    assert len(table("red")) == 16
    for wrong in (["red", "blak"], "blak", ["red", "a->b"]):
        with pytest.raises(UserError, match="expected a colour by its CSS name"):
            table(wrong)
    with pytest.raises(UserError, match=r"1 or 2 or .*256, got 257"):
        table(["red"] * 257)
