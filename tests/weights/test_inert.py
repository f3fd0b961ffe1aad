"""Files with foreign objects: the tensors come out, nothing else is made, nothing is run."""

from __future__ import annotations

import pickle
import sys
import types
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from torch._utils import _rebuild_tensor_v2

from fastclipgen.weights import inert


class Bomb:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> Any:
        return Path.touch, (self.target,)


class Settings(dict):
    """As Lightning's AttributeDict: a dict of a foreign class."""


@pytest.fixture
def foreign(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """A module with a class, a list class and a function, that is gone when the file is read."""
    module = types.ModuleType("some_trainer")
    code = (
        "class Callback:\n    def __init__(self): self.best = 3\n"
        "class Names(list): pass\n"
        "def scalar(*args): raise AssertionError('was run')\n"
    )
    exec(code, module.__dict__)
    monkeypatch.setitem(sys.modules, "some_trainer", module)
    return module


def test_tensors_come_out_and_objects_do_not(tmp_path: Path, foreign: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = OrderedDict(a=torch.arange(6.0).view(2, 3).T, b=torch.nn.Parameter(torch.ones(2, dtype=torch.float16)))
    shared = torch.arange(10)
    weights["c"], weights["d"] = shared[2:5], shared[::2]
    names = foreign.Names(["x"])
    content = {
        "state_dict": weights, "callbacks": {foreign.Callback: {"best": foreign.Callback()}}, "epoch": 3,
        "hyper_parameters": Settings(a=1), "names": names, "some": {1, 2},
    }  # fmt: skip
    torch.save(content, tmp_path / "last.ckpt")
    monkeypatch.delitem(sys.modules, "some_trainer")
    found = inert.load(tmp_path / "last.ckpt")
    assert found["epoch"] == 3
    assert list(found["state_dict"]) == ["a", "b", "c", "d"]
    for name, value in weights.items():
        assert type(found["state_dict"][name]) is torch.Tensor
        assert torch.equal(found["state_dict"][name], value)
        assert found["state_dict"][name].dtype == value.dtype
    assert type(found["hyper_parameters"]).__name__ == "Inert"
    assert "some_trainer" not in sys.modules


def test_nothing_is_run(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    torch.save({"state_dict": {"w": torch.ones(2)}, "callbacks": Bomb(mark)}, tmp_path / "bad.ckpt")
    assert torch.equal(inert.load(tmp_path / "bad.ckpt")["state_dict"]["w"], torch.ones(2))
    assert not mark.exists()


class Reaching:
    """A tensor that claims more numbers than its storage has."""

    def __init__(self, offset: int, size: tuple, stride: tuple) -> None:
        self.claim = offset, size, stride

    def __reduce__(self) -> Any:
        return _rebuild_tensor_v2, (torch.ones(4).storage(), *self.claim, False, OrderedDict())


@pytest.mark.filterwarnings("ignore:TypedStorage")
@pytest.mark.parametrize("claim", [(0, (5,), (1,)), (2, (2, 2), (2, 1)), (-1, (2,), (1,)), (3, (2,), (-1,))])
def test_a_tensor_stays_inside_its_storage(tmp_path: Path, claim: tuple) -> None:
    torch.save({"w": Reaching(*claim), "callback": Settings()}, tmp_path / "bad.ckpt")
    with pytest.raises(pickle.UnpicklingError, match="beyond its storage"):
        inert.load(tmp_path / "bad.ckpt")


@pytest.mark.filterwarnings("ignore:TypedStorage")
def test_a_tensor_that_fits_is_read(tmp_path: Path) -> None:
    torch.save({"w": Reaching(1, (3,), (1,)), "none": Reaching(9, (0, 2), (1, 1))}, tmp_path / "good.ckpt")
    found = inert.load(tmp_path / "good.ckpt")
    assert (found["w"].tolist(), found["none"].shape) == ([1.0, 1.0, 1.0], (0, 2))
