"""Who draws: the name of a process, which says where it runs, and whether it is still there. Loads no torch."""

from __future__ import annotations

import os
import socket
from pathlib import Path


def own_name() -> str:
    """host/process/start: no other process, here or later, has the same."""
    return f"{socket.gethostname()}/{os.getpid()}/{_started(os.getpid())}"


def is_gone(name: str, silent: float, lease: float) -> bool:
    """Whether the worker of that name has ended. On this machine it is looked up; of another one it is believed after
    `lease` seconds without a sign of life (`silent`)."""
    host, _, rest = name.partition("/")
    process, _, started = rest.partition("/")
    if host != socket.gethostname() or not process.isdigit():
        return silent > lease
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass  # it is there, and another user's
    return _started(int(process)) != started  # its number may have been given to another process


def _started(process: int) -> str:
    """When a process began, as far as the system tells: clock ticks since the machine's start."""
    try:
        stat = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return "unknown"
    return stat.rpartition(")")[2].split()[19]
