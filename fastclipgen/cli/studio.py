"""`fastclipgen studio [FILE.yaml...]`: the server of `serve` with a page, for a browser on this machine."""

from __future__ import annotations

import argparse
from pathlib import Path

from fastclipgen.cli.serve import add_server_arguments, serve
from fastclipgen.errors import UserError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = "serves a page (docs/studio.md) and the HTTP API of docs/api.md; prints the page's address"
    parser.add_argument("files", nargs="*", metavar="FILE", help="YAML files of experiments that the page opens")
    add_server_arguments(parser)


def run(args: argparse.Namespace) -> int:
    files = tuple(Path(name).expanduser() for name in args.files)
    for path in files:
        if not path.is_file():
            raise UserError(f"expected YAML files to open, but there is no file '{path}'; correct its name")
    return serve(args, "studio", files)
