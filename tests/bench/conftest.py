"""The benches are not installed: they are found in the checkout. Last on the path, so that installed packages win."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = str(Path(__file__).resolve().parents[2])
if ROOT not in sys.path:
    sys.path.append(ROOT)


@pytest.fixture(scope="session")
def small() -> dict[str, Any]:
    """Settings of pictures of the built-in CLIP's own size, seen as they are: nothing random in a step."""
    return {"device": "cpu", "clip": ["builtin"], "width": 64, "height": 64, "views": 1, "cutouts": "plain"}
