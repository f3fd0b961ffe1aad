"""What a perceptor is, and the frozen form in which the engine uses one.

Knows nothing of open_clip or of files: any module with the few attributes of `Perceptor` will do.
"""

from __future__ import annotations

import math
from typing import Any, Protocol, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fastclipgen.errors import UserError


class Perceptor(Protocol):
    """What a user's module must offer. Optional: `mean` and `std` (3 floats each, default 0 and 1) and `name`."""

    image_size: Any
    """Side of the square input in pixels: an int, or (h, w) with h == w."""

    def encode_image(self, views: Tensor) -> Tensor:
        """Views [M, 3, S, S], normalised with mean and std, -> embeddings [M, E]; differentiable."""
        ...

    def encode_text(self, texts: list[str]) -> Tensor:
        """K texts -> embeddings [K, E]."""
        ...


class FrozenPerceptor(nn.Module):
    """A perceptor as the engine uses it: eval mode, no gradients for its weights, outputs in float32.

    `image_size` (int), `mean`, `std` (tuples of 3 floats), `name`, `embed_dim` (int), `device` and `dtype` are plain
    values; `patch` (int) too: above 0, `encode_image` also takes views cut into square patches of that side, and likes
    them better. Made by `as_perceptor`.
    """

    def __init__(
        self,
        module: nn.Module,
        image_size: int,
        mean: tuple[float, float, float],
        std: tuple[float, float, float],
        name: str,
    ) -> None:
        super().__init__()
        self.module = module.eval().requires_grad_(False)
        self.image_size = image_size
        self.mean = mean
        self.std = std
        self.name = name
        side = getattr(module, "patch_side", 0)
        self.patch: int = side if isinstance(side, int) else 0
        parameter = next(module.parameters(), None)
        self.device = torch.device("cpu") if parameter is None else parameter.device
        self.dtype = torch.float32 if parameter is None else parameter.dtype
        self.embed_dim = _probe(self)

    def encode_image(self, views: Tensor) -> Tensor:
        """Normalised views [M, 3, S, S], or [M, (S/p)**2, 3*p*p] with p = `patch`, of any float dtype -> embeddings
        [M, E], float32, not normalised.

        Gradients flow to the views only.
        """
        return cast(Any, self.module).encode_image(views.to(self.dtype)).float()

    def encode_text(self, texts: list[str]) -> Tensor:
        """K texts -> embeddings [K, E], float32, of length 1, without gradient.

        Raises UserError for anything but a list of str.
        """
        return self._encoded(texts, "encode_text")

    def encode_many(self, texts: list[str]) -> Tensor:
        """As `encode_text`, but how an embedding is rounded may depend on the other texts: a module may have a method
        of this name that takes many texts faster."""
        return self._encoded(texts, "encode_many" if hasattr(self.module, "encode_many") else "encode_text")

    def _encoded(self, texts: list[str], method: str) -> Tensor:
        if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
            raise UserError(f"encode_text of perceptor '{self.name}' takes a list of str, got {texts!r:.80}")
        if not texts:
            return torch.zeros(0, self.embed_dim, device=self.device)
        with torch.no_grad():
            return F.normalize(getattr(self.module, method)(texts).float(), dim=-1)

    def train(self, mode: bool = True) -> FrozenPerceptor:
        """Stays in eval mode: a frozen guide has nothing to train."""
        return super().train(False)

    def to(self, device: torch.device | str, dtype: torch.dtype) -> FrozenPerceptor:  # pyright: ignore
        """Moves the perceptor to `device` and its image side to `dtype`.

        A module with an attribute `visual` (open_clip's word for its image tower) keeps the rest in float32: texts are
        encoded once, so nothing is gained by losing digits there.
        """
        self.module.to(device=device)
        visual = getattr(self.module, "visual", self.module)
        visual.to(dtype=dtype)
        self.device, self.dtype = torch.device(device), dtype
        return self


