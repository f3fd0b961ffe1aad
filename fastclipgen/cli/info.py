"""`fastclipgen info FILE...`: prints the settings stored in pictures."""

from __future__ import annotations

import argparse

from fastclipgen.errors import UserError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", nargs="*", metavar="FILE", help="a picture that fastclipgen made")
    parser.add_argument("--json", action="store_true", help="one JSON object a line, one line a file")


def run(args: argparse.Namespace) -> int:
    from fastclipgen.cli.report import to_json
    from fastclipgen.outputs.metadata import format_info, read_metadata

    if not args.files:
        raise UserError("expected at least one picture, got none; write fastclipgen info FILE")
    for path in args.files:
        metadata = read_metadata(path)
        if args.json:
            print(to_json({"file": path, **metadata}))
        else:
            print((f"{path}\n" if len(args.files) > 1 else "") + format_info(metadata))
    return 0
