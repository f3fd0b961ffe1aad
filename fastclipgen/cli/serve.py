"""`fastclipgen serve`: a queue of runs behind HTTP, for curl, programs and pages."""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
from pathlib import Path

from fastclipgen.cli.parser import whole
from fastclipgen.errors import UserError

TOKEN = "FASTCLIPGEN_TOKEN"
_NEEDS = ("fastapi", "uvicorn")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = "serves the HTTP API of docs/api.md; runs wait for their turn on one device"
    add_server_arguments(parser)


def add_server_arguments(parser: argparse.ArgumentParser) -> None:
    """Those that `serve` and `studio` have in common."""
    add = parser.add_argument
    add("-o", "--output", metavar="DIR", default="outputs/served", help="folder of the queue and its pictures")
    add("--host", metavar="ADDRESS", default="127.0.0.1", help="address to listen to; any but loopback needs a token")
    add("--port", metavar="N", type=whole(0), default=8765, help="0: any that is free")
    add(
        "--token",
        metavar="TEXT",
        help=f"what requests must bring; better in {TOKEN}, where no list of processes has it",
    )
    add("--models", metavar="DIR", help="folder from which requests may name weights and pictures; default: none")
    add("--batches", metavar="DIR", help="folder of batches (docs/batch.md) that may be looked at; default: none")
    add("--device", metavar="NAME", default="auto", help="where all runs are drawn: auto, cpu, cuda, cuda:1, mps")
    add(
        "--limit", metavar="NAME=N", action="append", default=[],
        help="what a request may ask for: side, pixels, steps, pictures, ... (docs/api.md), repeatable",
    )  # fmt: skip
    add("--quiet", action="store_true", help="print nothing but errors and the address")


def run(args: argparse.Namespace) -> int:
    return serve(args, "serve", None)


def serve(args: argparse.Namespace, command: str, opened: tuple[Path, ...] | None) -> int:
    """Until the server is ended. opened: files that the studio's page begins with; None: no page."""
    if missing := [name for name in _NEEDS if importlib.util.find_spec(name) is None]:
        raise UserError(f"{command} needs {' and '.join(missing)}; install the extra: pip install 'fastclipgen[ui]'")
    import logging

    from fastclipgen.serving.limits import Limits, with_limits
    from fastclipgen.serving.server import Service, Settings

    logging.basicConfig(
        stream=sys.stderr, level=logging.WARNING if args.quiet else logging.INFO, format="fastclipgen: %(message)s"
    )
    # uvicorn's own lines tell of every start and end; what goes wrong is enough
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    settings = Settings(
        folder=Path(args.output).expanduser(),
        host=args.host,
        port=args.port,
        token=args.token or os.environ.get(TOKEN) or None,
        models=None if args.models is None else Path(args.models).expanduser(),
        device=args.device,
        limits=with_limits(Limits(), args.limit),
        opened=opened,
        batches=None if args.batches is None else Path(args.batches).expanduser(),
    )
    service = Service(settings)
    print(service.address, flush=True)
    service.run()
    return 0
