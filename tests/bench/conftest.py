"""The benches are not installed: they are found in the checkout. Last on the path, so that installed packages win."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

ROOT = str(Path(__file__).resolve().parents[2])
if ROOT not in sys.path:
    sys.path.append(ROOT)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Two threads that meet after every small operation crawl on a machine that is busy with something else."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def small() -> dict[str, Any]:
    """Settings of pictures of the built-in CLIP's own size, seen as they are: nothing random in a step."""
    return {"device": "cpu", "clip": ["builtin"], "width": 64, "height": 64, "views": 1, "cutouts": "plain"}
