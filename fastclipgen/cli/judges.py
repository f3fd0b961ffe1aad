"""What `rate` and `eval` have in common: loading the CLIPs that judge, the cache of features, a bar on a terminal."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from fastclipgen.cli.report import one_line

if TYPE_CHECKING:
    from fastclipgen.evaluation.extractors import ClipFeatures
    from fastclipgen.evaluation.feature_cache import FeatureCache


def add_judging_arguments(parser: argparse.ArgumentParser) -> None:
    """The options for where it runs and what is kept."""
    add = parser.add_argument
    add("--device", default="auto", metavar="NAME", help="auto, cpu, cuda, cuda:1, mps")
    add("-c", "--cache", action="store_true", help="keep features of pictures on disk, and take them from there")
    add("--quiet", action="store_true", help="no bar and no notices")


def speaker(quiet: bool) -> Callable[[str], None]:
    """What prints notices, to stderr."""

    def notice(line: str) -> None:
        if not quiet:
            print(f"fastclipgen: {one_line(line)}", file=sys.stderr)

    return notice


def load_judges(names: Sequence[str], device: str, notice: Callable[[str], None]) -> list[ClipFeatures]:
    """The CLIPs of `--clip`, in float32, so that figures of one machine are those of another. Raises UserError."""
    import torch

    from fastclipgen.engine.device import resolve_device
    from fastclipgen.evaluation.extractors import ClipFeatures
    from fastclipgen.perceptors.auto import resolve

    loaded = resolve(list(names), resolve_device(device), torch.float32, notice)
    return [ClipFeatures(one.perceptor) for one in loaded]


@contextmanager
def cache_if(asked: bool) -> Iterator[FeatureCache | None]:
    """The cache of features, if it is asked for."""
    if not asked:
        yield None
        return
    from fastclipgen.evaluation.feature_cache import FeatureCache

    cache = FeatureCache()
    try:
        yield cache
    finally:
        cache.close()


@contextmanager
def bar(total: int | None, quiet: bool) -> Iterator[Callable[[int], None]]:
    """What shows how many pictures are done, on a terminal; total: None where several sets come one after the other."""
    if quiet or not sys.stderr.isatty():
        yield lambda done: None
        return
    from tqdm import tqdm

    with tqdm(total=total, unit="pic", file=sys.stderr, leave=False) as shown:

        def tick(done: int) -> None:
            shown.n = done
            shown.refresh()

        yield tick


def name_broken(broken: Mapping[str, str]) -> None:
    """Says on stderr which pictures could not be read, and why; also where notices are not wanted."""
    for name, reason in broken.items():
        print(f"fastclipgen: skipping '{one_line(name)}': {one_line(reason)}", file=sys.stderr)
