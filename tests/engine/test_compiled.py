"""Compiled steps: one graph, the same picture, never compiled again; and where torch.compile can work at all."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
import torch

from fastclipgen.engine import compiled
from fastclipgen.engine.compiled import CACHE, cache_folder, obstacle, switches, use_cache_folder
from fastclipgen.engine.engine import Engine
from fastclipgen.engine.micro_batch import Cut
from fastclipgen.engine.optimizers import Adam, Sgd
from fastclipgen.engine.recipe import Guide, Recipe, Task
from fastclipgen.engine.stepper import Way
from fastclipgen.generators import registry
from fastclipgen.guidance.constraints import Constraint
from fastclipgen.ops.cutout_presets import preset
from fastclipgen.perceptors.builtin import load_builtin

Tasks = Callable[..., Task]
Recipes = Callable[..., Recipe]
CPU, CUDA = torch.device("cpu"), torch.device("cuda")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder for compiled code, and a compiler that has seen nothing yet."""
    monkeypatch.setenv(CACHE, str(tmp_path / "compiled"))
    torch._dynamo.reset()
    yield tmp_path / "compiled"
    torch._dynamo.reset()


@pytest.fixture
def graphs_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Traced into one graph with its gradient, but run by torch's own operations: no code is made."""
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="aot_eager"))


def recipe_of(name: str) -> Recipe:
    optimizer = Sgd() if name == "stack" else Adam()
    generator = registry.create(name, 32, 32, optimizer.name)
    guides = (Guide(load_builtin(print), 1.0, 2, preset("gentle")),)
    return Recipe(generator, guides, optimizer, constraints=(Constraint("tv"),))


def check(recipe: Recipe, make_task: Tasks, way: Way) -> None:
    """A compiled run is the eager run; the next one, with other prompts, seeds and rates, compiles nothing."""
    lines: list[str] = []
    engine = Engine(recipe, torch.tensor([0.03, 0.02, 0.01]), way=way, notice=lines.append)
    eager = Engine(recipe, engine.rates)
    for prompts, seeds in ((["a red circle", "a blue star"], [5, 6]), (["a green ring", "a pink heart"], [7, 8])):
        task = make_task(recipe, prompts, seeds)
        losses = [[], []]
        for runner, kept in zip((engine, eager), losses, strict=True):
            with torch._dynamo.config.patch(error_on_recompile=prompts[0] != "a red circle"):
                runner.run(task, callbacks=[lambda info, kept=kept: kept.append(info.loss)])
        torch.testing.assert_close(torch.stack(losses[0]), torch.stack(losses[1]), atol=2e-4, rtol=2e-4)
    assert lines == []
    assert engine.stepper.way.compiled


@pytest.mark.slow
@pytest.mark.usefixtures("cache")
def test_a_compiled_step_is_the_step(make_recipe: Recipes, make_task: Tasks) -> None:
    check(make_recipe(views=2), make_task, Way(compiled=True, strict=True))


@pytest.mark.parametrize("name", ["stack", "vae"])
@pytest.mark.usefixtures("graphs_only", "cache")
def test_a_step_is_one_graph(name: str, make_task: Tasks) -> None:
    check(recipe_of(name), make_task, Way(compiled=True, strict=True))


@pytest.mark.parametrize("cut", [Cut(1), Cut(1, 1)], ids=["rows", "views"])
@pytest.mark.usefixtures("graphs_only", "cache")
def test_a_step_in_pieces_is_compiled_in_pieces(cut: Cut, make_recipe: Recipes, make_task: Tasks) -> None:
    check(make_recipe(views=2), make_task, Way(cut, compiled=True, strict=True))


@pytest.mark.usefixtures("graphs_only", "cache")
def test_a_torch_that_cannot_trace_gradients(
    make_recipe: Recipes, make_task: Tasks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fastclipgen.engine.stepper.traces_gradients", lambda: False)
    monkeypatch.delitem(compiled.SWITCHES["_dynamo"], "trace_autograd_ops")
    for cut in (Cut(), Cut(1, 1)):
        check(make_recipe(views=2), make_task, Way(cut, compiled=True, strict=True))


def test_switches_are_put_back() -> None:
    before = torch._dynamo.config.recompile_limit
    with switches():
        assert torch._dynamo.config.recompile_limit == 64
    assert torch._dynamo.config.recompile_limit == before


def test_a_switch_that_this_torch_does_not_know_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(compiled.SWITCHES["_dynamo"], "of_another_torch", True)
    with switches():
        assert not hasattr(torch._dynamo.config, "of_another_torch")


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.delenv("CC", raising=False)
    have = {"g++", "gcc"}
    monkeypatch.setattr(compiled.shutil, "which", lambda name: name if name in have else None)
    monkeypatch.setattr(compiled.importlib.util, "find_spec", lambda name: object())
    assert obstacle(CPU) is None
    assert obstacle(CUDA) is None
    assert obstacle(torch.device("mps")) == "torch.compile is not used on mps"
    monkeypatch.setenv("CXX", "my-compiler")
    assert obstacle(CPU) == "torch.compile needs a C++ compiler, and there is none (my-compiler)"
    monkeypatch.delenv("CXX")
    have.clear()
    assert obstacle(CPU) == "torch.compile needs a C++ compiler, and there is none (g++, clang++, c++)"
    assert obstacle(CUDA) == "torch.compile needs a C compiler, and there is none (gcc, clang, cc)"
    monkeypatch.setattr(compiled.importlib.util, "find_spec", lambda name: None)
    assert obstacle(CUDA) == "torch.compile needs triton, which is not installed (fastclipgen[triton])"


def test_code_is_kept_where_the_user_says_or_with_fastclipgen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    monkeypatch.setenv(CACHE, str(tmp_path / "mine"))
    assert cache_folder() == tmp_path / "mine"
    own = tmp_path / "caches" / "fastclipgen" / "compiled"
    from torch._inductor.runtime.cache_dir_utils import default_cache_dir

    for value in (None, default_cache_dir()):  # torch writes its default there as soon as it has used it
        monkeypatch.delenv(CACHE) if value is None else monkeypatch.setenv(CACHE, value)
        assert cache_folder() == own
    use_cache_folder()
    assert own.is_dir()
    assert os.environ[CACHE] == str(own)
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.delenv(CACHE)
    assert cache_folder() == Path.home() / ".cache" / "fastclipgen" / "compiled"
