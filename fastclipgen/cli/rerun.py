"""`fastclipgen rerun FILE`: makes a picture again from the settings stored in it, by default beside the original."""

from __future__ import annotations

import argparse
from typing import Any

from fastclipgen.errors import UserError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from fastclipgen.cli.generate import add_output_arguments

    parser.add_argument("file", metavar="FILE", help="a picture that fastclipgen made")
    parser.add_argument("--device", help="another device than the stored one")
    parser.add_argument("--compile", metavar="WHEN", help="auto, on or off, instead of what is stored")
    parser.add_argument("--trust-gan", action="store_true", help="open the exported generator that it was made with")
    add_output_arguments(parser)


def run(args: argparse.Namespace) -> int:
    from fastclipgen.cli.generate import run_config
    from fastclipgen.config.run import make_config
    from fastclipgen.outputs.metadata import read_metadata

    metadata = read_metadata(args.file)
    if "experiment" in metadata:
        raise UserError(f"'{args.file}' was made by an experiment; make it again by: fastclipgen run '{args.file}'")
    settings: Any = metadata.get("settings")
    if not isinstance(settings, dict):
        raise UserError(f"'{args.file}' holds no settings of a run; give a picture that fastclipgen made")
    if own := metadata.get("given_in_python"):
        raise UserError(
            f"'{args.file}' was made by a Python program with its own {' and '.join(map(str, own))}, which no picture "
            "can store; run that program again"
        )
    asked = {"device": args.device, "compile": args.compile, "trust_gan": args.trust_gan}
    settings = {**settings, **{name: value for name, value in asked.items() if value}}
    if args.output is None:  # beside the original; braces in its name are no fields
        args.output = args.file.replace("{", "{{").replace("}", "}}")
    # A picture that was interrupted is made again up to the same step.
    done = metadata.get("steps_done")
    return run_config(make_config(settings), args, _changes(metadata), done if isinstance(done, int) else None)


def _changes(metadata: dict[str, Any]) -> list[str]:
    """A notice where the versions differ from those that made the picture."""
    from fastclipgen.outputs.metadata import versions

    before = metadata.get("versions")
    before = before if isinstance(before, dict) else {}
    changed = [f"{name} {before.get(name)} -> {now}" for name, now in versions().items() if before.get(name) != now]
    return [f"made with other versions ({', '.join(changed)}): the picture may differ"] if changed else []
