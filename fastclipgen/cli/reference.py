"""`fastclipgen reference`: prints the reference of experiments' files, which is docs/yaml.md."""

from __future__ import annotations

import argparse
from pathlib import Path

from fastclipgen.errors import UserError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-o", "--output", metavar="FILE", help="write it there, over what is there")


def run(args: argparse.Namespace) -> int:
    from fastclipgen.experiments.reference import reference

    return write(reference(), args.output)


def write(text: str, output: str | None) -> int:
    """Prints the text, or writes it to a file and prints its path. Raises UserError where that cannot be written."""
    if output is None:
        print(text, end="")
        return 0
    path = Path(output).expanduser()
    try:
        path.write_text(text, encoding="utf-8")
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or error
        raise UserError(f"expected a file that can be written, but '{output}' cannot: {reason}") from None
    print(path)
    return 0
