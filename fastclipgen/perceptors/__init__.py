"""CLIP behind one protocol: what guides a picture towards a text.

Nothing is imported before it is used, so the command line can read `--clip` and list its options without torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fastclipgen.perceptors.auto import LoadedPerceptor, resolve
    from fastclipgen.perceptors.base import FrozenPerceptor, Perceptor, as_perceptor
    from fastclipgen.perceptors.spec import ClipSpec, parse_clip

__all__ = ["ClipSpec", "FrozenPerceptor", "LoadedPerceptor", "Perceptor", "as_perceptor", "parse_clip", "resolve"]

_HOMES = {
    "ClipSpec": "spec",
    "FrozenPerceptor": "base",
    "LoadedPerceptor": "auto",
    "Perceptor": "base",
    "as_perceptor": "base",
    "parse_clip": "spec",
    "resolve": "auto",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
