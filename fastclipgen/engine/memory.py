"""How much memory a run will need, said before anything is allocated, and how many pictures fit at once.

An estimate counts per picture and in plain integers, so absurd sizes cost nothing to refuse. Weights are not in it:
they are loaded already when a run is planned, and what is free has shrunk by them. Knows nothing of how a step is
carried out; the constants below say what is assumed about it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call

from fastclipgen.engine.free_memory import free_bytes
from fastclipgen.errors import UserError
from fastclipgen.perceptors.base import FrozenPerceptor

FLOAT = 4  # bytes: parameters, pictures and optimiser states are float32
CANVAS_COPIES = (
    8  # picture-sized tensors alive at the peak: the generator's intermediates, the picture, its gradient, mips
)
VIEW_COPIES = 36  # view-sized tensors at the peak of the plain-torch cutouts: up to 35 measured, colours and noise lead
ACTIVATION_SLACK = 1.3  # over what backward keeps: the temporaries of the widest layer and the allocator's rounding
USABLE = 0.9  # of what is free: other programs move too


@dataclass(frozen=True)
class Guide:
    """A perceptor's share: views per picture, their side in pixels, bytes its backward keeps per view."""

    views: int
    size: int
    activation_bytes: int


@dataclass(frozen=True)
class Estimate:
    """Bytes for each picture by purpose, and the number of pictures asked for; `size` is for the message."""

    pictures: int
    size: str
    parts: dict[str, int]

    @property
    def per_picture(self) -> int:
        return sum(self.parts.values())

    @property
    def total(self) -> int:
        return self.pictures * self.per_picture


def estimate(
    pictures: int,
    height: int,
    width: int,
    guides: Sequence[Guide],
    *,
    parameters: int | None = None,
    copies: int = 4,
) -> Estimate:
    """The estimate for `pictures` canvases of height x width (margin included).

    `parameters`: numbers per picture that the generator optimises (None: as many as the canvas has values).
    `copies`: tensors of that many numbers: parameters, gradients, optimiser slots, and average and best if kept.
    """
    values = 3 * height * width
    return Estimate(
        pictures,
        f"{width}x{height}",
        {
            "picture": CANVAS_COPIES * values * FLOAT,
            "optimiser": copies * (values if parameters is None else parameters) * FLOAT,
            "views": sum(guide.views * VIEW_COPIES * 3 * guide.size**2 * FLOAT for guide in guides),
            "perceptors": sum(int(guide.views * guide.activation_bytes * ACTIVATION_SLACK) for guide in guides),
        },
    )


def images_per_batch(run: Estimate, device: torch.device, free: int | None = None) -> int:
    """How many pictures can go through one step together: at least 1, at most those asked for.

    `free`: bytes to plan with (None: ask the device; where it cannot tell, all pictures go together). Raises UserError
    as `check` does when not even one fits.
    """
    free = free_bytes(device) if free is None else free
    if free is None or run.per_picture == 0:
        return run.pictures
    check(Estimate(1, run.size, run.parts), device, free)
    return max(1, min(run.pictures, int(free * USABLE) // run.per_picture))


def check(run: Estimate, device: torch.device, free: int | None = None) -> None:
    """Raises UserError when the estimate is more than what is free, saying both and what to make smaller."""
    free = free_bytes(device) if free is None else free
    if free is None or run.total <= free * USABLE:
        return
    largest = max(run.parts, key=lambda part: run.parts[part])
    advice = "a smaller picture" if largest in ("picture", "optimiser") else "fewer views or a smaller --clip model"
    if run.pictures > 1:
        advice += " or fewer pictures at once"
    what = f"{run.pictures} pictures" if run.pictures > 1 else "one picture"
    raise UserError(
        f"{what} of {run.size} would need about {format_bytes(run.total)} (most of it for the {largest}), but "
        f"{format_bytes(int(free * USABLE))} can be used on {device}; ask for {advice}"
    )


def guide(perceptor: FrozenPerceptor, views: int) -> Guide:
    """The share of a perceptor, in the precision it has now, that sees `views` views of each picture."""
    return Guide(views, perceptor.image_size, activation_bytes(perceptor))


def activation_bytes(perceptor: FrozenPerceptor) -> int:
    """Bytes that the backward of `encode_image` keeps for one view.

    Measured on shapes alone: one pass on the meta device counts what autograd saves, at no memory. Where a module
    cannot run there, a vision transformer of patch 16 with the module's number of parameters is assumed: of depth 12
    and width d it has 12*12*d*d parameters and keeps about 14*d numbers per token and layer, which makes
    14 * tokens * sqrt(parameters) numbers.
    """
    try:
        return _saved_bytes(perceptor)
    except Exception:  # any module of a user: whatever it does that shapes alone cannot follow
        parameters = sum(p.numel() for p in perceptor.parameters())
        tokens = (perceptor.image_size // 16) ** 2 + 1
        return int(14 * tokens * parameters**0.5) * perceptor.dtype.itemsize


class _Encode(nn.Module):
    """`encode_image` as a forward, which is what functional_call calls."""

    def __init__(self, perceptor: FrozenPerceptor) -> None:
        super().__init__()
        self.perceptor = perceptor

    def forward(self, views: Tensor) -> Tensor:
        return self.perceptor.encode_image(views)


def _saved_bytes(perceptor: FrozenPerceptor) -> int:
    module = _Encode(perceptor)
    tensors = [*module.named_parameters(), *module.named_buffers()]
    weights = {name: torch.empty_like(value, device="meta") for name, value in tensors}
    own = {value.untyped_storage()._cdata for value in weights.values()}
    saved: dict[int, Tensor] = {}  # by storage, so that views of one tensor count once; holding them keeps keys unique

    def pack(value: Tensor) -> Tensor:
        key = value.untyped_storage()._cdata
        if key not in own:
            saved[key] = value
        return value

    size = perceptor.image_size
    views = torch.empty(2, 3, size, size, device="meta", requires_grad=True)
    with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(pack, lambda value: value):
        functional_call(module, weights, (views,))
    return sum(value.untyped_storage().nbytes() for value in saved.values()) // len(views)


def format_bytes(count: int) -> str:
    """A size for people: '1.5 GiB'."""
    for exponent, unit in ((4, "TiB"), (3, "GiB"), (2, "MiB")):
        if count >= 1024**exponent:
            return f"{count / 1024**exponent:.{1 if exponent > 2 else 0}f} {unit}"
    return f"{count / 1024:.0f} KiB"
