"""`fastclipgen bench sampling`: CLIP-GEN's tokens, over a cache of keys and values or by a full forward for each.

The full forward is what clip-gen's own demo does: position k computes all positions up to k, and the logits of all of
them. Both draw the same pictures from the same uniform numbers. A full forward of a large model takes so long that only
some positions may be computed (`--every`), each standing for those around it; then tokens cannot be compared.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from typing import Literal

import torch
from torch import Tensor

from fastclipgen.engine.device import resolve_device, resolve_precision
from fastclipgen.models.transformer import MEDIUM, Geometry, Transformer
from fastclipgen.sampling.choice import Choice, choose
from fastclipgen.sampling.sampler import Sampler, uniforms_of

from .memory import peak_bytes
from .results import begin, finish
from .schema import SamplingLane, SamplingReport
from .timing import ratio, spread, time_blocks

SMALL = Geometry(layers=2, width=128, heads=2, vocabulary=1024)
TESTS = ("tests/sampling/test_sampler.py", "tests/sampling/test_choice.py", "tests/models/test_transformer.py")
Name = Literal["cached", "full forward"]
CACHED: Name = "cached"
FULL: Name = "full forward"


class Cached:
    """A step draws all tokens of `batch` pictures; recorded as CUDA graphs where there is CUDA."""

    def __init__(self, model: Transformer, conditions: Tensor, uniform: Tensor) -> None:
        self.batch = len(conditions)
        graph = conditions.device.type == "cuda"
        self.sampler = Sampler(model, self.batch, Choice(), graph=graph)
        self.conditions, self.uniform, self.tokens = conditions, uniform, torch.zeros_like(uniform, dtype=torch.int64)

    def advance(self, steps: int) -> None:
        for _ in range(steps):
            tokens = self.sampler.draw(self.conditions, self.uniform)
            assert tokens is not None  # nobody watches
            self.tokens = tokens


class FullForward:
    """A step computes every `every`-th token of `batch` pictures, from the tokens before it."""

    def __init__(self, model: Transformer, conditions: Tensor, uniform: Tensor, every: int) -> None:
        self.batch, self.model, self.every = len(conditions), model, every
        self.conditions, self.uniform, self.tokens = conditions, uniform, torch.zeros_like(uniform, dtype=torch.int64)

    @torch.no_grad()
    def advance(self, steps: int) -> None:
        for _ in range(steps):
            for k in range(self.every // 2, self.tokens.shape[1], self.every):
                logits = self.model(self.conditions, self.tokens[:, :k])[:, -1].float()
                self.tokens[:, k] = choose(logits, self.uniform[:, k], Choice())


def measure(args: argparse.Namespace) -> SamplingReport:
    """Everything the report holds. Raises UserError and guard.RedTests."""
    device = resolve_device(args.device)
    header = begin(args, device, (), TESTS)
    geometry, every = MEDIUM if args.medium else SMALL, args.every or (64 if args.medium else 1)
    dtype = resolve_precision(args.precision, device)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = Transformer(geometry).to(device, dtype).eval().requires_grad_(False)
        conditions = torch.nn.functional.normalize(torch.randn(args.candidates, geometry.condition), dim=-1)
    seeds = torch.arange(args.candidates, device=device)
    uniform = uniforms_of(seeds, geometry.block, 1)[:, 0]
    conditions = conditions.to(device, dtype)
    runs = {CACHED: Cached(model, conditions, uniform), FULL: FullForward(model, conditions, uniform, every)}
    times = time_blocks(runs, device, args.repeats, 1e-6, warm_up=0)  # one batch is a block
    times[FULL] = [every * value for value in times[FULL]]
    names: tuple[Name, ...] = (CACHED, FULL)
    lanes = [
        SamplingLane(
            name=name,
            picture=spread(times[name]) if device.type == "cuda" else None,
            peak_bytes=max(1, peak_bytes(lambda one=runs[name]: one.advance(1), device)) if every == 1 else None,
        )
        for name in names
    ]
    same = float((runs[CACHED].tokens == runs[FULL].tokens).float().mean()) if every == 1 else None
    return SamplingReport(
        **header,
        geometry=asdict(geometry),
        dtype=str(dtype).removeprefix("torch."),
        candidates=args.candidates,
        every=every,
        faster=ratio(times[FULL], times[CACHED]),
        same_tokens=same,
        lanes=lanes,
    )


def table(report: SamplingReport) -> str:
    """The report for people."""
    where, size, one = report.machine, report.geometry, report.faster
    lines = [
        f"{where.gpu or where.processor}, {where.threads} threads, torch {where.torch}; tests: {report.tests}",
        f"{size['layers']} layers of {size['width']}, {size['block']} tokens, {report.candidates} pictures at a time, "
        f"{report.dtype}",
        f"{CACHED} against {FULL} for each token: {one.median:.1f}x ({one.p5:.1f}-{one.p95:.1f})",
    ]
    if report.every > 1:
        lines.append(f"full forward at every {report.every}th position, which stands for those around it")
    if report.same_tokens is not None:
        lines.append(f"tokens that are the same: {report.same_tokens:.2%}")
    for lane in report.lanes:
        peak = "" if lane.peak_bytes is None else f"  {lane.peak_bytes / 2**20:.0f} MiB"
        timed = "" if lane.picture is None else f"  {1e3 * lane.picture.median:.2f} ms a picture"
        if peak or timed:
            lines.append(f"{lane.name:14}{peak}{timed}")
    return "\n".join(lines)


def run(args: argparse.Namespace) -> int:
    report = measure(args)
    finish(args, report, table(report))
    return 0


if __name__ == "__main__":
    from .cli import main

    sys.exit(main("sampling", run))
