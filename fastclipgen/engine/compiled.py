"""torch.compile around the functions of a step: whether it can work here, its switches, where it keeps its results.

Knows nothing of what is compiled, or of whether it is worth it (compile_choice.py).
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import torch

from fastclipgen.caches import cache_of

CACHE = "TORCHINDUCTOR_CACHE_DIR"
# Trace through autograd.grad, so that a whole step is one graph; let graphs with our autograd.Function be cached on
# disk (what it does is in the graph); programs with many jobs have a compiled step for each.
SWITCHES = {
    "_dynamo": {"trace_autograd_ops": True, "recompile_limit": 64},
    "_functorch": {"autograd_cache_allow_custom_autograd_functions": True},
}


def obstacle(device: torch.device) -> str | None:
    """Why torch.compile cannot work on this device here, in a few words; None where nothing is known to be missing."""
    if device.type not in ("cpu", "cuda"):
        return f"torch.compile is not used on {device.type}"
    if device.type == "cuda" and importlib.util.find_spec("triton") is None:
        return "torch.compile needs triton, which is not installed (fastclipgen[triton])"
    language, variable, names = ("C++", "CXX", ("g++", "clang++", "c++"))
    if device.type == "cuda":
        language, variable, names = "C", "CC", ("gcc", "clang", "cc")
    asked = os.environ.get(variable)
    if not any(shutil.which(name) for name in ([asked] if asked else names)):
        return f"torch.compile needs a {language} compiler, and there is none ({asked or ', '.join(names)})"
    return None


def traces_gradients() -> bool:
    """Whether this torch compiles autograd.grad inside a function; else what is differentiated is compiled apart."""
    return hasattr(torch._dynamo.config, "trace_autograd_ops")


class Compiled:
    """A function as one compiled graph (fullgraph) for each set of shapes that it is called with."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = torch.compile(function, fullgraph=True, dynamic=False)

    def __call__(self, *args: Any) -> Any:
        with switches():
            return self._function(*args)


@contextmanager
def switches() -> Iterator[None]:
    """Inside, torch compiles as `Compiled` needs it; what this torch does not know is left out."""
    configs: dict[str, Any] = {name: importlib.import_module(f"torch.{name}.config") for name in SWITCHES}
    with ExitStack() as stack:
        for name, wanted in SWITCHES.items():
            known = {key: value for key, value in wanted.items() if hasattr(configs[name], key)}
            stack.enter_context(configs[name].patch(known))
        yield


def cache_folder() -> Path:
    """Where compiled code is kept: the folder the user has set for torch, else one of fastclipgen's own."""
    asked = os.environ.get(CACHE)
    # torch itself writes its default into the environment as soon as it has used it
    if asked and not asked.startswith(os.path.join(tempfile.gettempdir(), "torchinductor_")):
        return Path(asked)
    return cache_of("compiled")


def use_cache_folder() -> None:
    """Makes torch keep its compiled code in `cache_folder()`, for this process and those it starts."""
    folder = cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    os.environ[CACHE] = str(folder)
