"""`fastclipgen compare PROMPT... -o DIR`: options become entries, progress is shown. The work is in comparison/."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastclipgen.cli.generate import size
from fastclipgen.cli.parser import whole
from fastclipgen.config.run import WEIGHTS
from fastclipgen.config.texts import parse_settings, read_prompts
from fastclipgen.errors import UserError

if TYPE_CHECKING:
    from fastclipgen.comparison.entries import Entry
    from fastclipgen.comparison.reports import Comparison

OPTIONS = ("steps", "clip", "preset", "device", "clip_gen", *WEIGHTS)  # that are settings of the same name


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "draws the same prompts and seeds with every generator that can draw here, and writes a page, a contact sheet "
        "and tables of them into a folder. The same command again goes on where it was stopped (docs/compare.md)"
    )
    parser.add_argument("prompts", nargs="*", metavar="PROMPT", help="one row of pictures each")
    add = parser.add_argument_group("what is compared").add_argument
    add("--prompts-file", metavar="FILE", help="further prompts, one a line; lines that begin with # say nothing")
    text = "instead of all that can draw with what is here"
    add("--generators", type=lambda names: names.split(","), metavar="NAME[,NAME]", help=text)
    text = "a generator with settings of its own; repeat it, also for two of one generator"
    add("--entry", action="append", default=[], metavar="'[NAME: ]GENERATOR SETTING=VALUE ...'", help=text)
    add("--seed", type=whole(0), default=0, help="of the first picture, the next have seed + 1, ...; default 0")
    add("-n", "--count", type=whole(1), default=1, help="pictures per prompt; default 1")
    text = "another CLIP that scores all pictures; repeat it; one that guided nothing tells most"
    add("--judge", action="append", default=[], metavar="NAME[:TAG|:PATH]", help=text)
    add = parser.add_argument_group("settings of all entries; what one does not have it goes without").add_argument
    add("--steps", type=whole(0), help="default: what suits each generator, as for all below")
    add("--size", type=size, metavar="WxH", help="in pixels")
    add("--clip", action="append", metavar="NAME[:TAG|:PATH][@WEIGHT]", help="what guides; may be given several times")
    add("--preset", metavar="NAME", help="draft, normal, better or best")
    add("--device", metavar="NAME", help="auto, cpu, cuda, cuda:1, mps")
    for name in (*WEIGHTS, "clip_gen"):
        option = name.replace("_", "-")
        add(f"--{option}", metavar="PATH|NAME", help=f"weights of generator {option}")
    text = "any other setting, named as in `fastclipgen info`; repeat it for lists"
    add("--set", action="append", default=[], metavar="SETTING=VALUE", help=text)
    add = parser.add_argument_group("output").add_argument
    add(
        "-o", "--out", required=True, metavar="DIR", help="folder of all files; what is there already is not made again"
    )
    add("--fresh", action="store_true", help="put what is in the folder aside as DIR-1, and begin anew")
    add("--quiet", action="store_true", help="print the table only")


def settings_of(args: argparse.Namespace) -> dict[str, Any]:
    """The settings that hold for all entries. Raises UserError."""
    named = {name: getattr(args, name) for name in OPTIONS}
    if args.size:
        named["width"], named["height"] = args.size
    settings = {name: value for name, value in named.items() if value is not None}
    for name, value in parse_settings(args.set).items():
        if name in settings:
            raise UserError(f"'{name}' is given by an option and by --set; give it once")
        settings[name] = value
    return settings


@dataclass(frozen=True)
class _Step:
    """A step of another process, as the reporter takes it."""

    step: int
    loss: Any = None
    known: tuple[int, Any] | None = None


class _Progress:
    """What is said while entries are drawn: a line for each, and the steps of the one at hand."""

    def __init__(self, quiet: bool, entries: int) -> None:
        from fastclipgen.cli.report import Reporter

        self._quiet, self._entries, self._begun = quiet, entries, 0
        self._make = Reporter
        self._said: set[str] = set()
        self.reporter = Reporter(0, quiet, False)

    def entry(self, entry: Entry, missing: int) -> None:
        self._begun += 1
        todo = f"{missing} pictures to draw" if missing != 1 else "one picture to draw"
        self.notice(f"{self._begun}/{self._entries} {entry.name}: {todo if missing else 'is there already'}")

    def tell(self, event: dict[str, Any]) -> None:
        kind = event["event"]
        if kind == "start":
            self.close()
            self.reporter = self._make(event["ticks"], self._quiet, False)
            self.reporter.begin()
        elif kind == "step":
            self.reporter.step(_Step(event["step"]))
        elif kind == "notice":
            self.notice(event["text"])

    def notice(self, line: str) -> None:
        """Says a line; what every process has to say is said once."""
        if line not in self._said:
            self._said.add(line)
            self.reporter.notice(line)

    def close(self) -> None:
        self.reporter.close()


def run(args: argparse.Namespace) -> int:
    from fastclipgen.comparison import entries as made
    from fastclipgen.comparison.compare import compare
    from fastclipgen.comparison.plan import Plan, put_aside
    from fastclipgen.comparison.reports import RECORD, TABLE
    from fastclipgen.stop import Stop  # all of this loads torch

    prompts = [*args.prompts, *(read_prompts(args.prompts_file) if args.prompts_file else [])]
    if not prompts:
        raise UserError('expected a prompt or --prompts-file; try fastclipgen compare "a red circle" -o comparison')
    generators = args.generators if args.generators is not None else [] if args.entry else made.all_generators()
    found, without = made.make_entries(generators, args.entry, settings_of(args))
    unavailable = {entry.name: why for entry in found if (why := made.obstacle(entry)) is not None}
    entries = tuple(entry for entry in found if entry.name not in unavailable)
    if not entries:
        raise UserError(f"nothing of what is to be compared can draw here: {next(iter(unavailable.values()))}")
    folder = Path(args.out).expanduser()
    plan = Plan(tuple(prompts), args.count, args.seed, entries, folder)
    progress = _Progress(args.quiet, len(entries))
    for name, why in unavailable.items():
        progress.notice(f"'{name}' is left out: {why}")
    for entry in entries:
        if without[entry.name]:
            progress.notice(f"'{entry.name}' has no {', '.join(without[entry.name])}, and goes without")
    if args.fresh and (folder / RECORD).exists():
        progress.notice(f"what was in '{folder}' is now in '{put_aside(folder)}'")
    stop = Stop(
        lambda _: progress.notice("stopping; pictures that are finished are kept (Ctrl-C again to stop at once)")
    )
    try:
        with stop:
            result = compare(
                plan,
                judges=args.judge,
                unavailable=unavailable,
                device=args.device or "auto",
                on_entry=progress.entry,
                tell=progress.tell,
                notice=progress.notice,
                interrupted=lambda: stop.asked,
            )
    finally:
        progress.close()
    print((folder / TABLE).read_text(encoding="utf-8"), end="", flush=True)
    progress.notice(f"see {folder / 'index.html'}")
    _raise_failures(result)
    return stop.exit_code


def _raise_failures(result: Comparison) -> None:
    """Raises UserError where an entry failed, once all else is done and written."""
    for name, failure in result.failures.items():
        others = "; so were others" if len(result.failures) > 1 else ""
        raise UserError(f"'{name}' was not finished ({failure.text}){others}; the same command again tries it again")
