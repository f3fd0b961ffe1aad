"""Kills a batch at random times, again and again, and compares what it leaves with what an undisturbed one does.

usage: python scripts/kill_loop.py [--times 50] [--seed 0] [--prompts 6]

One time: a batch of the built-in VAE and CLIP is begun, its process is killed (SIGKILL) at a random moment of the time
that the whole batch takes, and the same command is given again, until it ends by itself. Then every picture must have
the bytes of the undisturbed batch, none may be missing or there twice, and the manifest must name each once. The
processes are forked from one that has loaded torch, so that kills hit the batch and not the interpreter's start. Ends
with 1 at the first difference and says which; needs an operating system that can fork.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

import torch

import fastclipgen.jobs.painter  # noqa: F401  all that a batch loads, before the forks
from fastclipgen.cli import main
from fastclipgen.jobs.status import read_status
from fastclipgen.jobs.store import Store

SETTINGS = (
    *("--clip", "builtin", "--generator", "vae", "--seed", "5", "--device", "cpu"),
    *("--starts", "8", "--tracks", "1", "--views", "2", "--compile", "off", "--quiet"),
)
GROUP = 2  # prompts with equal settings, so that a small batch has several packs
LONGEST = 600.0  # seconds for an undisturbed batch


def write_prompts(file: Path, prompts: int) -> None:
    """A batch file; each GROUP of rows has its own number of steps."""
    rows = [f"shape number {row},{2 + row // GROUP}" for row in range(prompts)]
    file.write_text("\n".join(["prompt,steps", *rows]) + "\n", encoding="utf-8")


def batch(file: Path, folder: Path, log: Path) -> None:
    """What a process does: the command as a user gives it."""
    torch.set_num_threads(1)
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os._exit(main(["batch", str(file), "-o", str(folder), *SETTINGS]))


def run(file: Path, folder: Path, kill_after: float | None, log: Path) -> bool:
    """Gives the command once; whether it ended by itself. Ends the program where that was with an error."""
    process = multiprocessing.get_context("fork").Process(target=batch, args=(file, folder, log))
    process.start()
    process.join(LONGEST if kill_after is None else kill_after)
    process.kill()
    process.join()
    killed = process.exitcode == -signal.SIGKILL
    if process.exitcode and not killed:
        sys.exit(f"the batch ended with {process.exitcode}: {log.read_text(encoding='utf-8')}")
    if killed and kill_after is None:
        sys.exit(f"the batch did not end within {LONGEST:.0f} s")
    return not killed


def pictures(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.png"))}


def differences(folder: Path, whole: dict[str, bytes]) -> list[str]:
    """What is wrong with a batch, in sentences."""
    found, wrong = pictures(folder), []
    wrong += [f"{name} is missing" for name in whole.keys() - found.keys()]
    wrong += [f"{name} should not be there" for name in found.keys() - whole.keys()]
    wrong += [f"{name} has other bytes" for name in whole.keys() & found.keys() if whole[name] != found[name]]
    store = Store(folder)
    named = [name for (name,) in store.settled(("file",))]
    store.close()
    lines = [json.loads(line) for line in (folder / "manifest.jsonl").read_text(encoding="utf-8").splitlines()]
    if sorted(named) != sorted(whole):
        wrong.append(f"the store names {named}")
    if [line.get("file") for line in lines] != named:
        wrong.append(f"the manifest names {[line.get('file') for line in lines]}, the store {named}")
    status = read_status(folder)
    if (status.done, status.failed, status.workers) != (len(whole), 0, 0):
        wrong.append(f"the status is {status}")
    return wrong


def loop(times: int, seed: int, prompts: int) -> None:
    clock = random.Random(seed)
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        file, log = place / "prompts.csv", place / "log"
        write_prompts(file, prompts)
        begun = time.monotonic()
        run(file, place / "whole", None, log)
        whole, seconds = pictures(place / "whole"), time.monotonic() - begun
        if len(whole) != prompts:
            sys.exit(f"expected {prompts} pictures, got {sorted(whole)}")
        kills, left = 0, [0] * (prompts + 1)
        for turn in range(1, times + 1):
            folder, own = place / str(turn), 0
            while not run(file, folder, clock.uniform(0, seconds), log):
                own += 1
                left[len(pictures(folder))] += 1
            if wrong := differences(folder, whole):
                sys.exit(f"time {turn}, after {own} kills: " + "; ".join(wrong))
            kills += own
            print(f"{turn} of {times}: {own} kills, the same bytes", flush=True)
    print(f"{times} batches of {prompts} pictures, {kills} kills, every picture the same bytes as undisturbed")
    print(
        "pictures that were there at the kill: " + ", ".join(f"{count} at {n}" for n, count in enumerate(left) if count)
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--prompts", type=int, default=6)
    args = parser.parse_args()
    loop(args.times, args.seed, args.prompts)
