"""What `style` and `animate` have in common: the options of a film, and one run of it with its files and exit code."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastclipgen.cli.generate import add_setting_arguments, config_of
from fastclipgen.cli.parser import number, whole
from fastclipgen.cli.report import Reporter
from fastclipgen.errors import UserError
from fastclipgen.stop import Stop

if TYPE_CHECKING:
    from fastclipgen.film.plans import Plan


def add_film_arguments(parser: argparse.ArgumentParser, place: str, fps: float) -> None:
    """`place`: the name of the positional that says where the pictures are."""
    parser.add_argument("place", metavar=place, help="a folder of pictures, or a pattern like 'frames/*.png'")
    add_setting_arguments(parser)
    group = parser.add_argument_group("output (the path of every written file is printed on stdout)")
    add = group.add_argument
    add("--out", required=True, metavar="DIR", help="folder of the pictures; what is there already is not made again")
    add("--video", metavar="TEMPLATE", help="also a film of them, .mp4, .gif or .webp")
    add("--fps", type=number, help=f"of the film; default {fps:g}")
    add("--quality", type=whole(), help="of JPEG and WebP, 1..100; default 95")
    speech = group.add_mutually_exclusive_group()
    speech.add_argument("--quiet", action="store_true", help="print nothing but errors, not even paths")
    speech.add_argument("--json", action="store_true", help="print one JSON line per event on stdout")


def run_film(args: argparse.Namespace, plan: Plan, steps: int, fps: float) -> int:
    """Make the pictures of a plan with the settings that the options ask for, `steps` where they name none. Returns the
    exit code; raises UserError, also at the end where pictures had to be skipped."""
    from fastclipgen.config.resources import memory_errors  # loads torch
    from fastclipgen.film.film import Film
    from fastclipgen.outputs.images import DEFAULT_QUALITY

    if args.init is not None:
        raise UserError("every picture of the folder is a start picture, but --init was given as well; leave it out")
    if args.fps is not None and not args.video:
        raise UserError("--fps is about a film, but none is asked for; add --video PATH, or leave it out")
    args.init = str(plan.sources[0])
    args.steps = steps if args.steps is None else args.steps
    begun, config = time.monotonic(), config_of(args)
    reporter = Reporter(0, args.quiet, args.json)
    stop, written = Stop(reporter.notice), 0
    try:
        with memory_errors():
            film = Film(
                config,
                plan,
                video=args.video,
                fps=fps if args.fps is None else args.fps,
                quality=DEFAULT_QUALITY if args.quality is None else args.quality,
                notice=reporter.notice,
            )
            job, total = film.job, sum(len(stage) for stage in plan.targets)
            reporter.total = film.ticks
            reporter.event("start", settings=job.config.model_dump(mode="json"), clip=job.clips, pictures=total)
            if not args.json:
                size = f"{job.config.width}x{job.config.height}"
                together = f"{job.batch} at once" if job.batch > 1 else "one by one"
                reporter.notice(f"{job.config.generator} under {', '.join(job.clips)}, {size}, {together}")
            reporter.begin()
            with stop:
                for batch in film.run([reporter.step], lambda: stop.asked):
                    for made in batch:
                        reporter.picture(str(made.path), made.result)
                    written += len(batch)
            if not stop.asked and (path := film.join()) is not None:
                reporter.written("video", str(path))
    finally:
        reporter.close()
    if film.skipped:
        raise UserError(_sentence(film.skipped))
    seconds = round(time.monotonic() - begun, 3)
    reporter.event("done", seconds=seconds, pictures=written, interrupted=stop.asked)
    return stop.exit_code


def _sentence(skipped: dict[Path, Any]) -> str:
    """Which pictures were skipped, the first of them with the reason."""
    first, *others = skipped
    more = f"; so were {', '.join(str(path) for path in others[:5])}" if others else ""
    rest = f" and {len(others) - 5} more" if len(others) > 5 else ""
    return f"'{first}' was skipped ({skipped[first]}){more}{rest}; all others are made"
