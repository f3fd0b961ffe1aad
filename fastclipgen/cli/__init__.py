"""The command line: parses, calls the package, prints. Loads torch only for commands that need it.

`fastclipgen PROMPT... [options]` makes pictures; the other commands are listed in `COMMANDS`. Exit codes: 0 done, 2 a
mistake that the user can mend (one sentence on stderr), 130 interrupted by Ctrl-C, 143 ended by SIGTERM.
"""

from __future__ import annotations

import importlib
import io
import os
import signal
import sys
from collections.abc import Sequence

from fastclipgen import __version__
from fastclipgen.cli.parser import Parser
from fastclipgen.cli.report import one_line, to_json
from fastclipgen.errors import UserError

# name -> (module with add_arguments(parser) and run(args) -> int, help)
COMMANDS = {
    "generate": ("fastclipgen.cli.generate", "make pictures (the default: `fastclipgen PROMPT`)"),
    "run": ("fastclipgen.cli.run", "run a YAML experiment: targets, transforms, schedules"),
    "batch": ("fastclipgen.cli.batch", "draw the rows of a file, thousands of them, resumable"),
    "info": ("fastclipgen.cli.info", "show what is stored in a picture"),
    "style": ("fastclipgen.cli.style", "draw the frames of a video, each from itself"),
    "animate": ("fastclipgen.cli.animate", "draw the pictures of a folder round by round, each under its neighbour"),
    "rerun": ("fastclipgen.cli.rerun", "make a picture again from what is stored in it"),
    "warmup": ("fastclipgen.cli.warmup", "compile the step ahead of runs with the same options"),
    "models": ("fastclipgen.perceptors.catalog", "list CLIP models, download one"),
    "download": ("fastclipgen.cli.download", "bring published weights here: VQGANs, CLIP-GEN"),
    "train": ("fastclipgen.cli.train", "train the built-in models"),
    "bridge": ("fastclipgen.cli.bridge", "learn how texts become embeddings as of pictures, for clip-gen"),
    "compare": ("fastclipgen.cli.compare", "draw the same prompts with all generators, side by side"),
    "studio": ("fastclipgen.cli.studio", "a page in the browser: watch pictures grow, change them while they do"),
    "serve": ("fastclipgen.cli.serve", "a queue of runs behind HTTP, for curl, programs and pages"),
    "rate": ("fastclipgen.cli.rate", "how near pictures are to texts and to other pictures"),
    "eval": ("fastclipgen.cli.evaluate", "measure what is drawn"),
    "bench": ("fastclipgen.bench.cli", "measure speed: operators, whole steps, techniques one by one"),
    "schema": ("fastclipgen.cli.schema", "print the JSON Schema of experiments' YAML files"),
    "reference": ("fastclipgen.cli.reference", "print what there is to write in experiments' YAML files"),
    "doctor": ("fastclipgen.cli.doctor", "what works on this machine, and why not the rest"),
}
TELLS = (None, "generate", "run", "batch", "style", "animate", "rerun", "warmup")
"""Whose `--json` is a line for each event, errors too; None is `generate` without its name."""
SHORT_HELP = """usage: fastclipgen PROMPT... [options]
   or: fastclipgen COMMAND ...
       (generate, run, batch, studio, serve, info, style, animate, rerun, warmup, models, download, train, bridge,
        compare, rate, eval, bench, schema, reference, doctor)
try:   fastclipgen "a red circle on a blue background"
all options: fastclipgen --help"""


def make_parser(command: str) -> Parser:
    """The parser of one command."""
    module, text = COMMANDS[command]
    name = "fastclipgen" if command == "generate" else f"fastclipgen {command}"
    epilog = None
    if command == "generate":
        others = "\n".join(f"  {other:10}{what}" for other, (_, what) in COMMANDS.items() if other != "generate")
        epilog = (
            f"other commands (fastclipgen COMMAND --help):\n{others}\n\n"
            "a prompt that is the name of a command: fastclipgen generate PROMPT"
        )
    parser = Parser(prog=name, description=text, epilog=epilog)
    parser.add_argument("--version", action="version", version=f"fastclipgen {__version__}")
    importlib.import_module(module).add_arguments(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a prompt's letters may be more than the terminal's
    try:
        code = _run(arguments)
        sys.stdout.flush()  # here, where a reader that has gone can still be caught
        return code
    except BrokenPipeError:  # the reader of our output, as in `fastclipgen models | head`, has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def script() -> None:
    """The entry point of `python -m fastclipgen`."""
    sys.exit(main())


def _run(arguments: list[str]) -> int:
    if not arguments:
        print(SHORT_HELP, file=sys.stderr)
        return 2
    command = arguments[0] if arguments[0] in COMMANDS else None
    events = "--json" in arguments and command in TELLS
    try:
        args = make_parser(command or "generate").parse(arguments[1:] if command else arguments)
        return importlib.import_module(COMMANDS[command or "generate"][0]).run(args)
    except UserError as error:
        sentence = one_line(str(error))
        if events:
            print(to_json({"event": "error", "text": sentence}), flush=True)
        print(f"fastclipgen: error: {sentence}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("fastclipgen: interrupted", file=sys.stderr)
        return 128 + signal.SIGINT
    except SystemExit as done:  # argparse, after --help and --version
        return done.code if isinstance(done.code, int) else 0
