"""CLIP-guided image generation at full hardware speed.

>>> import fastclipgen
>>> [picture] = fastclipgen.generate("a red circle on a blue background", steps=200)
>>> picture.save("circle.png")

Names are loaded when first used: importing the package loads no torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fastclipgen.api import Job, Result, generate, make_job
    from fastclipgen.engine.engine import Engine, StepInfo
    from fastclipgen.errors import UserError
    from fastclipgen.film.make import animate, style

__version__ = "0.1.0"
__all__ = ["Engine", "Job", "Result", "StepInfo", "UserError", "animate", "generate", "make_job", "style"]

_HOME = {
    "Engine": "engine.engine", "StepInfo": "engine.engine", "UserError": "errors",
    "Job": "api", "Result": "api", "generate": "api", "make_job": "api",
    "animate": "film.make", "style": "film.make",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'fastclipgen' has no attribute '{name}'")
    return getattr(importlib.import_module(f"fastclipgen.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