def as_perceptor(obj: Any) -> FrozenPerceptor:
    """Any nn.Module with `encode_image`, `encode_text` and `image_size` as a frozen perceptor; no registration needed.

    The module itself is frozen, not a copy. One picture and one text are sent through it, so that a module that does
    not fit is told apart here and not in the middle of a run. Raises UserError.
    """
    if isinstance(obj, FrozenPerceptor):
        return obj
    kind = type(obj).__name__
    if not isinstance(obj, nn.Module):
        raise UserError(f"a perceptor must be a torch.nn.Module, got {kind}; make the class derive from it")
    missing = [a for a in ("encode_image", "encode_text", "image_size") if not hasattr(obj, a)]
    if missing:
        raise UserError(
            f"a perceptor needs encode_image(views), encode_text(list of str) and image_size, {kind} lacks "
            f"{' and '.join(missing)}; add what is missing"
        )
    module = cast(Any, obj)
    name = str(getattr(obj, "name", kind))
    mean = _three(name, "mean", getattr(obj, "mean", (0.0, 0.0, 0.0)))
    std = _three(name, "std", getattr(obj, "std", (1.0, 1.0, 1.0)))
    if min(std) <= 0:
        raise UserError(f"std of perceptor '{name}' must be above 0, got {std}")
    return FrozenPerceptor(obj, square_side(name, module.image_size), mean, std, name)


def square_side(name: str, size: Any) -> int:
    """The side of a square input given as int or (h, w). Raises UserError when it is not square or not a size."""
    sides = list(size) if isinstance(size, (tuple, list)) else [size, size]
    try:
        sides = [side.__index__() for side in sides if not isinstance(side, bool)]
    except AttributeError:
        sides = []
    if len(sides) != 2 or min(sides) < 1:
        raise UserError(f"image_size of perceptor '{name}' must be a whole number of pixels or (h, w), got {size!r}")
    if sides[0] != sides[1]:
        raise UserError(
            f"perceptor '{name}' looks at pictures of {sides[0]}x{sides[1]} pixels, but views are square; "
            "choose a model with a square input"
        )
    return sides[0]


def _three(name: str, what: str, values: Any) -> tuple[float, float, float]:
    try:
        r, g, b = (float(value) for value in values)
    except (TypeError, ValueError):
        raise UserError(f"{what} of perceptor '{name}' must be 3 numbers, one per colour, got {values!r:.80}") from None
    if not all(math.isfinite(value) for value in (r, g, b)):
        raise UserError(f"{what} of perceptor '{name}' must be finite, got {(r, g, b)}")
    return r, g, b


def _probe(perceptor: FrozenPerceptor) -> int:
    """Sends one grey picture and one text through, checks what comes out, returns the embedding size."""
    size, name = perceptor.image_size, perceptor.name
    views = torch.zeros(1, 3, size, size, device=perceptor.device, requires_grad=True)
    with torch.enable_grad():
        seen = _attempt(name, f"encode_image(float tensor [1, 3, {size}, {size}])", perceptor.encode_image, views)
    read = _attempt(name, "encode_text(['a circle'])", perceptor.encode_text, ["a circle"])
    for what, out in (("encode_image", seen), ("encode_text", read)):
        if out.ndim != 2 or out.shape[0] != 1:
            raise UserError(f"{what} of perceptor '{name}' must return [1, E] for one input, got {list(out.shape)}")
    if seen.shape[1] != read.shape[1]:
        raise UserError(
            f"perceptor '{name}' must put pictures and texts into one space, got {seen.shape[1]} numbers for a picture "
            f"and {read.shape[1]} for a text"
        )
    if not seen.requires_grad:
        raise UserError(
            f"encode_image of perceptor '{name}' passes no gradient to its input; remove no_grad or detach from it"
        )
    return seen.shape[1]


def _attempt(name: str, call: str, function: Any, argument: Any) -> Tensor:
    try:
        return function(argument)
    except UserError:
        raise
    except Exception as error:  # whatever a user's module raises becomes the sentence
        lines = str(error).strip().splitlines()
        raise UserError(
            f"{call} of perceptor '{name}' must work, got {type(error).__name__}: {lines[0][:160] if lines else ''}; "
            "see fastclipgen.perceptors.Perceptor for what it takes and returns"
        ) from error
