"""CPU time that a test may take, measured so that a busy machine does not fail it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

BUSY = 2.0
"""How many times as long the same work takes in a process whose core is shared with others, as those of the tests
mostly are: CPU time counts what a core does for the neighbour on its other thread too."""
TRIES = 3


def takes_less_than(seconds: float, call: Callable[[], Any]) -> bool:
    """Whether one of TRIES calls takes less CPU time than a quiet core needs in `seconds`; the first that does ends it.

    Meant for bounds that a mistake misses by a factor of ten, such as a loop in place of an array.
    """
    for _ in range(TRIES):
        begun = time.process_time()
        call()
        if time.process_time() - begun < seconds * BUSY:
            return True
    return False
