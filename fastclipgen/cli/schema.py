"""`fastclipgen schema`: prints the JSON Schema of experiments' files, for editors that check YAML."""

from __future__ import annotations

import argparse
import json

from fastclipgen.cli.reference import write


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = "in the first line of a YAML file: # yaml-language-server: $schema=PATH"
    parser.add_argument("-o", "--output", metavar="FILE", help="write it there, over what is there")


def run(args: argparse.Namespace) -> int:
    from fastclipgen.experiments.schema import schema

    return write(json.dumps(schema(), indent=2) + "\n", args.output)
