"""`import fastclipgen` and `fastclipgen --help` load no torch and are done before one notices.

Processor time is measured, since other programs on the machine make the time on the wall mean nothing; nothing here
waits, so the two are the same on an idle one. The best of five runs counts.
"""

from __future__ import annotations

import resource
import subprocess
import sys

import pytest

HEAVY = {"torch", "open_clip", "triton", "numpy", "PIL", "pydantic", "huggingface_hub"}
IMPORT = "import sys, time; t = time.process_time(); import fastclipgen; print(time.process_time() - t)"


def run(*command: str) -> str:
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_import() -> None:
    assert min(float(run("-c", IMPORT)) for _ in range(5)) < 0.3


def seconds_of_help() -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert run("-m", "fastclipgen", "--help").startswith("usage: fastclipgen")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def test_help() -> None:
    assert min(seconds_of_help() for _ in range(5)) < 0.5


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["rerun", "--help"], ["models", "--help"], []])
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    code = f"import sys; from fastclipgen.cli import main; main({arguments}); print('loaded', *sys.modules)"
    loaded = run("-c", code).splitlines()[-1].split()
    assert loaded[0] == "loaded"
    assert not HEAVY & set(loaded)


def test_a_mistake_is_told_before_torch_is_loaded() -> None:
    code = "import sys; from fastclipgen.cli import main; main(['x', '--steps', '-1']); print('torch' in sys.modules)"
    assert run("-c", code) == "False\n"
