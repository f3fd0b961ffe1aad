"""`fastclipgen style FRAMES PROMPT --out DIR`: the frames of a video, each as the start of a picture of the prompt."""

from __future__ import annotations

import argparse
from pathlib import Path

from fastclipgen.cli.film import add_film_arguments, run_film
from fastclipgen.cli.parser import number
from fastclipgen.film import STYLE_STEPS

FPS = 15.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        f"makes every picture of a folder a start picture, takes {STYLE_STEPS} steps (--steps) from it and saves the "
        "result under the same name; broken off, it goes on by the same command (docs/video.md)"
    )
    add_film_arguments(parser, "FRAMES", FPS)
    text = "lay the styled picture before it over each frame, with an opacity from 0 to 1; then they come one by one"
    parser.add_argument("--previous", type=number, default=0.0, metavar="OPACITY", help=text)


def run(args: argparse.Namespace) -> int:
    from fastclipgen.film.frames import pictures_at  # loads torch
    from fastclipgen.film.plans import Styled

    plan = Styled(pictures_at(args.place), Path(args.out).expanduser(), args.previous)
    return run_film(args, plan, STYLE_STEPS, FPS)
