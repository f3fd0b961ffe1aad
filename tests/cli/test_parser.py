"""The argument types and the names of options; whole command lines are in test_cli.py."""

from __future__ import annotations

import argparse

import pytest

from fastclipgen.cli.generate import size
from fastclipgen.cli.parser import Parser, number, whole
from fastclipgen.errors import UserError


def test_types() -> None:
    assert whole()("-3") == -3
    assert whole(2)("2") == 2
    assert number("1e-3") == 0.001
    assert size("64") == (64, 64)
    assert size("64X32") == (64, 32)
    for convert, text in [(whole(), "1.5"), (whole(2), "1"), (number, ""), (size, "1x2x3"), (size, "x")]:
        with pytest.raises(argparse.ArgumentTypeError, match="expected"):
            convert(text)


def test_options_of_subcommands_are_suggested() -> None:
    parser = Parser(prog="x")
    sub = parser.add_subparsers().add_parser("sub")
    sub.add_argument("--colour")
    assert "--colour" in parser.option_names()
    assert parser.parse(["sub", "--colour", "red"]).colour == "red"
    with pytest.raises(UserError, match=r"unknown option '--color'; did you mean '--colour'\?; see x --help"):
        parser.parse(["sub", "--color=red"])
    with pytest.raises(UserError, match="unexpected argument 'more'"):
        parser.parse(["sub", "more"])


def test_a_list_collects_what_is_left() -> None:
    parser = Parser(prog="x")
    parser.add_argument("names", nargs="*")
    parser.add_argument("-v", action="store_true")
    assert parser.parse(["a", "-v", "b", "-", "--", "-c", "--"]).names == ["a", "b", "-", "-c", "--"]
    assert parser.parse(["-v"]).names == []
