"""Which machine, which versions and which commit a measurement belongs to. Knows nothing of what is measured."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from importlib.metadata import version
from pathlib import Path

import torch

import fastclipgen

from .schema_base import Machine, Source

HOME = Path(__file__).resolve().parents[1]


def checkout(home: Path = HOME) -> Path | None:
    """The source tree that these benches are part of; None for an installed copy, which has no tests."""
    return home if (home / "csrc").is_dir() and (home / "tests").is_dir() else None


def device_name(where: Machine) -> str:
    """A device as the name of a file: nvidia-h200, cpu-2-cores."""
    return re.sub(r"[^a-z0-9]+", "-", where.gpu.lower()).strip("-") if where.gpu else f"cpu-{where.cores}-cores"


def machine(device: torch.device) -> Machine:
    """This machine, as far as it bears on speed."""
    return Machine(
        system=f"{platform.system()} {platform.machine()}",
        processor=_processor(),
        cores=os.cpu_count() or 1,
        threads=torch.get_num_threads(),
        memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        load_average=round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        gpu=torch.cuda.get_device_name(device) if device.type == "cuda" else None,
        python=platform.python_version(),
        torch=torch.__version__,
        cuda=torch.version.cuda if device.type == "cuda" else None,
        open_clip=version("open_clip_torch"),
        fastclipgen=fastclipgen.__version__,
    )


def source(root: Path | None = None) -> Source:
    """The commit of the checkout; nothing where there is no git or no checkout."""
    root = root or checkout()
    commit = None if root is None else _git(root, "rev-parse", "HEAD")
    if root is None or commit is None:
        return Source(commit=None, changed=None)
    changed = _git(root, "status", "--porcelain", "--untracked-files=no")
    return Source(commit=commit, changed=None if changed is None else bool(changed))


def _git(root: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _processor() -> str:
    """The processor's trade name where Linux tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
