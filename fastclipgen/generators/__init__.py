"""Parameters -> pictures: the generators, each batched over pictures.

Names are imported when first used, so that the registry can be asked for names without loading torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fastclipgen.generators.base import Generator, Params
    from fastclipgen.generators.module import as_generator
    from fastclipgen.generators.registry import create, names, options, parse_options

__all__ = ["Generator", "Params", "as_generator", "create", "names", "options", "parse_options"]

_HOMES = {
    "Generator": "base",
    "Params": "base",
    "as_generator": "module",
    "create": "registry",
    "names": "registry",
    "options": "registry",
    "parse_options": "registry",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
