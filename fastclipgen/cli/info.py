"""`fastclipgen info FILE...`: prints the settings stored in pictures."""

from __future__ import annotations

import argparse
import json
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    parser.add_argument("--json", action="store_true", help="one JSON document per file")


def run(args: argparse.Namespace) -> int:
    from fastclipgen.outputs.metadata import format_info, read_metadata

    for path in args.files:
        metadata = read_metadata(path)
        if args.json:
            print(json.dumps({"file": str(path), **metadata}))
        else:
            print((f"{path}\n" if len(args.files) > 1 else "") + format_info(metadata))
    return 0
