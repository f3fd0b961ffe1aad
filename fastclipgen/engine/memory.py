"""How much memory a run will need, said before anything is allocated, and how many pictures fit at once.

An estimate counts per picture and in plain integers, so absurd sizes cost nothing to refuse. Weights are not in it:
they are loaded already when a run is planned, and what is free has shrunk by them. Knows nothing of how a step is
carried out; the constants below say what is assumed about it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call

from fastclipgen.engine.free_memory import free_bytes
from fastclipgen.engine.micro_batch import Cut
from fastclipgen.errors import UserError
from fastclipgen.generators.base import Generator
from fastclipgen.ops import library
from fastclipgen.perceptors.base import FrozenPerceptor

FLOAT = 4  # bytes: parameters, pictures and optimiser states are float32
CANVAS_COPIES = (
    8  # picture-sized tensors alive at the peak: the generator's intermediates, the picture, its gradient, mips
)
VIEW_COPIES = 36  # view-sized tensors at the peak of the plain-torch cutouts: up to 35 measured, colours and noise lead
FUSED_VIEW_COPIES = 6  # the same of the compiled ones: the views, their gradient, either in another precision
ACTIVATION_SLACK = 1.3  # over what backward keeps: the temporaries of the widest layer and the allocator's rounding
USABLE = 0.9  # of what is free: other programs move too


@dataclass(frozen=True)
class Guide:
    """A perceptor's share: views per picture, their side in pixels, bytes its backward keeps per view, and how many
    tensors of the views' size cutouts need."""

    views: int
    size: int
    activation_bytes: int
    copies: int = VIEW_COPIES


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
    drawing: int = 0,
) -> Estimate:
    """The estimate for `pictures` canvases of height x width (margin included).

    `parameters`: numbers per picture that the generator optimises (None: as many as the canvas has values).
    `copies`: tensors of that many numbers: parameters, gradients, optimiser slots, and average and best if kept.
    `drawing`: bytes that the generator's backward keeps for a picture, where that is more than CANVAS_COPIES cover.
    """
    values = 3 * height * width
    return Estimate(
        pictures,
        f"{width}x{height}",
        {
            "picture": CANVAS_COPIES * values * FLOAT + int(drawing * ACTIVATION_SLACK),
            "optimiser": copies * (values if parameters is None else parameters) * FLOAT,
            "views": sum(guide.views * guide.copies * 3 * guide.size**2 * FLOAT for guide in guides),
            "perceptors": sum(int(guide.views * guide.activation_bytes * ACTIVATION_SLACK) for guide in guides),
        },
    )


class Plan(NamedTuple):
    """How a run goes through memory: pictures that are optimised together, and how their step is cut."""

    pictures: int
    cut: Cut


