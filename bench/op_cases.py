"""How an op's backends are measured against its plain-torch reference. Knows nothing of what an op computes.

A module bench/ops_NAME.py gives `cases(device) -> list[OpCase]` and, as a program, hands them to `main`.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from bench.schema import Spread
from bench.timing import ratio, spread, time_blocks


@dataclass(frozen=True)
class OpCase:
    """One size of an op. `runs`: what is timed, by backend, "reference" among them; each is called with the inputs.

    `bytes` and `flops`: the least that has to be moved and computed, from which a bench works out how far a backend is
    from what the device could do.
    """

    name: str
    inputs: Callable[[], Any]
    runs: dict[str, Callable[[Any], object]]
    bytes: int
    flops: int


@dataclass
class OpRun:
    """A backend on one case, as bench.timing takes it."""

    run: Callable[[Any], object]
    inputs: Any
    batch: int = 1

    def advance(self, steps: int) -> None:
        for _ in range(steps):
            self.run(self.inputs)


@dataclass(frozen=True)
class OpResult:
    """`times`: how many times longer the reference takes than each other backend; `seconds` of each backend."""

    times: dict[str, Spread]
    seconds: dict[str, Spread]


def measure(case: OpCase, device: torch.device, repeats: int, block_seconds: float) -> OpResult:
    """Blocks of all backends in turn, each with the same inputs."""
    inputs = case.inputs()
    runs = {name: OpRun(run, inputs) for name, run in case.runs.items()}
    found = time_blocks(runs, device, repeats, block_seconds, warm_up=20)
    slow = found["reference"]
    times = {name: ratio(slow, values) for name, values in found.items() if name != "reference"}
    return OpResult(times, {name: spread(values) for name, values in found.items()})


def line(case: OpCase, result: OpResult, device: torch.device) -> list[str]:
    """The result for people; seconds and what follows from them only for GPUs."""
    lines = []
    for name, times in result.times.items():
        text = f"{case.name:44}{name:>8}{times.median:>8.2f}x{times.p5:>8.2f}x{times.p95:>8.2f}x"
        if device.type == "cuda":
            took = result.seconds[name].median
            text += f"{1e6 * took:>9.1f} us{case.bytes / took / 1e9:>8.0f} GB/s{case.flops / took / 1e9:>8.0f} GFLOP/s"
        lines.append(text)
    return lines


def main(cases: Callable[[torch.device], list[OpCase]], name: str, argv: Sequence[str] | None = None) -> int:
    """`python -m bench.ops_NAME`: prints how many times faster each backend is than the reference."""
    parser = argparse.ArgumentParser(prog=f"python -m bench.{name}", description="An op against plain torch.")
    parser.add_argument("--device", type=torch.device, default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="that torch and the op may use")
    parser.add_argument("--repeats", type=int, default=21, help="blocks of every backend")
    parser.add_argument("--block-seconds", type=float, default=0.02, help="about how long a block lasts")
    args = parser.parse_args(argv)
    torch.set_num_threads(args.threads)
    print(f"{'reference / backend':52}{'median':>9}{'p5':>9}{'p95':>9}")
    for case in cases(args.device):
        print("\n".join(line(case, measure(case, args.device, args.repeats, args.block_seconds), args.device)))
    return 0
