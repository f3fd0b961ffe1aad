"""`fastclipgen animate FOLDER PROMPT --out DIR`: the pictures of a folder, round by round, each under its neighbour."""

from __future__ import annotations

import argparse
from pathlib import Path

from fastclipgen.cli.film import add_film_arguments, run_film
from fastclipgen.cli.parser import number, whole
from fastclipgen.film import ANIMATION_FPS, BLEND, ROUND_STEPS, ROUNDS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        f"takes {ROUND_STEPS} steps (--steps) from every picture of a folder, round after round; between them the "
        "picture before it is laid over each. The last round is the film (docs/video.md)"
    )
    add_film_arguments(parser, "FOLDER", ANIMATION_FPS)
    parser.add_argument("--rounds", type=whole(), default=ROUNDS, help=f"default {ROUNDS}")
    text = "opacity of the picture before it, 0 to 1; default 128/255"
    parser.add_argument("--alpha", type=number, default=BLEND, metavar="OPACITY", help=text)


def run(args: argparse.Namespace) -> int:
    from fastclipgen.film.frames import pictures_at  # loads torch
    from fastclipgen.film.plans import Animated

    out = Path(args.out).expanduser()
    args.video = args.video or str(out / "anim.gif").replace("{", "{{").replace("}", "}}")
    plan = Animated(pictures_at(args.place), out, args.rounds, args.alpha)
    return run_film(args, plan, ROUND_STEPS, ANIMATION_FPS)
