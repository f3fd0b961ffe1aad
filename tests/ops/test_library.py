"""Which backend is taken, as far as it depends on the native module: one that is older than the package."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fastclipgen.errors import UserError
from fastclipgen.ops import library

pytestmark = pytest.mark.usefixtures("fresh_backends")
BINDINGS = Path(__file__).parents[2] / "csrc" / "bindings"
NATIVE = [pair for pair in library._SYMBOLS if pair[1] == "cpp"]


def stale(without: str, cuda: bool = False) -> Any:
    """A native module with everything but one function."""
    names = {name for needed in library._SYMBOLS.values() for name in needed} - {without}
    return SimpleNamespace(build_info=lambda: {"cuda": cuda}, **dict.fromkeys(names))


def test_every_kernel_says_what_it_needs_and_the_sources_have_it() -> None:
    compiled = {(op, name) for op, names in library._KERNELS.items() for name in names - {"triton"}}
    assert set(library._SYMBOLS) == compiled
    exposed = set(re.findall(r'"(\w+)"', "".join(file.read_text(encoding="utf-8") for file in BINDINGS.glob("*.cpp"))))
    assert {name for needed in library._SYMBOLS.values() for name in needed} <= exposed


@pytest.mark.parametrize(("op", "backend"), NATIVE)
def test_a_stale_build_is_one_sentence(op: str, backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in library._SYMBOLS[op, backend]:
        monkeypatch.setattr(library, "_native", stale(name))
        why = f"the native module was built from older sources (it has no {name}); install fastclipgen again"
        assert library.available(op, "cpu")["cpp"] == why
        assert library.choose(op, "cpu") == "reference"
        with pytest.raises(UserError, match=re.escape(why)):
            library.choose(op, "cpu", "cpp")


def test_a_build_that_lacks_one_function_still_serves_the_other_ops(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "_native", stale("philox_words"))
    assert library.choose("vq_lookup", "cpu") == "cpp"
    monkeypatch.setattr(library, "_native", stale("vq_topk_cuda", cuda=True))
    assert "it has no vq_topk_cuda" in (library.available("vq_lookup", "cuda")["cuda"] or "")
    assert "older" not in (library.available("vq_lookup", "cuda")["triton"] or "")
