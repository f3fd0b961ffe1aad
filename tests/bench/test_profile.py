from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from bench import profile as bench_profile
from bench.cli import main
from bench.profile import PARTS, STEP, Share, attribute, run_shares, step_shares, wrapped
from bench.subject import EngineRun, Subject
from fastclipgen.config.run import make_config


def event(name: str, time: float, parent: Any = None, number: int = -1) -> Any:
    event.clock += 1
    start = SimpleNamespace(start=event.clock)
    return SimpleNamespace(name=name, took=time, cpu_parent=parent, sequence_nr=number, time_range=start)


event.clock = 0


def test_time_goes_to_the_innermost_part_and_backward_to_its_forward() -> None:
    step = event(STEP, 100)
    outer = event("cutouts: views", 30, step)
    inner = event("constraints", 20, outer)
    other = event("perceptor", 25, step)
    events = [
        step,
        outer,
        event("shape look-up", 1, outer, number=7),  # makes no node: it shows the number of the next that does
        inner,
        event("grid_sample", 19, inner, number=7),
        other,
        event("matmul", 24, other, number=8),
        event("autograd::engine::evaluate_function: MmBackward", 15, step, number=8),
        event("autograd::engine::evaluate_function: GridBackward", 10, step, number=7),
    ]
    assert attribute(events, "took") == {
        STEP: Share(0.2, 0.0),
        "cutouts: views": Share(0.1, 0.0),
        "constraints": Share(0.2, 0.1),
        "perceptor": Share(0.25, 0.15),
    }


def test_wrapping_ends_with_the_measurement() -> None:
    before = [getattr(owner, name) for owner, name in PARTS]
    entered = []

    @contextmanager
    def around(part: str) -> Iterator[None]:
        entered.append(part)
        yield

    class Place:
        double = staticmethod(lambda x: 2 * x)

    with wrapped({(Place, "double"): "part"}, around), wrapped(PARTS, around):
        assert Place.double(4) == 8
        assert all(getattr(owner, name) is not f for (owner, name), f in zip(PARTS, before, strict=True))
    assert Place.double(5) == 10
    assert entered == ["part"]
    assert [getattr(owner, name) for owner, name in PARTS] == before


def test_every_part_of_a_step_has_a_share(small: dict[str, Any]) -> None:
    """Also that each name in PARTS is still what the step calls."""
    subject = Subject(1, small | {"generator": "pixels", "cutouts": "latest", "views": 2, "constraints": ["tv:1"]})
    shares = step_shares(EngineRun(subject, 1), steps=2)
    assert set(shares) >= set(PARTS.values())
    assert sum(sum(share) for share in shares.values()) == pytest.approx(1)
    assert all(share.forward > 0 for part, share in shares.items() if part in PARTS.values())
    for part in ("perceptor", "cutouts: views", "loss"):
        assert shares[part].backward > 0, part
    assert shares[STEP].backward < 0.05
    assert shares["cutouts: draws"].backward == 0


def test_the_phases_of_a_run_add_up(small: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess, "run", lambda command, check: None)
    shares = run_shares(make_config(small | {"prompts": ["a red circle"], "generator": "pixels", "steps": 3}))
    assert sum(shares.values()) == pytest.approx(1)
    assert {"imports", "models", "scoring starts", "steps", "last picture", "prompts and the rest"} == set(shares)
    assert shares["steps"] > 0
    assert shares["prompts and the rest"] > 0


def test_prints_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--device", "cpu", "--generator", "pixels", "--size", "64", "--views", "1", "--steps", "0"]
    assert main("profile", bench_profile.run, [*options, "--profiled-steps", "1"]) == 0
    printed = capsys.readouterr().out
    assert "perceptor" in printed
    assert "%" in printed
    assert main("profile", bench_profile.run, [*options, "--profiled-steps", "0"]) == 2
    assert "--profiled-steps" in capsys.readouterr().err
    assert torch.is_grad_enabled()
