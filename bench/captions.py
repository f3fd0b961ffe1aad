"""`fastclipgen bench captions`: CLIP's embeddings of a data set's captions, made for the package's cache and otherwise.

"one at a time" is how CVAEs on CelebA have been given theirs: a forward of CLIP and a file for every picture.
"batches" embeds as many captions, but many at once and into one memory-mapped file; "cache" is what trainings use, the
same with equal captions embedded once. The captions are those of CelebA's attributes, drawn at random, or for the
built-in CLIP those of the shapes world, which is all that it knows; each is of `--alike` pictures.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from itertools import count
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from fastclipgen.data.attribute_captions import CELEBA
from fastclipgen.data.attribute_captions import captions as worded
from fastclipgen.data.labelled_shapes import LabelledShapes
from fastclipgen.engine.device import resolve_device
from fastclipgen.errors import UserError
from fastclipgen.perceptors.auto import resolve
from fastclipgen.perceptors.base import FrozenPerceptor
from fastclipgen.perceptors.spec import BUILTIN
from fastclipgen.training.caption_cache import CaptionCache

from .random_clip import PREFIX, random_perceptor
from .results import begin, finish
from .schema import CaptionLane, CaptionsReport
from .timing import ratio, spread, time_blocks

TESTS = ("tests/training/test_caption_cache.py", "tests/training/test_row_cache.py", "tests/bench/test_captions.py")
HAS = 0.22  # of the attributes, a picture


class Embedding:
    """A step embeds all texts and writes them into a new folder below `folder`. Afterwards `found` [n, E] is what
    stands there for each text, and `bytes` how long the files are."""

    found: Tensor
    bytes: int

    def __init__(self, texts: Sequence[str], perceptor: FrozenPerceptor, folder: Path) -> None:
        self.texts, self.perceptor, self.folder, self.batch = texts, perceptor, folder, len(texts)

    def advance(self, steps: int) -> None:
        for _ in range(steps):
            with tempfile.TemporaryDirectory(dir=self.folder) as name:
                self.found = self.embed(Path(name))
                self.bytes = sum(path.stat().st_size for path in Path(name).iterdir())

    def embed(self, folder: Path) -> Tensor:
        raise NotImplementedError


class OneAtATime(Embedding):
    """A forward and a file for every text."""

    def embed(self, folder: Path) -> Tensor:
        rows = []
        for number, text in enumerate(self.texts):
            rows.append(self.perceptor.encode_text([text]).cpu())
            torch.save(rows[-1], folder / f"{number:06}.jpg.pt")
        return torch.cat(rows)


class Batches(Embedding):
    """A cache with a row for every text."""

    def embed(self, folder: Path) -> Tensor:
        return self.cached(folder, self.texts, range(len(self.texts)))

    def cached(self, folder: Path, rows: Sequence[str], row_of: Sequence[int]) -> Tensor:
        cache = CaptionCache(folder, rows, self.perceptor, quiet=True)
        return torch.from_numpy(np.asarray(cache.embeddings[list(row_of)], dtype=np.float32))


class Cache(Batches):
    """A cache with a row for texts that are equal."""

    def embed(self, folder: Path) -> Tensor:
        rows = {text: row for row, text in enumerate(dict.fromkeys(self.texts))}
        return self.cached(folder, list(rows), [rows[text] for text in self.texts])


def texts_of(pictures: int, alike: int, shapes: bool) -> list[str]:
    """The captions of so many pictures in any order, each of `alike` (some of fewer); always the same."""
    draw, wanted = np.random.default_rng(0), -(-pictures // alike)
    world = LabelledShapes(64, 0, 1)
    found: dict[str, None] = {}
    for block in count():
        if len(found) >= wanted:
            break
        attributes = (draw.random((64, len(CELEBA))) < HAS).astype(np.uint8)
        made = world.captions(64 * block + np.arange(64)) if shapes else worded(attributes, CELEBA)
        found.update(dict.fromkeys(made))
    chosen = (list(found)[:wanted] * alike)[:pictures]
    return [chosen[k] for k in draw.permutation(pictures)]


def measure(args: argparse.Namespace) -> CaptionsReport:
    """Everything the report holds. Raises UserError and guard.RedTests."""
    device = resolve_device(args.device)
    if args.alike > args.captions:
        raise UserError(f"--alike must be {args.captions} or less, as many as --captions, got {args.alike}")
    header = begin(args, device, (), TESTS)
    perceptor, texts = _perceptor(args.clip, device), texts_of(args.captions, args.alike, args.clip == BUILTIN)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        runs: dict[str, Embedding] = {
            "one at a time": OneAtATime(texts, perceptor, folder),
            "batches": Batches(texts, perceptor, folder),
            "cache": Cache(texts, perceptor, folder),
        }
        times = time_blocks(runs, device, args.repeats, args.block_seconds, 1)
    slow, first = times["one at a time"], runs["one at a time"]
    lanes = [
        CaptionLane.model_validate(
            {
                "name": name,
                "caption": spread(times[name]) if device.type == "cuda" else None,
                "faster": ratio(slow, times[name]),
                "bytes": run.bytes,
                "error": float((run.found - first.found).norm() / first.found.norm()),
            }
        )
        for name, run in runs.items()
    ]
    return CaptionsReport(**header, clip=args.clip, captions=len(texts), unique=len(set(texts)), lanes=lanes)


def _perceptor(name: str, device: torch.device) -> FrozenPerceptor:
    if name.startswith(PREFIX):
        return random_perceptor(name, 0).to(device, torch.float32)
    return resolve([name], device, torch.float32, print)[0].perceptor


def table(report: CaptionsReport) -> str:
    """The report for people."""
    where = report.machine
    lines = [
        f"{where.gpu or where.processor}, {where.threads} threads, torch {where.torch}; tests: {report.tests}",
        f"captions of {report.captions} pictures, {report.unique} of them different, CLIP {report.clip}",
        f"{'':16}{'faster':>9}{'p5':>7}{'p95':>7}{'KiB':>7}{'differs by':>12}",
    ]
    for lane in report.lanes:
        one = lane.faster
        lines.append(
            f"{lane.name:16}{one.median:>8.2f}x{one.p5:>7.2f}{one.p95:>7.2f}{lane.bytes / 2**10:>7.0f}"
            + f"{lane.error:>12.1e}"
            + (f"  {1e3 * lane.caption.median:.3f} ms a caption" if lane.caption else "")
        )
    return "\n".join(lines + [f"not measured: {one.what}: {one.reason}" for one in report.missing])


def show(args: argparse.Namespace, report: CaptionsReport) -> None:
    finish(args, report, table(report))


def run(args: argparse.Namespace) -> int:
    show(args, measure(args))
    return 0


if __name__ == "__main__":
    from .cli import main

    sys.exit(main("captions", run))
