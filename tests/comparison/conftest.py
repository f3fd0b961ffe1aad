"""The built-in CLIP is loaded once for all tests here, which draw with it again and again."""

from __future__ import annotations

import pytest

from fastclipgen.perceptors import builtin
from fastclipgen.perceptors.base import FrozenPerceptor


@pytest.fixture(scope="session")
def shapes_clip() -> FrozenPerceptor:
    return builtin.load_builtin(print)


@pytest.fixture(autouse=True)
def loaded_once(shapes_clip: FrozenPerceptor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(builtin, "load_builtin", lambda notice: shapes_clip)
