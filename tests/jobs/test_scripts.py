"""The measurements of docs/batch.md, made small: real pictures, real kills, a real process's memory."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from .drawing import PATH

SCRIPTS = Path(__file__).parents[2] / "scripts"


def script(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", str(SCRIPTS / name), *arguments]
    return subprocess.run(command, env=os.environ | {"PYTHONPATH": PATH}, capture_output=True, text=True, timeout=600)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills need a system that can fork")
def test_a_killed_batch_has_the_bytes_of_an_undisturbed_one() -> None:
    done = script("kill_loop.py", "--times", "2", "--prompts", "4")
    assert done.returncode == 0, done.stderr
    assert "every picture the same bytes as undisturbed" in done.stdout
    assert ", 0 kills," not in done.stdout


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="resident memory is read from /proc")
def test_memory_stays_flat() -> None:
    """Three groups of settings, models loaded for each, add no more than 8 MiB to a process that has drawn three."""
    done = script("batch_memory.py", "--jobs", "60", "--groups", "6", "--most", "8")
    assert done.returncode == 0, done.stdout + done.stderr
    assert [line.partition(":")[0] for line in done.stdout.splitlines()[-3:]] == ["6 done", "30 done", "60 done"]
