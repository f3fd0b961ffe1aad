"""The base of every generator: what it must offer to the engine, and the checks they share.

Knows nothing of optimisers, perceptors or files.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from fastclipgen.errors import UserError

Params = dict[str, Tensor]
"""What is optimised: every tensor float32 with the pictures as leading dimension B."""


class Generator(nn.Module):
    """Maps parameters to pictures, B at a time.

    The parameters are not kept in the module: `init` or `init_from` makes them, `forward` reads them, so one generator
    serves any number of pictures. Fixed tables are buffers and follow `.to(device)`.

    A subclass defines `init`, `init_from` and `forward`. One whose cutouts may look beyond the published picture also
    defines `canvas`, `publish` and `canvas_size`. One that draws with weights from a file of the user's names the
    setting that says which (`weights`), takes what `load_weights` makes of it as `model` after height and width, and
    defines `check_weights` and `draw_in`; further settings that `load_weights` takes by their names are its
    `weights_settings`, and one whose network has a size of its own says which (`size_of`). One whose parameters are the
    latent of a model, in which pictures can be compared, says which of them is (`latent`). One whose `init_from` gives
    any picture back nearly as it was, and at once, not by a fit, says so (`reencodes`): its pictures can be edited in
    the middle of a run.

    One that draws under a condition says so (`conditional`) and defines `fixed`: what it reads besides its parameters
    and no step changes, but for what it names in `freed`, which begins as that and is a parameter then. `embedding`:
    length of the CLIP embeddings that it is told (0: none), `clip`: of which CLIP, as `--clip` takes it.
    """

    name: str = "generator"
    default_optimizer: str = "adam"
    default_lr: float = 0.05
    default_views_preset: str = "crops"
    weights: str | None = None
    weights_settings: tuple[str, ...] = ()
    latent: str | None = None
    reencodes: bool = False
    conditional: bool = False
    freed: tuple[str, ...] = ()
    embedding: int = 0
    clip: str = ""

    def __init__(self, height: int, width: int) -> None:
        super().__init__()
        self.height = _side("height", height)
        self.width = _side("width", width)

    @classmethod
    def options_for(cls, optimizer: str) -> dict[str, Any]:
        """Constructor options this generator wants when it is driven by `optimizer`; none unless overridden."""
        return {}

    @classmethod
    def check_weights(cls, text: str) -> None:
        """Raises UserError where `text`, the value of the setting `weights`, names no file; reads none."""
        raise NotImplementedError(f"{cls.__name__} must define check_weights(text)")

    @classmethod
    def clip_of(cls, text: str) -> str:
        """The CLIP, as `--clip` takes it, that the weights `text` were trained with and need; "": any will do."""
        return ""

    @classmethod
    def load_weights(cls, text: str) -> nn.Module:
        """The frozen network in the files that `text` names. Raises UserError."""
        raise NotImplementedError(f"{cls.__name__} must define load_weights(text)")

    @classmethod
    def size_of(cls, model: nn.Module) -> tuple[int, int]:
        """Height and width of pictures where nobody asks for any: those that the network draws."""
        raise NotImplementedError(f"{cls.__name__} must define size_of(model)")

    def draw_in(self, dtype: torch.dtype) -> None:
        """From here on a network from a file draws in `dtype`; parameters and pictures stay float32."""
        if self.weights is not None:
            raise NotImplementedError(f"{type(self).__name__} must define draw_in(dtype)")

    @property
    def canvas_size(self) -> tuple[int, int]:
        """Height and width of what the cutouts see."""
        return self.height, self.width

    def init(self, seeds: Tensor) -> Params:
        """The start for int64 `seeds` [B]; picture b depends on seeds[b] alone. On the device of `seeds`."""
        raise NotImplementedError(f"{type(self).__name__} must define init(seeds)")

    def init_from(self, images: Tensor) -> Params:
        """The parameters that draw `images` [B, 3, H, W] (0..1) as nearly as this generator can."""
        raise NotImplementedError(f"{type(self).__name__} must define init_from(images)")

    def fixed(self, embeddings: Tensor) -> Params:
        """What it draws under, of pictures whose prompts have these CLIP embeddings float32 [B, E], of length 1, or of
        zeros where there is no prompt. `forward` finds it among its parameters, or draws without it."""
        raise NotImplementedError(f"{type(self).__name__} must define fixed(embeddings)")

    def forward(self, params: Params) -> Tensor:
        """The published pictures [B, 3, H, W], 0..1, differentiable."""
        raise NotImplementedError(f"{type(self).__name__} must define forward(params)")

    def canvas(self, params: Params) -> Tensor:
        """What the cutouts see, [B, 3, *canvas_size], 0..1; the picture itself unless overridden."""
        return self(params)

    def publish(self, canvas: Tensor) -> Tensor:
        """The published part of a canvas that is already computed: forward(p) equals publish(canvas(p))."""
        return canvas

    def preview(self, params: Params) -> Tensor:
        """The published pictures, perhaps smaller."""
        return self(params)

    def init_among_many(self, seeds: Tensor) -> Params:
        """The start for int64 `seeds` [B] when it is one of many to choose from: a wide choice. `init` unless
        overridden."""
        return self.init(seeds)

    def preview_among_many(self, seeds: Tensor) -> Tensor:
        """The pictures of `init_among_many`, perhaps smaller: what random starts are scored by."""
        return self.preview(self.init_among_many(seeds))

    def precondition(self, grads: Params) -> Params:
        """The direction plain SGD should take instead of `grads`; the gradient itself unless overridden."""
        return grads

    def project(self, params: Params) -> Params:
        """The nearest allowed parameters, applied after each step; all are allowed unless overridden."""
        return params

    def check_images(self, images: Tensor) -> None:
        """Raises UserError unless `images` is a floating [B, 3, height, width]."""
        wanted = (3, self.height, self.width)
        if images.ndim != 4 or tuple(images.shape[1:]) != wanted or not images.is_floating_point():
            raise UserError(
                f"generator '{self.name}' starts from float pictures of shape [B, 3, {self.height}, {self.width}], got "
                f"{images.dtype} {list(images.shape)}; resize the start image or make the generator of that size"
            )


def check_number(generator: str, option: str, value: float, low: float, high: float | None = None) -> None:
    """Raises UserError unless `value` is finite and low <= value (<= high)."""
    if not (math.isfinite(value) and low <= value and (high is None or value <= high)):
        wanted = f"at least {low}" if high is None else f"between {low} and {high}"
        raise UserError(f"option '{option}' of generator '{generator}' must be {wanted}, got {value}")


def logit_safe(images: Tensor, eps: float) -> Tensor:
    """`images` clipped to eps..1-eps, so that an inverse squashing function stays finite."""
    return images.to(torch.get_default_dtype()).clamp(eps, 1.0 - eps)


def _side(what: str, value: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise UserError(f"the {what} of a picture must be a whole number of pixels, at least 1, got {value!r}")
    return value
