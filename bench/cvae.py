"""`fastclipgen bench cvae`: a CVAE's training step, its condition folded into a bias, against tiled to planes.

The weights are random, of Text2ImageClip's geometry or a toy's. "tiled" is how its network is written: picture and
condition as one input of 555 channels. "folded" differs in that alone (models/tiled_conv.py); "package" is how
`fastclipgen train cvae` computes, besides: channels last, and in bfloat16 where the device multiplies it. All take the
same step: reconstruction and divergence, gradients, Adam. The first convolution is measured by itself too: it is all
that folding changes.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Literal, NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor

from fastclipgen.engine.device import resolve_device
from fastclipgen.models.cvae import ORIGINAL, ClipCVAE, Geometry, divergence, sample
from fastclipgen.models.tiled_conv import TiledConv
from fastclipgen.training.run import uses_bf16

from .memory import peak_bytes
from .results import begin, finish
from .schema_cvae import CvaeLane, CvaeReport
from .timing import ratio, spread, time_blocks

TESTS = (
    "tests/models/test_tiled_conv.py", "tests/models/test_cvae.py", "tests/training/test_cvae.py",
    "tests/bench/test_cvae.py",
)  # fmt: skip
GEOMETRIES = {"original": ORIGINAL, "tiny": replace(ORIGINAL, side=16, latent=8, embedding=24, channels=(8, 16))}
Name = Literal["tiled", "folded", "package"]
Part = Literal["first convolution", "step"]


class Tiled(TiledConv):
    """The same convolution over planes that are made."""

    def forward(self, images: Tensor, condition: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        planes = condition[:, :, None, None].expand(-1, -1, *images.shape[2:])
        return F.conv2d(torch.cat([images, planes], 1), self.weight, self.bias, self.stride, self.padding)


class Batch(NamedTuple):
    """What a step learns from; `slope` stands for what comes back to the first convolution."""

    images: Tensor  # [B, 3, S, S] in 0..1
    condition: Tensor  # [B, C]
    noise: Tensor  # [B, D]
    slope: Tensor  # [B, O, S/2, S/2]


class Train:
    """A step of one part of the network."""

    def __init__(self, geometry: Geometry, given: Batch, part: Part, name: Name, bf16: bool) -> None:
        device = given.images.device
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.model = ClipCVAE(geometry).to(device)
        self.first = cast(TiledConv, self.model.encoder[0])
        if name == "tiled":
            self.first.__class__ = Tiled
        if name == "package":
            self.model.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
            given = given._replace(images=given.images.contiguous(memory_format=torch.channels_last))
        self.given, self.part, self.batch = given, part, 1
        self.autocast = torch.autocast(device.type, torch.bfloat16, enabled=bf16)
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=1e-3, fused=name == "package")

    def loss(self) -> Tensor:
        images, condition, noise, slope = self.given
        if self.part == "first convolution":
            with self.autocast:
                found = self.first(images, condition)
            return (found.float() * slope).sum()
        with self.autocast:
            mean, log_variance = self.model.encode(images, condition)
            copies = self.model.decode(sample(mean, log_variance, noise), condition)
        return (copies - images).square().sum() + divergence(mean, log_variance).sum()

    def gradient(self) -> Tensor:
        """Of the first convolution's weights, before any step of this."""
        weight = self.first.weight
        return torch.autograd.grad(self.loss(), weight)[0].double()

    def advance(self, steps: int) -> None:
        for _ in range(steps):
            self.optimizer.zero_grad()
            self.loss().backward()
            if self.part == "step":
                self.optimizer.step()


def measure(args: argparse.Namespace) -> CvaeReport:
    """Everything the report holds. Raises UserError and guard.RedTests."""
    device = resolve_device(args.device)
    header = begin(args, device, (), TESTS)
    geometry = GEOMETRIES[args.model]
    given = batch_of(geometry, args.batch, device)
    fast = uses_bf16(args.precision, device)
    lanes = []
    for part in ("first convolution", "step"):
        made: dict[str, Callable[[], Train]] = {
            name: lambda name=name, part=part: Train(geometry, given, part, name, fast and name == "package")
            for name in ("tiled", "folded", "package")
        }
        gradients = {name: make().gradient() for name, make in made.items()}
        truth = gradients["tiled"]
        times = time_blocks({name: make() for name, make in made.items()}, device, args.repeats, args.block_seconds, 1)
        for name, make in made.items():
            run = make()
            run.advance(1)  # the optimiser's state is not counted
            lanes.append(
                CvaeLane.model_validate(
                    {
                        "name": name,
                        "part": part,
                        "dtype": "bfloat16" if fast and name == "package" else "float32",
                        "seconds": spread(times[name]) if device.type == "cuda" else None,
                        "faster": ratio(times["tiled"], times[name]),
                        "peak_bytes": max(1, peak_bytes(lambda run=run: run.advance(1), device)),
                        "error": float((gradients[name] - truth).norm() / truth.norm()),
                    }
                )
            )
    return CvaeReport(
        **header,
        geometry={key: list(value) if isinstance(value, tuple) else value for key, value in asdict(geometry).items()},
        parameters=sum(value.numel() for value in ClipCVAE(geometry).parameters()),
        batch=args.batch,
        lanes=lanes,
    )


def batch_of(geometry: Geometry, count: int, device: torch.device) -> Batch:
    """Random pictures under random conditions, always the same."""
    draw = torch.Generator().manual_seed(0)
    half = geometry.side // 2
    return Batch(
        *(
            one.to(device)
            for one in (
                torch.rand(count, 3, geometry.side, geometry.side, generator=draw),
                torch.randn(count, geometry.condition, generator=draw),
                torch.randn(count, geometry.latent, generator=draw),
                torch.randn(count, geometry.channels[0], half, half, generator=draw),
            )
        )
    )


def table(report: CvaeReport) -> str:
    """The report for people."""
    where = report.machine
    lines = [
        f"{where.gpu or where.processor}, {where.threads} threads, torch {where.torch}; tests: {report.tests}",
        f"CVAE of {report.parameters:,} parameters, training step of {report.batch} pictures",
        f"{'':28}{'of tiled':>9}{'p5':>7}{'p95':>7}{'peak MiB':>10}{'differs by':>12}",
    ]
    for lane in report.lanes:
        one = lane.faster
        lines.append(
            f"{lane.part + ', ' + lane.name:28}{one.median:>8.2f}x{one.p5:>7.2f}{one.p95:>7.2f}"
            f"{lane.peak_bytes / 2**20:>10.0f}{lane.error:>12.1e}"
            + (f"  {1e3 * lane.seconds.median:.2f} ms" if lane.seconds else "")
        )
    return "\n".join(lines + [f"not measured: {one.what}: {one.reason}" for one in report.missing])


def show(args: argparse.Namespace, report: CvaeReport) -> None:
    finish(args, report, table(report))


def run(args: argparse.Namespace) -> int:
    show(args, measure(args))
    return 0


if __name__ == "__main__":
    from .cli import main

    sys.exit(main("cvae", run))
