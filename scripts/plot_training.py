"""Training curves from the metrics.jsonl of runs, as an SVG.

usage: python scripts/plot_training.py OUT.svg METRIC RUN[,RUN...] [METRIC RUN[,RUN...] ...]

METRIC is a key of metrics.jsonl; of runs that go on from one another, comma-separated, the steps are counted through.
Needs matplotlib, which fastclipgen itself does not.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import matplotlib as mpl

mpl.use("svg")
import matplotlib.pyplot as plt


def curve(folders: list[Path], key: str) -> tuple[list[int], list[float]]:
    """Steps, counted through all runs, and the values of a metric."""
    steps: list[int] = []
    values: list[float] = []
    done = 0
    for folder in folders:
        lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
        found = [(line["step"] + done, line[key]) for line in lines if key in line]
        steps += [step for step, _ in found]
        values += [value for _, value in found]
        done += max(line["step"] for line in lines)
    return steps, values


def main() -> None:
    out, *rest = sys.argv[1:]
    pairs = list(zip(rest[::2], rest[1::2], strict=True))
    mpl.rcParams["svg.hashsalt"] = "fastclipgen"  # the same file each time
    figure, axes = plt.subplots(1, len(pairs), figsize=(4.2 * len(pairs), 2.8), squeeze=False)
    for axis, (key, folders) in zip(axes[0], pairs, strict=True):
        steps, values = curve([Path(folder) for folder in folders.split(",")], key)
        axis.plot(steps, values, marker="." if len(steps) < 40 else None, linewidth=1)
        axis.set_title(key.replace("_", " "))
        axis.set_xlabel("step")
        axis.grid(alpha=0.3)
    figure.tight_layout()
    figure.savefig(out, metadata={"Date": None})


if __name__ == "__main__":
    main()
