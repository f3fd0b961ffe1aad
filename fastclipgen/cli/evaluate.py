"""`fastclipgen eval`: the drawing test's options, progress and files, and the way to the other measures.

The work is in evaluation/.
"""

from __future__ import annotations

import argparse
import json
from typing import Any

from fastclipgen.cli import eval_generators, eval_pictures
from fastclipgen.config.texts import parse_settings
from fastclipgen.errors import UserError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    tests = parser.add_subparsers(dest="test", required=True, metavar="TEST")
    text = "draw random prompts of the shapes world and measure the pixels"
    add = tests.add_parser("shapes", help=text, description=text).add_argument
    add("--prompts", type=int, default=100, metavar="N", help="how many; default 100")
    add("--seed", type=int, default=0, help="of the prompts, and of the first picture; default 0")
    add("--generator", metavar="NAME", help="default: the tool's own")
    add("--steps", type=int, help="default: what suits the generator")
    add("--clip", action="append", metavar="NAME[:TAG|:PATH][@WEIGHT]", help="default: builtin")
    add(
        "--set",
        action="append",
        default=[],
        metavar="SETTING=VALUE",
        help="any other setting, named as in `fastclipgen info`; repeat it for lists",
    )
    add("--json", metavar="FILE", help="write the figures and every verdict")
    add("--markdown", metavar="FILE", help="write the tables")
    add("--sheet", metavar="FILE", help="write all pictures with their verdicts, .png, .jpg or .webp")
    add("--quiet", action="store_true", help="print the tables only")
    text = "measure pictures that are there: CLIP score, R-precision, distances, spectrum, diversity"
    eval_pictures.add_arguments(tests.add_parser("pictures", help=text, description=text))
    text = "draw prompts with generators, and measure the pictures as `eval pictures` does"
    eval_generators.add_arguments(tests.add_parser("generators", help=text, description=text))


def settings_of(args: argparse.Namespace) -> dict[str, Any]:
    """The settings that the options ask for, as plain values. Raises UserError."""
    named = {"generator": args.generator, "steps": args.steps, "clip": args.clip}
    settings = {name: value for name, value in named.items() if value is not None}
    for name, value in parse_settings(args.set).items():
        if name in settings:
            raise UserError(f"'{name}' is given by --{name} and by --set; give it once")
        settings[name] = value
    return settings


def run(args: argparse.Namespace) -> int:
    others = {"pictures": eval_pictures.run, "generators": eval_generators.run}
    return others.get(args.test, run_shapes)(args)


def run_shapes(args: argparse.Namespace) -> int:
    """The drawing test."""
    from fastclipgen.cli.report import Reporter
    from fastclipgen.evaluation.drawing import run_drawing_test
    from fastclipgen.outputs.atomic import check_writable, write_file
    from fastclipgen.outputs.images import check_output, save_image
    from fastclipgen.outputs.naming import expand

    settings = settings_of(args)
    texts = {suffix: name for suffix, name in ((".json", args.json), (".md", args.markdown)) if name}
    for suffix, name in texts.items():
        check_writable(name, suffixes=(suffix,))
    if args.sheet:
        check_output(args.sheet)
    reporter = Reporter(0, args.quiet, False)

    def begin(job: Any) -> None:
        reporter.total = job.ticks(job.steps)

    try:
        report = run_drawing_test(
            args.prompts, args.seed, settings, callbacks=[reporter.step], on_start=begin, notice=reporter.notice
        )
    finally:
        reporter.close()
    print(report.markdown(), end="", flush=True)
    contents = {".json": json.dumps(report.as_dict(), indent=1) + "\n", ".md": report.markdown()}
    saved = [write_file(expand(name, suffixes=(suffix,)), contents[suffix].encode()) for suffix, name in texts.items()]
    if args.sheet:
        saved.append(save_image(report.sheet(), args.sheet))
    for path in saved:
        reporter.notice(f"wrote {path}")
    return 0
