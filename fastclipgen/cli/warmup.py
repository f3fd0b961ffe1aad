"""`fastclipgen warmup [PROMPT...]`: compiles the step for these options, so that later runs start compiled."""

from __future__ import annotations

import argparse

from fastclipgen.errors import UserError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from fastclipgen.cli.generate import add_setting_arguments

    parser.description = (
        "compiles the step for the options that runs will have and keeps the code on disk; a prompt matters only by "
        "how many are joined by '|', and by how many pictures there are"
    )
    add_setting_arguments(parser)
    speech = parser.add_mutually_exclusive_group()
    speech.add_argument("--quiet", action="store_true", help="print nothing but errors")
    speech.add_argument("--json", action="store_true", help="print one JSON line per event on stdout")


def run(args: argparse.Namespace) -> int:
    from fastclipgen.cli.generate import config_of
    from fastclipgen.cli.report import Reporter

    if args.compile == "off":
        raise UserError("warmup compiles, but --compile off asks it not to; leave --compile out")
    args.compile = "on"
    args.prompts = args.prompts or ([] if args.image_prompt else ["anything"])
    config = config_of(args)

    from fastclipgen.api import Job  # loads torch
    from fastclipgen.config.sampling import CLIP_GEN

    if config.generator == CLIP_GEN:
        raise UserError("warmup compiles the step of a generator that optimises, which clip-gen is not; leave it out")

    reporter = Reporter(0, args.quiet, args.json)
    found = Job(config, notice=reporter.notice).warm_up()
    costs = found.costs
    numbers = {"seconds": found.seconds, "start": costs.start, "step": costs.step, "gain": costs.gain}
    reporter.event("warmup", **{name: round(value, 4) for name, value in numbers.items()})
    if not args.json and not args.quiet:
        change = f"{abs(costs.gain):.0%} {'less' if costs.gain >= 0 else 'more'}"
        print(
            f"compiled in {found.seconds:.1f} s; later runs start in about {costs.start:.1f} s; "
            f"a step takes {change} time than without"
        )
    return 0
