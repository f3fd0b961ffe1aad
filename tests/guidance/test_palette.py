"""Palettes: every form of the notation, and what is wrong with a text."""

from __future__ import annotations

import pytest

from fastclipgen.errors import UserError
from fastclipgen.guidance.palette import MOST, RAMP, parse_colour, parse_palette

BLACK, WHITE, RED = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), (1.0, 0.0, 0.0)


def test_colours() -> None:
    for text in ("red", " RED ", "#f00", "#ff0000", "rgb(255, 0, 0)", "#ff000080"):
        assert parse_colour(text) == RED
    assert parse_colour("rebeccapurple") == (102 / 255, 51 / 255, 153 / 255)
    with pytest.raises(UserError, match="'nvy'; did you mean 'navy'"):
        parse_colour("nvy")
    with pytest.raises(UserError, match="write for example"):
        parse_colour("#12")


def test_ramps() -> None:
    assert parse_palette(r"red\3") == (BLACK, (0.5, 0.0, 0.0), RED)
    assert len(parse_palette("red")) == RAMP
    assert parse_palette("red")[::15] == (BLACK, RED)
    assert parse_palette(r"white -> red\2") == (WHITE, RED)
    five = parse_palette(r"black->red->white\5")
    assert five[::2] == (BLACK, RED, WHITE)
    assert five[1::2] == ((0.5, 0.0, 0.0), (1.0, 0.5, 0.5))


def test_lists_and_sums() -> None:
    assert parse_palette("[white, #f00,black]") == (WHITE, RED, BLACK)
    assert parse_palette(r"[white] ; red\2;[red]") == (WHITE, BLACK, RED, RED)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "a colour on both sides of every ';'"),
        ("red;", "a colour on both sides"),
        (r"red\1", rf"2 to {MOST} colours behind the backslash of 'red\\1', got '1'"),
        (r"red\many", "got 'many'"),
        ("red->", "expected a colour by its CSS name"),
        ("[red,]", "expected a colour by its CSS name"),
        (";".join(["red"] * 17), f"at most {MOST} colours, got 272"),
    ],
)
def test_mistakes(text: str, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        parse_palette(text)
