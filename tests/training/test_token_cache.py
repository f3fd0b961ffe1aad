"""The cache on disk: what was written is there after a kill, and what was made of something else is refused."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fastclipgen.errors import UserError
from fastclipgen.training import token_cache
from fastclipgen.training.token_cache import TokenCache, key_of

KEY = key_of({"data": "shapes", "vqgan": "abc"}, rows=10, length=4, vocabulary=300, width=3)


def fill(cache: TokenCache, rows: slice) -> None:
    numbers = np.arange(10)[rows]
    cache.write(rows, numbers[:, None] * 10 + np.arange(4), numbers[:, None] / 8 + np.zeros(3))


def test_rows_are_there_once_written(tmp_path: Path) -> None:
    assert not token_cache.exists(tmp_path / "c", KEY)
    token_cache.create(tmp_path / "c", KEY)
    assert token_cache.exists(tmp_path / "c", KEY)
    cache = TokenCache(tmp_path / "c")
    assert cache.missing().tolist() == list(range(10))
    fill(cache, slice(3, 6))
    again = TokenCache(tmp_path / "c")
    assert len(again) == 10
    assert again.missing().tolist() == [0, 1, 2, 6, 7, 8, 9]
    assert again.tokens[5].tolist() == [50, 51, 52, 53]
    assert again.embeddings[4].tolist() == [0.5, 0.5, 0.5]
    assert (again.tokens.dtype, again.embeddings.dtype) == (np.uint16, np.float16)


def test_large_vocabularies_have_room(tmp_path: Path) -> None:
    for vocabulary, dtype in ((65536, np.uint16), (65537, np.uint32)):
        token_cache.create(tmp_path, {**KEY, "vocabulary": vocabulary})
        cache = TokenCache(tmp_path)
        cache.write(slice(0, 1), np.full((1, 4), vocabulary - 1), np.zeros((1, 3)))
        assert cache.tokens.dtype == dtype
        assert cache.tokens[0, 0] == vocabulary - 1


def test_a_cache_of_something_else_is_refused_by_name(tmp_path: Path) -> None:
    token_cache.create(tmp_path, KEY)
    with pytest.raises(UserError, match=r"was made of another rows, vqgan; .*--cache, or --fresh"):
        token_cache.exists(tmp_path, {**KEY, "vqgan": "abd", "rows": 11})
    (tmp_path / "key.json").write_text("{")
    with pytest.raises(UserError, match="cannot be read"):
        token_cache.exists(tmp_path, KEY)


def test_making_it_again_forgets_what_was_there(tmp_path: Path) -> None:
    token_cache.create(tmp_path, KEY)
    fill(TokenCache(tmp_path), slice(0, 10))
    token_cache.create(tmp_path, {**KEY, "rows": 7})
    assert TokenCache(tmp_path).missing().tolist() == list(range(7))
    assert json.loads((tmp_path / "key.json").read_text())["rows"] == 7


def test_a_folder_of_other_things_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("x")
    token_cache.create(tmp_path, KEY)
    assert (tmp_path / "mine.txt").read_text() == "x"


def test_a_cache_that_was_being_created_is_none(tmp_path: Path) -> None:
    token_cache.create(tmp_path, KEY)
    (tmp_path / "key.json").unlink()
    assert not token_cache.exists(tmp_path, KEY)
    token_cache.create(tmp_path, KEY)
    assert len(TokenCache(tmp_path).missing()) == 10


def test_after_kill_9_whole_rows_are_there(tmp_path: Path) -> None:
    token_cache.create(tmp_path, KEY)
    code = f"""
import os, signal, numpy as np
from fastclipgen.training.token_cache import TokenCache
cache = TokenCache(__import__("pathlib").Path({str(tmp_path)!r}))
cache.write(slice(0, 4), np.full((4, 4), 9), np.ones((4, 3)))
cache.tokens[4:8] = 7
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)})
    assert done.returncode == -signal.SIGKILL
    cache = TokenCache(tmp_path)
    assert cache.missing().tolist() == [4, 5, 6, 7, 8, 9]
    assert (cache.tokens[:4] == 9).all()
    fill(cache, slice(4, 10))
    assert len(TokenCache(tmp_path).missing()) == 0
    assert cache.tokens[4].tolist() == [40, 41, 42, 43]
