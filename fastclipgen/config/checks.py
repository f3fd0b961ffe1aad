"""What can be found wrong before a model is loaded and a tensor made. Loads torch."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from fastclipgen.config.run import RunConfig
from fastclipgen.engine import optimizers
from fastclipgen.engine.schedule import parse_schedule
from fastclipgen.errors import UserError
from fastclipgen.generators import registry
from fastclipgen.guidance.constraints import parse_constraint
from fastclipgen.ops.cutout_presets import preset
from fastclipgen.perceptors.spec import AUTO


def check_names(config: RunConfig, own_generator: bool) -> None:
    """Finds misspelt names before models are loaded, which may take a download. Raises UserError."""
    if not own_generator and config.generator != AUTO:
        registry.generator_class(config.generator)
        registry.check_weights(config.generator, getattr(config, config.generator, None))
    if config.optimizer != AUTO:
        optimizers.create(config.optimizer)
    if config.cutouts != AUTO:
        preset(config.cutouts)
    if config.schedule != AUTO:
        parse_schedule(config.schedule, config.warmup)
    for text in config.constraints or []:
        parse_constraint(text)


def check_start(start: Any, config: RunConfig) -> None:
    """Raises UserError unless `start` is a picture [3, H, W] in 0..1 and the settings name no other, or, where it is
    None, if they need one."""
    if start is None:
        if config.init is None and config.init_alpha is not None:
            raise UserError("init_alpha is the opacity of a start picture, but there is none; add --init PATH")
        return
    if config.init is not None:
        raise UserError(f"expected one start picture, got a tensor and the path '{config.init}'; leave one of them out")
    if not isinstance(start, Tensor) or start.ndim != 3 or len(start) != 3 or not start.is_floating_point():
        got = f"{start.dtype} {list(start.shape)}" if isinstance(start, Tensor) else type(start).__name__
        raise UserError(f"expected a start picture as a float tensor [3, H, W] in 0..1, got {got}")
    if not bool(((start >= 0) & (start <= 1)).all()):
        raise UserError(
            f"expected values from 0 to 1 in the start picture, got {float(start.min()):.4g} to "
            f"{float(start.max()):.4g}; divide 8-bit values by 255"
        )
