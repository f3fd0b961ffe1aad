"""What a run says while it goes on: a bar on a terminal, lines elsewhere, JSON lines, or nothing. Loads no torch."""

from __future__ import annotations

import json
import math
import os
import re
import sys
import time
from typing import Any


def one_line(text: str) -> str:
    """`text` without line breaks and without anything else that a terminal would obey."""
    return re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]", lambda c: repr(c[0])[1:-1], text)


def to_json(values: dict[str, Any]) -> str:
    """One line of strict JSON; numbers that it does not know (NaN, infinities) become null."""
    return json.dumps(_finite(values), allow_nan=False)


class Reporter:
    """Progress and notices go to stderr, paths of written files to stdout, one a line; with `as_json` everything goes
    to stdout as one JSON object a line, and with `quiet` nothing is said.

    `total`: all steps of all batches. Something is said ten times a second on a terminal, every second for JSON, every
    five seconds elsewhere, and after the first and the last step. The loss is then the newest that has come from the
    device, which may be that of a few steps ago (`loss_of` in JSON).
    """

    def __init__(self, total: int, quiet: bool, as_json: bool) -> None:
        self.total, self.quiet, self.json, self.done = total, quiet, as_json, 0
        self.terminal = sys.stderr.isatty() and not quiet and not as_json
        self.interval = 0.1 if self.terminal else (1.0 if as_json else 5.0)
        self.started = self.last = time.monotonic()
        self.bar: Any = None
        self._first: float | None = None

    def notice(self, line: str) -> None:
        line = one_line(line)
        if self.json:
            self.event("notice", text=line)
        elif not self.quiet:
            self._write(f"fastclipgen: {line}", sys.stderr)

    def event(self, kind: str, **values: Any) -> None:
        """One JSON line, if asked for."""
        if self.json:
            self._write(to_json({"event": kind, **values}), sys.stdout)

    def begin(self) -> None:
        """Shows the bar, before the first step, which may take a while."""
        if self.terminal and self.bar is None and self.total:
            from tqdm import tqdm

            size = os.get_terminal_size(sys.stderr.fileno())
            shape: Any = {"ncols": size.columns or 80, "nrows": size.lines or 24}  # some terminals do not know theirs
            self.bar = tqdm(total=self.total, unit="it", smoothing=0.1, mininterval=0.0, file=sys.stderr, **shape)

    def step(self, info: Any) -> None:
        """After every step, with an engine.StepInfo, or token, with a sampler.TokenInfo, which has no loss."""
        self.done += 1
        now = time.monotonic()
        first = self._first = now if self._first is None else self._first
        if self.quiet or (now - self.last < self.interval and 1 < self.done < self.total):
            return
        self.last = now
        self.begin()
        # The first and the last loss are worth waiting for; between them the newest that has reached the host will do.
        known = None if self.done in (1, self.total) else info.known
        step, losses = known or (info.step, info.loss)
        loss = None if losses is None else float(losses.mean())
        # The first step is left out of the rate: before it random starts were scored.
        rate = (self.done - 1) / max(now - first, 1e-9) if self.done > 1 else 1 / max(now - self.started, 1e-9)
        if self.bar is not None:
            if loss is not None:
                self.bar.set_postfix(loss=f"{loss:.4f}", refresh=False)
            self.bar.update(self.done - self.bar.n)
        elif self.json and loss is None:
            self.event("token", step=self.done, steps=self.total, it_per_s=round(rate, 3))
        elif self.json:
            of = self.done - (info.step - step)
            self.event("step", step=self.done, steps=self.total, loss=loss, loss_of=of, it_per_s=round(rate, 3))
        else:
            left = f"{(self.total - self.done) / rate:.0f} s left"
            shown = "" if loss is None else f"  loss {loss:.4f}"
            self._write(f"step {self.done}/{self.total}{shown}  {rate:.2f} it/s  {left}", sys.stderr)

    def picture(self, path: str, result: Any) -> None:
        """A picture was written; result: api.Result."""
        self.written(
            "picture", path, prompt=result.prompt, seed=result.seed, index=result.index, steps=result.steps,
            loss=result.loss, similarities=result.similarities, finite=result.finite,
            **result.metadata.get("sample", {}),
        )  # fmt: skip

    def written(self, kind: str, path: str, **values: Any) -> None:
        """A picture, snapshot, video or grid was written."""
        self.event(kind, path=path, **values)
        if not self.json and not self.quiet:
            self._write(path, sys.stdout)

    def close(self) -> None:
        """Leaves the line of the bar, at what was reached."""
        if self.bar is not None:
            self.bar.close()
            self.bar = None

    def _write(self, line: str, stream: Any) -> None:
        """A line, around the bar. Where nobody reads any more (`| head`) or the disk of a log is full, the run goes on
        in silence: the pictures matter more."""
        try:
            if self.bar is not None:
                self.bar.write(line, file=stream)
            else:
                print(line, file=stream)
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
