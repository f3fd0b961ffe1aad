"""The generator of an experiment at each of its sizes, and what a run begins with.

Knows nothing of targets, epochs or steps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from fastclipgen.config.run import WEIGHTS
from fastclipgen.errors import UserError
from fastclipgen.generators import registry
from fastclipgen.generators.base import Generator, Params
from fastclipgen.generators.pixels import Pixels

MODES = {"nearest": "nearest", "linear": "bilinear", "cubic": "bicubic"}
OPTIMIZER = "adam"  # for options that a generator wants under plain SGD, which CLIPig's rates are not made for


class ClampedPixels(Pixels):
    """Pixels whose gradient is 0 where they left 0..1, as CLIPig's are."""

    def forward(self, params: Params) -> Tensor:
        return params["rgb"].clamp(0.0, 1.0)


class Drawing:
    """Makes the generator `name` of any size, with the weights and options that `settings` name. Raises UserError for
    weights that cannot be read."""

    def __init__(
        self,
        name: str,
        settings: Mapping[str, Any],
        compat: bool,
        device: torch.device,
        dtype: torch.dtype,
        notice: Callable[[str], None],
    ) -> None:
        self._name, self._device, self._dtype, self._compat = name, device, dtype, compat
        self._options: dict[str, Any] = dict(settings.get("generator_options") or {})
        self._model: nn.Module | None = None
        if name in WEIGHTS:
            kind = registry.generator_class(name)
            given = {key: settings[key] for key in kind.weights_settings if key in settings}
            if settings.get(name) is None:
                raise UserError(f"generator '{name}' draws with weights; say which: {name}: PATH")
            self._model = registry.load_weights(name, settings[name], notice, **given)
        self._made: dict[tuple[int, int], Generator] = {}

    def at(self, height: int, width: int) -> Generator:
        """The one of this size, on the device."""
        if (height, width) not in self._made:
            self._made[height, width] = self._make(height, width).to(self._device)
        return self._made[height, width]

    def _make(self, height: int, width: int) -> Generator:
        if self._compat and self._name == Pixels.name:
            return ClampedPixels(height, width, **self._options)
        if self._model is None:
            return registry.create(self._name, height, width, OPTIMIZER, **self._options)
        made = registry.create(self._name, height, width, OPTIMIZER, self._model, **self._options)
        made.draw_in(self._dtype)
        return made


def scaled(images: Tensor, height: int, width: int, how: str) -> Tensor:
    """Images [B, C, h, w] of any range at another size, with a low-pass where it makes smaller; how: of `MODES`."""
    if images.shape[-2:] == (height, width):
        return images
    if how == "nearest":
        return interpolate(images, (height, width), mode="nearest")
    return interpolate(images, (height, width), mode=MODES[how], align_corners=False, antialias=True)