def plan(
    run: Estimate,
    device: torch.device,
    tracks: int,
    views: int,
    budget: int | None = None,
    fewer: str = "fewer views or a smaller --clip model",
) -> Plan:
    """The largest pieces that fit: all pictures, some of them, one of them with its tracks in parts, one track with
    its views in parts.

    run: the estimate of one track of each picture; views: the most that a perceptor sees of a picture; budget: bytes
    to stay within (None: what the device has free, less a reserve; where that cannot be told, nothing is cut); fewer:
    what errors advise where it is the perceptors that take most. Raises UserError where not even one view of one track
    fits.
    """
    if budget is None:
        free = free_bytes(device)
        budget = None if free is None else int(free * USABLE)
    if budget is None:
        return Plan(run.pictures, Cut())
    whole = run.per_picture * tracks
    if whole <= budget:
        return Plan(max(1, min(run.pictures, budget // max(whole, 1))), Cut())
    budget -= run.parts["optimiser"] * tracks  # kept for every track, the rest only for those under way
    rows = budget // (run.per_picture - run.parts["optimiser"])
    if rows >= 1:
        return Plan(1, Cut(rows=rows))
    together = (budget - run.parts["picture"] - run.parts["views"]) * views // max(run.parts["perceptors"], 1)
    if together < 1:
        least = {
            **run.parts,
            "optimiser": run.parts["optimiser"] * tracks,
            "perceptors": run.parts["perceptors"] // views,
        }
        raise _too_large(Estimate(1, run.size, least), budget + run.parts["optimiser"] * tracks, device, fewer)
    return Plan(1, Cut(rows=1, views=together))


def _too_large(run: Estimate, usable: int, device: torch.device, fewer: str) -> UserError:
    """The error that says what is needed, what there is and what to make smaller."""
    largest = max(run.parts, key=lambda part: run.parts[part])
    advice = "a smaller picture" if largest in ("picture", "optimiser") else fewer
    return UserError(
        f"one picture of {run.size} would need about {format_bytes(run.total)} (most of it for the {largest}), but "
        f"{format_bytes(max(usable, 0))} can be used on {device}; ask for {advice}"
    )


def is_out_of_memory(error: BaseException) -> bool:
    """CUDA and Python have errors of their own for this; torch's CPU allocator raises a plain RuntimeError."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or (
        isinstance(error, RuntimeError) and ("not enough memory" in str(error) or "DefaultCPUAllocator" in str(error))
    )


def guide(perceptor: FrozenPerceptor, views: int, device: torch.device | str) -> Guide:
    """The share of a perceptor, in the precision it has now, that sees `views` views of each picture on `device`."""
    fused = library.choose("cutouts", device) != "reference"
    copies = FUSED_VIEW_COPIES if fused else VIEW_COPIES
    return Guide(views, perceptor.image_size, activation_bytes(perceptor), copies)


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


def on_shapes(perceptor: FrozenPerceptor, views: int) -> tuple[Tensor, list[Tensor]]:
    """`encode_image` of so many views, and the weights it used, on the meta device: shapes only, at no memory."""
    module = _Encode(perceptor)
    tensors = [*module.named_parameters(), *module.named_buffers()]
    weights = {name: torch.empty_like(value, device="meta") for name, value in tensors}
    size = perceptor.image_size
    seen = torch.empty(views, 3, size, size, device="meta", requires_grad=torch.is_grad_enabled())
    return functional_call(module, weights, (seen,)), list(weights.values())


class _Draw(nn.Module):
    """Pictures of a generator, from parameters that want a gradient."""

    def __init__(self, generator: Generator) -> None:
        super().__init__()
        self.generator = generator

    def forward(self, seeds: Tensor) -> Tensor:
        params = self.generator.init(seeds)
        return self.generator.canvas({key: value.requires_grad_() for key, value in params.items()})


def drawing_on_shapes(generator: Generator, pictures: int) -> tuple[Tensor, list[Tensor]]:
    """`canvas` of so many pictures, and the weights it used, on the meta device: shapes only, at no memory."""
    module = _Draw(generator)
    tensors = [*module.named_parameters(), *module.named_buffers()]
    weights = {name: torch.empty_like(value, device="meta") for name, value in tensors}
    seeds = torch.zeros(pictures, dtype=torch.int64, device="meta")
    return functional_call(module, weights, (seeds,)), list(weights.values())


def drawing_bytes(generator: Generator) -> int:
    """Bytes that the backward of a generator's `canvas` keeps for one picture, counted on shapes alone, or on two
    pictures where the network is a program that shapes alone cannot follow."""
    try:
        return _kept_bytes(lambda: drawing_on_shapes(generator, 2)[1])
    except Exception:  # whatever a program of a user does
        return _kept_bytes(lambda: _drawn(generator, 2))


def _drawn(generator: Generator, pictures: int) -> list[Tensor]:
    """Draws so many pictures where the generator is, and gives its weights."""
    _Draw(generator)(torch.zeros(pictures, dtype=torch.int64))
    return [*generator.parameters(), *generator.buffers()]


def _saved_bytes(perceptor: FrozenPerceptor) -> int:
    return _kept_bytes(lambda: on_shapes(perceptor, 2)[1])


def _kept_bytes(run: Callable[[], list[Tensor]]) -> int:
    """Bytes that autograd keeps for one of two rows that `run` computes; it returns the weights, which do not count."""
    saved: dict[int, Tensor] = {}  # by storage, so that views of one tensor count once; holding them keeps keys unique

    def pack(value: Tensor) -> Tensor:
        saved[value.untyped_storage()._cdata] = value
        return value

    with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(pack, lambda value: value):
        weights = run()
    for weight in weights:
        saved.pop(weight.untyped_storage()._cdata, None)
    return sum(value.untyped_storage().nbytes() for value in saved.values()) // 2


def format_bytes(count: int) -> str:
    """A size for people: '1.5 GiB'."""
    for exponent, unit in ((4, "TiB"), (3, "GiB"), (2, "MiB")):
        if count >= 1024**exponent:
            return f"{count / 1024**exponent:.{1 if exponent > 2 else 0}f} {unit}"
    return f"{count / 1024:.0f} KiB"
