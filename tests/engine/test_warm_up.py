"""Compiling ahead: the code is on disk afterwards, and another process begins with it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch._dynamo.utils import counters

from fastclipgen.engine.compiled import CACHE
from fastclipgen.engine.engine import Engine
from fastclipgen.engine.stepper import Way
from fastclipgen.engine.warm_up import warm_up
from fastclipgen.errors import UserError

ROOT = Path(__file__).resolve().parents[2]
STARTED = "fastclipgen-test-started"
NAME = "test_a_second_process_starts_from_the_disk"


def found() -> tuple[int, int]:
    """Graphs that were on the disk and graphs that were not."""
    seen = counters["aot_autograd"]
    return seen["autograd_cache_hit"], seen["autograd_cache_miss"]


@pytest.mark.slow
def test_a_second_process_starts_from_the_disk(make_recipe: Callable, make_task: Callable, tmp_path: Path) -> None:
    """Both are processes of their own, so that nothing other tests have compiled counts."""
    if STARTED not in os.environ:
        for part in ("first", "second"):
            started = os.environ | {STARTED: part, CACHE: str(tmp_path / "compiled")}
            command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"{__file__}::{NAME}"]
            done = subprocess.run(command, cwd=ROOT, env=started, capture_output=True, text=True)
            assert done.returncode == 0, done.stdout
            assert "1 passed" in done.stdout
        return
    counters.clear()
    recipe = make_recipe(views=2)
    engine = Engine(recipe, torch.full((4,), 0.05), tracks=2, way=Way(compiled=True), finalists=1)
    task = make_task(recipe, ["sun"])
    if os.environ[STARTED] == "second":
        engine.run(task)
        assert found() == (2, 0), "one graph for two tracks of a picture and one for the one that goes on"
        return
    warm = warm_up(engine, task, None)
    assert found() == (2, 2), "compiled once each, and found again after they were forgotten"
    assert warm.seconds > warm.costs.start > 0
    assert warm.costs.step > 0
    assert warm.costs.gain < 1
    assert warm.costs.measured


def test_a_warm_up_that_fails_says_so(
    make_recipe: Callable, make_task: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise NotImplementedError("no kernel for this")

    monkeypatch.setattr("fastclipgen.engine.compiled.Compiled.__call__", fail)
    recipe = make_recipe()
    with pytest.raises(UserError, match=r"that failed \(no kernel for this\)"):
        warm_up(Engine(recipe, torch.zeros(1)), make_task(recipe, ["sun"]), None)
