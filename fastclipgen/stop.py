"""Ctrl-C and SIGTERM as a request: the run ends after the step at hand and saves what there is; a second one ends it
at once. Knows nothing of the run."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stop:
    """While entered, remembers the first signal; `say` is called with a line for the user.

    The second signal raises KeyboardInterrupt (Ctrl-C) or SystemExit. A signal that the process was started with as
    ignored (nohup, a shell's background jobs) stays ignored. Outside the main thread, where signals do not arrive, it
    does nothing.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._before: dict[int, Any] = {}
        self.signal: int | None = None

    @property
    def asked(self) -> bool:
        return self.signal is not None

    @property
    def exit_code(self) -> int:
        """What a shell expects: 128 + the signal's number, or 0."""
        return 0 if self.signal is None else 128 + self.signal

    def __enter__(self) -> Stop:
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                before = signal.getsignal(number)
                if before not in (signal.SIG_IGN, None):
                    self._before[number] = before
                    signal.signal(number, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(128 + number)
        self.signal = number
        # a signal that comes while a line is being written finds a stream that allows no second writer
        with suppress(RuntimeError):
            self._say("stopping after this step; what there is will be saved (Ctrl-C again to stop at once)")
