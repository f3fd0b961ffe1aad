"""For tests of compiled backends: the CUDA kernels of an op on the CPU (tests/emulated_cuda), where there is no GPU.

A test whose parameters are backend "cuda" and device "cpu" gets them; its module names the op: `OP = "..."`.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from functools import cache
from types import ModuleType, SimpleNamespace

import pytest
import torch

from fastclipgen.ops import library

from ..emulated_cuda import build

# torch remembers once which functions a device context changes; were it while a test has replaced torch.empty, `with
# torch.device("meta")` would pass that by in every later test of the process
with torch.device("meta"):
    torch.empty(0)


@pytest.fixture(scope="session")
def build_emulated(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], ModuleType]:
    """The bindings of an op with kernels for the CPU, built once."""

    @cache
    def once(op: str) -> ModuleType:
        if build.COMPILER is None or importlib.util.find_spec("pybind11") is None:
            pytest.skip("material: no g++ or no pybind11")
        return build.build(op, tmp_path_factory.mktemp(f"emulated_{op}"))

    return once


@pytest.fixture
def emulate(build_emulated: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """emulate(op): until the test ends the op's backend "cuda" runs its kernels on the CPU and takes CPU tensors."""

    def prepare(op: str) -> None:
        # other ops, which the tested one may call, stay as they are
        both = SimpleNamespace(**(vars(library.require_native()) | vars(build_emulated(op))))
        monkeypatch.setattr(library, "require_native", lambda: both)
        monkeypatch.setattr(library, "queue", lambda _: (0, 0))

    return prepare


@pytest.fixture(autouse=True)
def emulated_where_asked(request: pytest.FixtureRequest) -> None:
    parameters = getattr(request.node, "callspec", None)
    if parameters is not None and {"backend": "cuda", "device": "cpu"}.items() <= parameters.params.items():
        request.getfixturevalue("emulate")(request.module.OP)
