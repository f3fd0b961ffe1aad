from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ..file_server import Server, serving


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Server]:
    with serving(monkeypatch, tmp_path / "caches") as one:
        yield one


@pytest.fixture
def heard() -> list[str]:
    """What was said through `notice=heard.append`."""
    return []
