"""What a run says while it goes on: a bar on a terminal, lines elsewhere, JSON lines, or nothing. Loads no torch."""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from tqdm import tqdm


class Reporter:
    """Events go to stdout as JSON lines (`json`), to stderr as text otherwise; `quiet` keeps all but paths of pictures
    back, and those too. Reading a loss makes the device wait, so it is read at most ten times a second on a terminal
    and every few seconds elsewhere."""

    def __init__(self, total: int, quiet: bool, as_json: bool) -> None:
        self.quiet, self.json, self.total, self.done = quiet, as_json, total, 0
        self.terminal = sys.stderr.isatty() and not quiet and not as_json
        self.interval = 0.1 if self.terminal else (1.0 if as_json else 5.0)
        self.started = self.last = time.monotonic()
        self.bar: Any = None

    def notice(self, line: str) -> None:
        if self.json:
            self.event("notice", text=line)
        elif self.bar is not None:
            self.bar.write(f"fastclipgen: {line}", file=sys.stderr)
        elif not self.quiet:
            print(f"fastclipgen: {line}", file=sys.stderr)

    def event(self, kind: str, **values: Any) -> None:
        """One JSON line, if asked for."""
        if self.json:
            print(json.dumps({"event": kind, **values}), flush=True)

    def step(self, info: Any) -> None:
        """After every step; info: engine.StepInfo."""
        self.done += 1
        now = time.monotonic()
        if self.quiet and not self.json:
            return
        if self.terminal and self.bar is None and self.total:
            self.bar = tqdm(total=self.total, unit="it", smoothing=0.1, mininterval=0.1)
        if now - self.last < self.interval and self.done < self.total:
            return
        self.last = now
        loss = float(info.loss.mean())
        rate = self.done / max(now - self.started, 1e-9)
        if self.bar is not None:
            self.bar.set_postfix(loss=f"{loss:.4f}", refresh=False)
            self.bar.update(self.done - self.bar.n)
        elif self.json:
            self.event("step", step=self.done, steps=self.total, loss=loss, it_per_s=round(rate, 3))
        else:
            left = (self.total - self.done) / rate
            print(
                f"step {self.done}/{self.total}  loss {loss:.4f}  {rate:.2f} it/s  {left:.0f} s left", file=sys.stderr
            )

    def picture(self, path: str, result: Any) -> None:
        self.event(
            "picture", path=path, prompt=result.prompt, seed=result.seed, steps=result.steps, loss=result.loss,
            similarities=result.similarities, finite=result.finite,
        )  # fmt: skip
        if not self.json and not self.quiet:
            self.pause()
            print(path, flush=True)

    def saved(self, kind: str, path: str) -> None:
        """A snapshot, video or grid was written."""
        self.event(kind, path=path)
        if not self.json and not self.quiet:
            self.pause()
            print(path, flush=True)

    def pause(self) -> None:
        """Leave the line of the bar before something else is printed."""
        if self.bar is not None and self.done >= self.total:
            self.close()

    def close(self) -> None:
        if self.bar is not None:
            self.bar.close()
            self.bar = None
