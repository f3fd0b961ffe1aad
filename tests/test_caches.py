from __future__ import annotations

from pathlib import Path

import pytest

from fastclipgen.caches import cache_of


def test_caches_are_where_the_user_keeps_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_of("weights") == tmp_path / "fastclipgen" / "weights"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_of("weights") == Path.home() / ".cache" / "fastclipgen" / "weights"
