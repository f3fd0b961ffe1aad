"""What a run of the command line has saved, and how it ends."""

from __future__ import annotations

import time

from fastclipgen.cli.report import Reporter
from fastclipgen.errors import UserError
from fastclipgen.result import Result


class Tally:
    """Counts pictures from now on."""

    def __init__(self) -> None:
        self._begun = time.monotonic()
        self.saved = self._broken = 0

    @property
    def seconds(self) -> float:
        """Since the run began."""
        return time.monotonic() - self._begun

    def note(self, result: Result) -> None:
        """A picture that has been saved."""
        self.saved += 1
        self._broken += not result.finite

    def end(self, reporter: Reporter, interrupted: bool, advice: str) -> None:
        """The run's last line. Raises UserError, with the advice, for pictures whose loss was no number."""
        if self._broken:
            raise UserError(
                f"the loss of {self._broken} of {self.saved} pictures became NaN or infinite, and their last finite "
                f"state was saved; {advice}"
            )
        reporter.event("done", seconds=round(self.seconds, 3), pictures=self.saved, interrupted=interrupted)
