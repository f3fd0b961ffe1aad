"""`fastclipgen rerun FILE`: makes a picture again from the settings stored in it, by default beside the original."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from fastclipgen.errors import UserError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from fastclipgen.cli.generate import add_output_arguments

    parser.add_argument("file", type=Path, metavar="FILE", help="a picture that fastclipgen made")
    parser.add_argument("--device", help="another device than the stored one")
    add_output_arguments(parser)


def run(args: argparse.Namespace) -> int:
    from fastclipgen.cli.generate import run_config
    from fastclipgen.config.run import make_config
    from fastclipgen.outputs.metadata import read_metadata, versions

    metadata = read_metadata(args.file)
    settings: Any = metadata.get("settings")
    if not isinstance(settings, dict):
        raise UserError(f"'{args.file}' holds no settings of a run; give a picture that fastclipgen made")
    made_with, here = metadata.get("versions", {}), versions()
    changed = [f"{k} {made_with.get(k)} -> {v}" for k, v in here.items() if made_with.get(k) != v]
    notice = [f"made with other versions ({', '.join(changed)}): the picture may differ"] if changed else []
    if args.device:
        settings = {**settings, "device": args.device}
    if args.output is None:
        args.output = str(args.file)
    return run_config(make_config(settings), args, notice)
