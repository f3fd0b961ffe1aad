"""What live pictures cost: steps with and without snapshots in turns, in one process, as a ratio.

    python scripts/snapshot_cost.py [--device cuda] [--size 256] [--blocks 20] [--block 50] [--watch]

One run of the engine; every other block of steps goes through the snapshots that `fastclipgen serve` takes. --watch: a
thread asks for every snapshot as PNG, as a page that is open does. Prints the median of the ratios of neighbouring
blocks and their quartiles, in wall-clock time and in time of the drawing thread (on a CPU whose cores others use too,
the second is the one to read; on a GPU the first).
"""

from __future__ import annotations

import argparse
import json
import statistics
import threading
import time
from typing import Any

import torch

from fastclipgen.api import make_job
from fastclipgen.config.run import make_config
from fastclipgen.serving.snapshots import Gallery, Snapshots


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--blocks", type=int, default=20)
    parser.add_argument("--block", type=int, default=50)
    parser.add_argument("--generator", default="pixels")
    parser.add_argument("--watch", action="store_true")
    args = parser.parse_args()
    steps = (args.blocks + 1) * args.block
    job = make_job(
        make_config(
            {
                "prompts": ["a red circle"], "clip": ["builtin"], "generator": args.generator, "steps": steps,
                "width": args.size, "height": args.size, "starts": 1, "tracks": 1, "finalists": 1, "seed": 1,
                "compile": "off", "device": args.device,
            }
        )
    )  # fmt: skip
    gallery, taken, over = Gallery(), [0], threading.Event()
    snapshots = Snapshots(job.device, lambda one: (gallery.put(one), taken.__setitem__(0, taken[0] + 1)))

    def watch() -> None:
        seen = None
        while not over.wait(0.02):
            if gallery.tag(0) != seen:
                seen = (gallery.png(0) or (None,))[0]

    blocks: list[tuple[float, float]] = []
    begun = [0.0, 0.0]

    def clocks() -> list[float]:
        if job.device.type == "cuda":
            torch.cuda.synchronize()
        return [time.perf_counter(), time.thread_time()]

    def after_step(info: Any) -> None:
        if (info.step // args.block) % 2:
            snapshots.after_step(info, 0)
        if info.step % args.block == 0:
            now = clocks()
            blocks.append((now[0] - begun[0], now[1] - begun[1]))
            begun[:] = clocks()

    watcher = threading.Thread(target=watch)
    if args.watch:
        watcher.start()
    begun[:] = clocks()
    list(job.run([after_step]))
    over.set()
    blocks = blocks[1:]  # the first warms up
    found = {"device": str(job.device), "size": args.size, "generator": args.generator, "watched": args.watch}
    for which, name in enumerate(("wall", "thread")):
        # a block with snapshots against the mean of the two beside it: a machine that slows evenly counts as none
        ratios = [
            2 * blocks[n][which] / (blocks[n - 1][which] + blocks[n + 1][which]) for n in range(2, len(blocks) - 1, 2)
        ]
        low, middle, high = statistics.quantiles(ratios, n=4)
        found[name] = {"ratio": round(middle, 4), "quartiles": [round(low, 4), round(high, 4)]}
    found |= {"snapshots": taken[0], "pairs": len(ratios)}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
