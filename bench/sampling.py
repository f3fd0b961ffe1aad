"""`fastclipgen bench sampling`: CLIP-GEN's tokens, over a cache of keys and values or by a full forward for each.

The full forward is what clip-gen's own demo does: position k computes all positions up to k, and the logits of all of
them. Both draw the same pictures from the same uniform numbers. A full forward of a large model takes so long that only
some positions may be computed (`--every`), each standing for those around it; then tokens cannot be compared.
What a token costs at the least is the reading of all weights and of the keys and values so far: a copy that takes turns
with the samplers says how long that takes.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from typing import Literal

import torch
from torch import Tensor

from fastclipgen.engine.compiled import use_cache_folder
from fastclipgen.engine.device import resolve_device, resolve_precision
from fastclipgen.models import transformer, vqgan
from fastclipgen.models.transformer import Transformer
from fastclipgen.sampling.choice import Choice, choose
from fastclipgen.sampling.sampler import Sampler, uniforms_of

from .ceiling import Copy
from .memory import peak_bytes
from .results import begin, finish
from .sampled_pictures import Sampled, pictures_row
from .sampling_table import table
from .schema import SamplingLane, SamplingReport
from .timing import Run, ratio, scaled, spread, time_blocks

# A transformer, and a VQGAN that has as many codes.
SIZES = {
    "small": (
        transformer.Geometry(layers=2, width=128, heads=2, vocabulary=1024),
        vqgan.Geometry(channels=32, z_channels=64, embed=64, codes=1024),
    ),
    "medium": (transformer.MEDIUM, vqgan.Geometry()),
}
TESTS = ("tests/sampling/test_sampler.py", "tests/sampling/test_choice.py", "tests/models/test_transformer.py")
COPIES = 20  # in a block: one alone is too short to time
Name = Literal["cached", "cached, compiled", "full forward"]
CACHED: Name = "cached"
COMPILED: Name = "cached, compiled"
FULL: Name = "full forward"
COPY, WHOLE = "copy", "whole"  # beside them


class Cached:
    """A step draws all tokens of `batch` pictures; recorded as CUDA graphs where there is CUDA."""

    def __init__(self, model: Transformer, conditions: Tensor, uniform: Tensor, compiled: bool = False) -> None:
        self.batch = len(conditions)
        if compiled:
            use_cache_folder()
        graph = conditions.device.type == "cuda"
        self.sampler = Sampler(model, self.batch, Choice(), compiled=compiled, graph=graph)
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


class Copies:
    """A step is COPIES copies."""

    batch = 1

    def __init__(self, device: torch.device) -> None:
        self.copy = Copy(device)
        self.bytes = COPIES * self.copy.work.bytes

    def advance(self, steps: int) -> None:
        self.copy.advance(COPIES * steps)


def read_bytes(model: Transformer, rows: int) -> tuple[int, int]:
    """What drawing all tokens of `rows` pictures reads at the least: of weights, once a token (of the embeddings of
    tokens and positions a step reads a few rows), and of keys and values, at each position those up to it."""
    size = model.geometry
    weights = sum(value.nbytes for value in model.parameters()) - model.tokens.weight.nbytes - model.positions.nbytes
    position = 2 * size.layers * rows * size.width * model.positions.itemsize
    return size.block * weights, position * size.block * (size.block + 1) // 2


def measure(args: argparse.Namespace) -> SamplingReport:
    """Everything the report holds. Raises UserError and guard.RedTests."""
    device = resolve_device(args.device)
    cuda = device.type == "cuda"
    header = begin(args, device, (), TESTS)
    size = args.size or ("medium" if cuda else "small")
    candidates, every = args.candidates or (64 if cuda else 16), args.every or (64 if size == "medium" else 1)
    geometry, decoder = SIZES[size]
    dtype = resolve_precision(args.precision, device)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = Transformer(geometry).to(device, dtype).eval().requires_grad_(False)
        conditions = torch.nn.functional.normalize(torch.randn(candidates, geometry.condition), dim=-1)
    uniform = uniforms_of(torch.arange(candidates, device=device), geometry.block, 1)[:, 0]
    conditions = conditions.to(device, dtype)
    ways: dict[Name, Run] = {CACHED: Cached(model, conditions, uniform)}
    if args.compiled:
        ways[COMPILED] = Cached(model, conditions, uniform, compiled=True)
    ways[FULL] = FullForward(model, conditions, uniform, every)
    copies = Copies(device)
    runs: dict[str, Run] = {COPY: copies} | dict(ways)
    if cuda or args.pictures:
        runs[WHOLE] = Sampled(model, decoder, args.clip, candidates)
    times = time_blocks(runs, device, args.repeats, 1e-6, warm_up=0)  # one batch is a block
    times[FULL] = [every * value for value in times[FULL]]
    weights, cache = read_bytes(model, candidates)
    lanes = []
    for name, run in ways.items():
        mine = times[name]
        of_copy = None if name == FULL else scaled(ratio(times[COPY], mine), 1 / (copies.bytes * candidates))
        lanes.append(
            SamplingLane(
                name=name,
                picture=spread(mine) if cuda else None,
                peak_bytes=max(1, peak_bytes(lambda run=run: run.advance(1), device)) if every == 1 else None,
                faster=None if name == FULL else ratio(times[FULL], mine),
                of_copy=of_copy and scaled(of_copy, weights + cache),
                of_copy_weights=of_copy and scaled(of_copy, weights),
            )
        )
    return SamplingReport(
        **header,
        geometry=asdict(geometry),
        dtype=str(dtype).removeprefix("torch."),
        candidates=candidates,
        every=every,
        same_tokens=_agreement(ways[CACHED], ways[FULL]) if every == 1 else None,
        copy_bytes=spread([copies.bytes / seconds for seconds in times[COPY]]) if cuda else None,
        weight_bytes=weights,
        cache_bytes=cache,
        lanes=lanes,
        pictures=pictures_row(runs[WHOLE], times[WHOLE], times[CACHED], cuda) if WHOLE in runs else None,
    )


def _agreement(one: Run, other: Run) -> float:
    assert isinstance(one, Cached)
    assert isinstance(other, FullForward)
    return float((one.tokens == other.tokens).float().mean())


def show(args: argparse.Namespace, report: SamplingReport) -> None:
    finish(args, report, table(report))


def run(args: argparse.Namespace) -> int:
    show(args, measure(args))
    return 0


if __name__ == "__main__":
    from .cli import main

    sys.exit(main("sampling", run))
