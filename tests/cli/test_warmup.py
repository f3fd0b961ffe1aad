"""`fastclipgen warmup`, and the choice that --compile auto makes with and without it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fastclipgen import api
from fastclipgen.engine import compiled, stepper
from fastclipgen.engine.compile_choice import Costs
from fastclipgen.engine.memory import Plan
from fastclipgen.engine.micro_batch import Cut
from fastclipgen.engine.warm_up import WarmUp
from fastclipgen.outputs.metadata import read_metadata

SMALL = (
    *("--clip", "builtin", "--generator", "pixels", "--size", "16", "--steps", "3", "--views", "2", "--seed", "5"),
    *("--tracks", "1"),
)


@pytest.fixture
def draw(draw: Callable) -> Callable:
    """The folder's `draw` with the choice to compile left to the command."""
    return lambda *arguments, **prompts: draw("--compile", "auto", *arguments, **prompts)


@pytest.fixture
def seconds(monkeypatch: pytest.MonkeyPatch) -> list[Costs]:
    """Stands for the warm-up itself: returns the costs put in here. Steps count as compiled, but are not."""
    costs: list[Costs] = []
    monkeypatch.setattr(api, "warm_up", lambda engine, task, params: WarmUp(7.25, costs[-1]))
    monkeypatch.setattr(stepper, "Compiled", lambda function: function)
    monkeypatch.setattr(compiled, "obstacle", lambda device: None)
    return costs


def test_what_it_says(cli: Callable, folder: Path, seconds: list[Costs]) -> None:
    seconds.append(Costs(1.5, 0.1, 0.25, True))
    done = cli("warmup", *SMALL)
    assert done.out == "compiled in 7.2 s; later runs start in about 1.5 s; a step takes 25% less time than without\n"
    assert done.code == 0
    event = cli("warmup", *SMALL, "--json").event("warmup")
    assert event == {"event": "warmup", "seconds": 7.25, "start": 1.5, "step": 0.1, "gain": 0.25}
    assert cli("warmup", *SMALL, "--quiet").out == ""
    seconds.append(Costs(1.5, 0.1, -0.1, True))
    assert cli("warmup", "x", *SMALL).out.endswith("10% more time than without\n")
    assert [path for path in folder.rglob("*") if path.suffix == ".png"] == []


def test_auto_goes_by_what_was_measured(draw: Callable, cli: Callable, seconds: list[Costs]) -> None:
    before = draw("--json").event("compile")
    assert before["on"] is False
    assert "(guessed)" in before["why"]
    seconds.append(Costs(start=1.0, step=1.0, gain=0.5, measured=True))
    cli("warmup", "a red circle", *SMALL)
    after = draw("--json").event("compile")
    assert (after["on"], after["why"]) == (True, "3 steps win back about 1.5 s for 1.0 s (measured)")
    assert draw("--json", "--views", "3").event("compile")["on"] is False, "another step"
    assert draw("--json", prompts=("a|b",)).event("compile")["on"] is False, "with two prompts"
    assert draw("--json", "-n", "2").event("compile")["on"] is False, "of two pictures"
    assert draw("--json", "--steps", "1").event("compile")["on"] is False, "not worth it"


def test_one_line_says_what_auto_chose(draw: Callable) -> None:
    lines = draw().err.splitlines()
    [line] = [line for line in lines if "compiling" in line]
    assert re.fullmatch(r"fastclipgen: compiling the step: no, 3 steps would win back about .*", line)
    assert draw("--quiet").err == ""
    assert not any("compiling" in line for line in draw("--compile", "off").err.splitlines()), "nothing was chosen"


def test_what_was_chosen_is_stored_and_made_again(
    draw: Callable, cli: Callable, folder: Path, seconds: list[Costs]
) -> None:
    draw("-o", "no.png")
    draw("-o", "yes.png", "--compile", "on", "--memory", "2GiB")
    settings = [read_metadata(folder / name)["settings"] for name in ("no.png", "yes.png")]
    assert [(s["compile"], s["memory"]) for s in settings] == [("off", "auto"), ("on", "2GiB")]
    assert cli("rerun", "yes.png", "-o", "again.png").code == 0
    assert read_metadata(folder / "again.png")["settings"] == settings[1]
    assert cli("rerun", "yes.png", "-o", "other.png", "--compile", "off").code == 0
    assert read_metadata(folder / "other.png")["settings"]["compile"] == "off"


def test_compiling_that_fails_is_stored_as_off(
    draw: Callable, folder: Path, seconds: list[Costs], cli: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds.append(Costs(start=1.0, step=1.0, gain=0.5, measured=True))
    cli("warmup", "a red circle", *SMALL)

    def fail(function: Any) -> Callable:
        def call(*_: Any) -> None:
            raise NotImplementedError("no kernel for this")

        return call

    monkeypatch.setattr(stepper, "Compiled", fail)
    done = draw("-o", "out.png")
    assert "fastclipgen: the step could not be compiled (no kernel for this); going on without" in done.err
    assert read_metadata(folder / "out.png")["settings"]["compile"] == "off"


def test_batches_of_compiled_steps_have_one_shape(
    draw: Callable, seconds: list[Costs], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pictures with few prompts beside pictures with many would be compiled anew."""
    shapes = set()

    def wrap(function: Any) -> Callable:
        def call(recipe: Any, task: Any, *rest: Any) -> Any:
            shapes.add(tuple(tuple(t.embeddings.shape) for t in task.targets))
            return function(recipe, task, *rest)

        return call

    monkeypatch.setattr(stepper, "Compiled", wrap)
    monkeypatch.setattr("fastclipgen.engine.memory.plan", lambda *_: Plan(1, Cut()))
    draw("--compile", "on", "-o", "{index}.png", prompts=("a|b|c", "a", "a|b"))
    assert len(shapes) == 1
    assert next(iter(shapes))[0][1] == 3


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["x", "--compile", "yes"], "setting 'compile': input should be 'auto', 'on' or 'off', got 'yes'"),
        (["x", "--compile", "on", "--deterministic"], "compile on and deterministic do not go together"),
        (
            ["x", "--memory", "much"],
            "setting 'memory': must be auto or a size above 0 such as 6GiB or 500MiB, got 'much'",
        ),
        (["x", "--memory", "0"], "setting 'memory': must be auto or a size above 0"),
        (["x", "--memory=-1GiB"], "setting 'memory'"),
        (["x", "--memory", "6TiB"], "setting 'memory'"),
        (["warmup", "--compile", "off"], "warmup compiles, but --compile off asks it not to; leave --compile out"),
        (["warmup", "-o", "x.png"], "unknown option '-o'"),
        (["warmup", "--stps", "3"], "unknown option '--stps'; did you mean '--steps'?"),
        (["warmup", "--deterministic"], "compile on and deterministic do not go together"),
        (["x", "--memory", "1MiB", "--size", "512"], "one picture of 512x512 would need about"),
    ],
)
def test_what_cannot_be_is_a_sentence(refused: Callable, arguments: list[str], sentence: str) -> None:
    assert sentence in refused(*arguments)


def test_on_without_a_compiler_is_a_sentence(
    refused: Callable, draw: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiled.shutil, "which", lambda name: None)
    monkeypatch.delenv("CXX", raising=False)
    why = "torch.compile needs a C++ compiler, and there is none (g++, clang++, c++)"
    for command in ([], ["warmup"]):
        sentence = refused(*command, "x", *SMALL, "--compile", "on")
        assert sentence == f"expected to compile the step, but {why}; leave --compile out, or use --compile off"
    assert draw("--json").event("compile") == {"event": "compile", "on": False, "why": why}
