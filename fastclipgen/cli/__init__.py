"""The command line: parses, calls the package, prints. Loads torch only for commands that need it.

`fastclipgen PROMPT... [options]` makes pictures; the other commands are listed in `COMMANDS`. Exit codes: 0 done, 2 a
mistake that the user can mend (one sentence on stderr), 130 interrupted.
"""

from __future__ import annotations

import argparse
import importlib
import os
import signal
import sys
from collections.abc import Sequence

from fastclipgen import __version__
from fastclipgen.errors import UserError

# name -> (module with add_arguments(parser) and run(args) -> int, help)
COMMANDS = {
    "generate": ("fastclipgen.cli.generate", "make pictures (the default: `fastclipgen PROMPT`)"),
    "info": ("fastclipgen.cli.info", "show what is stored in a picture"),
    "rerun": ("fastclipgen.cli.rerun", "make a picture again from what is stored in it"),
    "models": ("fastclipgen.perceptors.catalog", "list CLIP models, download one"),
    "train": ("fastclipgen.cli.train", "train the built-in models"),
    "eval": ("fastclipgen.cli.evaluate", "measure what is drawn"),
    "doctor": ("fastclipgen.cli.doctor", "what works on this machine, and why not the rest"),
}


def make_parser(command: str) -> argparse.ArgumentParser:
    """The parser of one command."""
    module, text = COMMANDS[command]
    name = "fastclipgen" if command == "generate" else f"fastclipgen {command}"
    epilog = None
    if command == "generate":
        epilog = "other commands (fastclipgen COMMAND --help):\n" + "\n".join(
            f"  {other:10}{what}" for other, (_, what) in COMMANDS.items() if other != "generate"
        )
    parser = argparse.ArgumentParser(
        prog=name, description=text, epilog=epilog, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--version", action="version", version=f"fastclipgen {__version__}")
    importlib.import_module(module).add_arguments(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    command = arguments.pop(0) if arguments and arguments[0] in COMMANDS else "generate"
    try:
        args = make_parser(command).parse_args(arguments)
        return importlib.import_module(COMMANDS[command][0]).run(args)
    except UserError as error:
        print(f"fastclipgen: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("fastclipgen: interrupted", file=sys.stderr)
        return 128 + signal.SIGINT
    except BrokenPipeError:  # the reader of our output, as in `fastclipgen models | head`, has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def script() -> None:
    """The entry point of the installed command."""
    sys.exit(main())
