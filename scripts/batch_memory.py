"""How much memory a process holds while it draws a long batch of tiny pictures.

usage: python scripts/batch_memory.py [--jobs 1000] [--groups 20] [--most MIB]

The pictures are 16x16 pixels under the built-in CLIP, a step each, in groups of settings of their own, so that models
are loaded and dropped as often. Prints the resident memory (Linux: /proc) where a tenth, half and all pictures are
done; with --most it ends with 1 where more MiB than that were added in the second half.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

import torch

from fastclipgen.jobs.run import Engine, draw_batch, open_batch

DEFAULTS = {
    "count": 1, "seed": 1, "clip": ["builtin"], "generator": "pixels", "width": 16, "height": 16, "steps": 1,
    "starts": 1, "tracks": 1, "views": 1, "compile": "off", "device": "cpu",
}  # fmt: skip


def resident() -> float:
    """MiB of memory that this process holds."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def measure(jobs: int, groups: int) -> dict[int, float]:
    """MiB by the number of pictures that are done, at a tenth, half and all of them."""
    found: dict[int, float] = {}
    done = 0

    def settled(one: object) -> None:
        nonlocal done
        done += 1
        if done in (jobs // 10, jobs // 2, jobs):
            found[done] = resident()

    with tempfile.TemporaryDirectory() as name:
        file, folder = Path(name) / "jobs.csv", Path(name) / "out"
        rows = [f"picture {i},{0.01 * (1 + i % groups)}" for i in range(jobs)]
        file.write_text("\n".join(["prompt,learning_rate", *rows]), encoding="utf-8")
        open_batch(file, folder, DEFAULTS)
        draw_batch(folder, Engine(), settled, print, lambda: False)
        pictures = len(list(folder.glob("*.png")))
    if pictures != jobs:
        sys.exit(f"expected {jobs} pictures, got {pictures}")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=1000)
    parser.add_argument("--groups", type=int, default=20)
    parser.add_argument("--most", type=float, metavar="MIB")
    args = parser.parse_args()
    torch.set_num_threads(1)
    found = measure(args.jobs, args.groups)
    for done, size in found.items():
        print(f"{done} done: {size:.1f} MiB")
    _, half, last = found.values()
    if args.most is not None and last - half > args.most:
        sys.exit(f"the process grew by {last - half:.1f} MiB in the second half, more than {args.most:g}")


if __name__ == "__main__":
    main()
