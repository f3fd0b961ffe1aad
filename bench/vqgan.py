"""`fastclipgen bench vqgan`: a VQGAN's decoder and the gradient of its input, by the package and by eager torch.

The weights are random, of the geometry of vqgan_imagenet_f16_16384. "eager" is torch's own layers in float32, one after
the other (convolutions in TF32 where the GPU and torch's defaults allow it); "package" is what generator `vqgan` draws
with, in the precision of a run. Beside them a matrix product in that precision says what the device can compute.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import asdict
from typing import Literal

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from fastclipgen.engine import compiled
from fastclipgen.engine.cuda_graph import record
from fastclipgen.engine.device import resolve_device, resolve_precision
from fastclipgen.models.vqgan import VQGAN
from fastclipgen.ops import library

from .ceiling import MatrixProduct
from .memory import peak_bytes
from .random_vqgan import PREFIX, geometry_of, random_vqgan
from .reference_vqgan import plain
from .results import begin, finish
from .schema import DecodeLane, VqganReport
from .schema_base import Missing
from .timing import Run, ratio, scaled, spread, time_blocks

TESTS = (
    "tests/models/test_vqgan.py", "tests/models/test_frozen_conv.py", "tests/bench/test_reference_vqgan.py",
)  # fmt: skip
MATRIX = "matrix product"  # among the competitors
Name = Literal["eager", "package", "package, torch's norms", "package, CUDA graph", "compiled"]
EAGER: Name = "eager"


class Decode:
    """A step decodes codes [1, D, h, w] and takes the gradient of a fixed sum of the picture. backend: that of the
    norms; graph: recorded as a CUDA graph; compiled: by torch.compile, and recorded where there is CUDA."""

    batch = 1

    def __init__(
        self, model: VQGAN, codes: Tensor, *, backend: str = "auto", graph: bool = False, compile: bool = False
    ) -> None:
        self.codes, self.backend, device = codes, backend, codes.device
        side = codes.shape[-1] * model.geometry.factor
        # not of one value: some kernels are quicker then
        self.slope = torch.linspace(-1, 1, 3 * side**2, device=device).view(1, 3, side, side)

        def work(codes: Tensor, slope: Tensor) -> tuple[Tensor, Tensor]:
            leaf = codes.detach().requires_grad_()
            with torch.enable_grad():
                picture = model.decode(leaf.view_as(leaf)).float()  # a counter of operations takes no leaves
                return picture.detach(), torch.autograd.grad(picture, leaf, slope)[0]

        call: Callable[..., tuple[Tensor, Tensor]] = compiled.Compiled(work) if compile else work
        self.call = lambda: call(self.codes, self.slope)
        self.found: tuple[Tensor, Tensor] | None = None
        self.recorded = graph
        if graph:
            with library.using(backend, device):
                recorded, self.found = record(self.call, device)
            self.call = recorded.replay

    def advance(self, steps: int) -> None:
        with library.using(self.backend, self.codes.device):
            for _ in range(steps):
                made = self.call()
                self.found = self.found if made is None else made

    def outputs(self) -> tuple[Tensor, Tensor]:
        """The picture and the gradient of the last step."""
        assert self.found is not None, "a step comes first"
        return self.found


def competitors(model: VQGAN, codes: Tensor, compile: bool) -> tuple[dict[Name, Callable[[], Decode]], dict[Name, str]]:
    """Who is measured on this device, and why others are not."""
    cuda = codes.device.type == "cuda"
    eager = plain(model, torch.float32, torch.contiguous_format)
    made: dict[Name, Callable[[], Decode]] = {
        EAGER: lambda: Decode(eager, codes),
        "package": lambda: Decode(model, codes),
    }
    missing: dict[Name, str] = {}
    if cuda:
        made["package, torch's norms"] = lambda: Decode(model, codes, backend="reference", graph=True)
        made["package, CUDA graph"] = lambda: Decode(model, codes, graph=True)
    else:
        missing["package, CUDA graph"] = "no CUDA device"
    reason = compiled.obstacle(codes.device) if compile else "left out (without --compiled)"
    if reason is None:
        made["compiled"] = lambda: Decode(model, codes, backend="reference", graph=cuda, compile=True)
    else:
        missing["compiled"] = reason
    return made, missing


def measure(args: argparse.Namespace) -> VqganReport:
    """Everything the report holds. Raises UserError and guard.RedTests."""
    device = resolve_device(args.device)
    cuda = device.type == "cuda"
    header = begin(args, device, ("norm_silu",), TESTS)
    geometry = geometry_of(args.model)
    dtype = resolve_precision(args.precision, device)
    side = (args.side or (512 if cuda else 128)) // geometry.factor
    model = random_vqgan(geometry, device, dtype)
    draw = torch.Generator().manual_seed(0)
    codes = model.codes(torch.randint(geometry.codes, (1, side, side), generator=draw).to(device)).float().contiguous()
    made, missing = competitors(model, codes, args.compiled)
    if args.compiled:
        compiled.use_cache_folder()
    matrix = MatrixProduct(device, dtype)
    runs: dict[Name, Decode] = {}
    for name, begin_one in made.items():
        try:
            runs[name] = begin_one()
            runs[name].advance(1)  # also compiles
        except Exception as error:  # whatever a compiler or a recording raises is a result of this bench
            if name == EAGER:
                raise
            missing[name] = f"{type(error).__name__}: {(str(error).strip().splitlines() or [''])[0]:.160}"
            runs.pop(name, None)
    names: list[Name] = list(runs)
    everyone: dict[str, Run] = {MATRIX: matrix, **runs}
    times = time_blocks(everyone, device, args.repeats, args.block_seconds, 3 if cuda else 1)
    flops = _flops(runs[EAGER])
    truth = _outputs(runs[EAGER])
    errors = {name: [_error(*pair) for pair in zip(_outputs(run), truth, strict=True)] for name, run in runs.items()}
    recorded = {name for name, run in runs.items() if run.recorded}
    everyone.clear()
    runs.clear()  # their memory is not to be counted with that of the next
    lanes = []
    for name in names:
        mine, peak = times[name], None
        if name not in recorded:
            run = made[name]()
            run.advance(1)  # also compiles
            peak = max(1, peak_bytes(lambda run=run: run.advance(1), device))
        lanes.append(
            DecodeLane(
                name=name,
                dtype="float32" if name == EAGER else str(dtype).removeprefix("torch."),
                seconds=spread(mine) if cuda else None,
                faster=ratio(times[EAGER], mine),
                of_matrix=scaled(ratio(times[MATRIX], mine), flops / matrix.work.flops),
                peak_bytes=peak,
                picture_error=errors[name][0],
                gradient_error=errors[name][1],
            )
        )
    return VqganReport(
        **header,
        missing=[Missing(what=name, reason=reason) for name, reason in missing.items()],
        model=f"{PREFIX}{args.model.removeprefix(PREFIX)}",
        geometry={key: list(value) if isinstance(value, tuple) else value for key, value in asdict(geometry).items()},
        side=side * geometry.factor,
        flops=flops,
        lanes=lanes,
    )


def _flops(run: Decode) -> int:
    counter = FlopCounterMode(display=False)
    with counter:
        run.advance(1)
    return counter.get_total_flops()


def _outputs(run: Decode) -> tuple[Tensor, Tensor]:
    picture, gradient = run.outputs()
    return picture.double(), gradient.double()


def _error(found: Tensor, truth: Tensor) -> float:
    """Length of the difference over that of the truth."""
    return float((found - truth).norm() / truth.norm())


def table(report: VqganReport) -> str:
    """The report for people."""
    where = report.machine
    lines = [
        f"{where.gpu or where.processor}, {where.threads} threads, torch {where.torch}; tests: {report.tests}",
        f"VQGAN {report.model}, decode and gradient at {report.side}x{report.side}, {report.flops / 1e12:.3f} TFLOP",
        f"{'':24}{'of eager':>9}{'p5':>7}{'p95':>7}{'of mm':>7}{'peak MiB':>10}{'picture':>9}{'gradient':>9}",
    ]
    for lane in report.lanes:
        one, peak = lane.faster, "" if lane.peak_bytes is None else f"{lane.peak_bytes / 2**20:.0f}"
        lines.append(
            f"{lane.name:24}{one.median:>8.2f}x{one.p5:>7.2f}{one.p95:>7.2f}{lane.of_matrix.median:>7.0%}{peak:>10}"
            f"{lane.picture_error:>9.1e}{lane.gradient_error:>9.1e}"
            + (f"  {1e3 * lane.seconds.median:.2f} ms" if lane.seconds else "")
        )
    return "\n".join(lines + [f"not measured: {one.what}: {one.reason}" for one in report.missing])


def show(args: argparse.Namespace, report: VqganReport) -> None:
    finish(args, report, table(report))


def run(args: argparse.Namespace) -> int:
    show(args, measure(args))
    return 0


if __name__ == "__main__":
    from .cli import main

    sys.exit(main("vqgan", run))
