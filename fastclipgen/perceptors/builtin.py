"""The tiny CLIP that ships with the package: an open_clip model of the shapes world, loaded like any other.

Knows nothing of how it was trained (see training/) or of when it is chosen (see auto.py).
"""

from __future__ import annotations

from collections.abc import Callable

from fastclipgen.errors import UserError
from fastclipgen.perceptors import names, open_clip
from fastclipgen.perceptors.base import FrozenPerceptor

NAME = "shapes-clip"
CONFIG = names.SHAPES_CONFIG
WEIGHTS = CONFIG.with_suffix(".safetensors")


def load_builtin(notice: Callable[[str], None]) -> FrozenPerceptor:
    """The built-in CLIP in float32 on the CPU. Raises UserError when the installation lacks its files."""
    for file in (CONFIG, WEIGHTS):
        if not file.is_file():
            raise UserError(f"the built-in CLIP needs '{file}', which is missing; install fastclipgen again")
    arch = names.register_config(CONFIG)
    return open_clip.load_checkpoint(arch, WEIGHTS, names.unlabelled(arch), NAME, notice)
