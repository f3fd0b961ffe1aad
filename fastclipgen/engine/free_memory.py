"""How many bytes a device can still give to this process."""

from __future__ import annotations

import os
from pathlib import Path

import torch

CGROUPS = Path("/sys/fs/cgroup")


def free_bytes(device: torch.device) -> int | None:
    """Free memory of the device in bytes, or None where it cannot be told.

    CPU: what the kernel calls available, or less where a container's limit is nearer. CUDA: free on the device plus
    what torch holds without using it. MPS: the recommended maximum less what is in use.
    """
    if device.type == "cpu":
        known = [value for value in (available_bytes(), container_bytes()) if value is not None]
        return min(known, default=None)
    if device.type == "cuda":
        cached = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + cached
    if device.type == "mps":
        return torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory()
    return None


def available_bytes(meminfo: Path = Path("/proc/meminfo")) -> int | None:
    """MemAvailable of Linux; elsewhere the machine's physical memory; None where neither is known."""
    try:
        for line in meminfo.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        pass  # no Linux: fall through
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return None


def container_bytes(root: Path = CGROUPS, membership: Path = Path("/proc/self/cgroup")) -> int | None:
    """The least that any memory control group of this process leaves (Linux, versions 1 and 2), or None."""
    try:
        lines = membership.read_text().splitlines()
    except OSError:
        return None
    left = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and "memory" not in controllers.split(","):
            continue
        base = root / "memory" if controllers else root
        limit, used, cache = (
            ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
            if controllers
            else ("memory.max", "memory.current", "inactive_file")
        )
        own = base / path.lstrip("/")
        # Inside a container the path may be the host's and not be there; the base is then the container's own group.
        for folder in [own, *(parent for parent in own.parents if parent.is_relative_to(base))]:
            value = _left(folder, limit, used, cache)
            if value is not None:
                left.append(value)
    return min(left, default=None)


def _left(folder: Path, limit: str, used: str, cache: str) -> int | None:
    """Bytes one group leaves: limit less usage, where file pages that can be dropped do not count as used."""
    try:
        most, now = int((folder / limit).read_text()), int((folder / used).read_text())
        stat = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
        return max(0, most - now + int(stat.get(cache, 0)))
    except (OSError, ValueError):  # no such group, or "max": no limit
        return None
