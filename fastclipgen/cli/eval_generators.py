"""`fastclipgen eval generators`: draws the same prompts with several generators and measures what came out."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from fastclipgen.cli.eval_pictures import add_measuring_arguments, assessor_of, check_measuring, tell
from fastclipgen.cli.parser import whole
from fastclipgen.errors import UserError

DEFAULT_QUESTIONS = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("generators", nargs="+", metavar="NAME", help="as in `fastclipgen --generator NAME`")
    add = parser.add_argument
    text = "folder of the pictures, one below it for each generator; what is there is not drawn again"
    add("--out", required=True, type=Path, metavar="DIR", help=text)
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--prompts", metavar="FILE", help="prompts, one a line")
    text = f"questions of the drawing test instead; default {DEFAULT_QUESTIONS}"
    which.add_argument("--questions", type=whole(1), metavar="N", help=text)
    add("--seed", type=whole(0), default=0, help="of the first picture, and of the questions; default 0")
    add("--steps", type=whole(), help="default: what suits the generator")
    text = "any other setting, named as in `fastclipgen info`; repeat it for lists; `clip` is the guide that draws"
    add("--set", action="append", default=[], metavar="SETTING=VALUE", help=text)
    add_measuring_arguments(parser)


def run(args: argparse.Namespace) -> int:
    from fastclipgen.evaluation.captions import stored_prompt
    from fastclipgen.evaluation.pictures import items_of

    check_measuring(args)
    if len(set(args.generators)) < len(args.generators):
        raise UserError(f"every generator is drawn once, got {', '.join(args.generators)}; name none twice")
    sets, exit_code = _draw(args)
    if exit_code:
        return exit_code
    with assessor_of(args, [file for files in sets.values() for file in files]) as assessor:
        figures = [
            assessor.assess(name, items_of(files), [stored_prompt(str(file)) for file in files])
            for name, files in sets.items()
        ]
    return tell(args, figures, assessor)


def _draw(args: argparse.Namespace) -> tuple[dict[str, list[Path]], int]:
    """The pictures of each generator, and the exit code of a run that was interrupted, else 0."""
    from fastclipgen.cli.report import Reporter
    from fastclipgen.cli.session import memory_errors
    from fastclipgen.evaluation.generated import draw_set
    from fastclipgen.stop import Stop

    prompts, settings = _prompts(args), _settings(args)
    reporter = Reporter(0, args.quiet, False)

    def begin(job: Any) -> None:
        reporter.close()
        reporter.done, reporter.total = 0, job.ticks(job.steps)

    sets: dict[str, list[Path]] = {}
    stop = Stop(reporter.notice)
    try:
        with memory_errors(), stop:
            for name in args.generators:
                reporter.notice(f"{name}: {len(prompts)} pictures in '{args.out / name}'")
                sets[name] = draw_set(
                    name, prompts, args.out / name, args.seed, settings, callbacks=[reporter.step], on_start=begin,
                    interrupted=lambda: stop.asked, notice=reporter.notice,
                )  # fmt: skip
                if stop.asked:
                    break
    finally:
        reporter.close()
    return sets, stop.exit_code


def _prompts(args: argparse.Namespace) -> list[str]:
    if args.prompts is None:
        from fastclipgen.evaluation.drawing import draw_questions

        return [question.prompt for question in draw_questions(args.questions or DEFAULT_QUESTIONS, args.seed)]
    from fastclipgen.cli.rate import lines_of

    prompts = lines_of(args.prompts, "--prompts")
    if not prompts:
        raise UserError(f"--prompts '{args.prompts}' is empty; write a prompt a line")
    return prompts


def _settings(args: argparse.Namespace) -> dict[str, Any]:
    from fastclipgen.cli.evaluate import parse_settings

    settings = parse_settings(args.set)
    if args.steps is not None:
        if "steps" in settings:
            raise UserError("'steps' is given by --steps and by --set; give it once")
        settings["steps"] = args.steps
    return settings
