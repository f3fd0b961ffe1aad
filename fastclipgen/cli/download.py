"""`fastclipgen download NAME...`: published weights by their names, and which there are (docs/checkpoints.md)."""

from __future__ import annotations

import argparse

from fastclipgen.errors import UserError, unknown


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "brings published weights of VQGANs and CLIP-GEN to this machine and checks them; --vqgan NAME and --clip-gen "
        "NAME do the same when they are first used (CLIPs: fastclipgen models get)"
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="as --vqgan or --clip-gen takes it")
    parser.add_argument("--list", action="store_true", help="which there are, how large, whether they are here")
    parser.add_argument("--quiet", action="store_true", help="print nothing but errors")


def run(args: argparse.Namespace) -> int:
    from fastclipgen.cli.report import Reporter
    from fastclipgen.weights import known, published
    from fastclipgen.weights.transfer import bars

    if args.list == bool(args.names):
        raise UserError("expected names of weights to download, or --list to see which there are; give one of the two")
    if args.list:
        print(_table())
        return 0
    asked = []
    for name in args.names:
        weights = known.find(name)
        if weights is None:
            raise unknown("published weights", name, known.names())
        asked.append(weights)
    reporter = Reporter(0, args.quiet, as_json=False)
    with bars(not args.quiet):
        for weights in asked:
            reporter.written("weights", str(published.obtain(weights, reporter.notice)))
    return 0


def _table() -> str:
    """All published weights, one a line."""
    from fastclipgen.weights import published
    from fastclipgen.weights.files import readable
    from fastclipgen.weights.known import KNOWN

    rows = [("NAME", "FOR", "WHAT", "SIZE", "SHA-256", "HERE")]
    for one in KNOWN.values():
        size = readable(one.size) if one.size else f"about {readable(one.about)}" if one.about else "unknown"
        path = published.path_of(one)
        here = str(path) if path.is_file() else "in part" if path.with_name(f"{path.name}.part").is_file() else "-"
        name = f"{one.name} ({one.alias})" if one.alias else one.name
        rows.append((name, f"--{one.option}", one.what, size, "known" if one.sha256 else "not known", here))
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]) - 1)]
    return "\n".join("  ".join([*(f"{row[i]:{width}}" for i, width in enumerate(widths)), row[-1]]) for row in rows)
