"""`fastclipgen doctor`: prints what works on this machine."""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = "prints versions, devices, backends of the operators, weights and caches"


def run(args: argparse.Namespace) -> int:
    from fastclipgen import doctor

    return doctor.main()
