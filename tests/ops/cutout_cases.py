"""The cases that every backend of the cutouts is tested with, and what is asked of it: the error against float64.

It knows no backend; test_cutouts_native.py and tests/kernels/interpreted_cutouts.py bring theirs as a `Render`, which
takes pictures, parameters and the case.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import torch
from torch import Tensor

from fastclipgen.ops import philox
from fastclipgen.ops.cutouts import PRESETS as ALL_PRESETS
from fastclipgen.ops.cutouts import AnySpec, CutoutMix, CutoutParams, CutoutSpec, reference_cutouts, sample_cutouts


def of_kernels(spec: AnySpec) -> AnySpec:
    """What of a spec reaches the kernels: pooling and plain interpolation come before them, sharpness after them."""
    if isinstance(spec, CutoutMix):
        return replace(spec, **{name: of_kernels(getattr(spec, name)) for name in ("first", "rest")})
    return replace(spec, pool=False, bilinear=False, stretch=False, signed=False, sharpness_probability=0.0)


# Lanczos crops are made without kernels.
PRESETS: dict[str, Any] = {name: of_kernels(spec) for name, spec in ALL_PRESETS.items() if spec.resample == "mips"}

ZERO, ONE = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
SEEDS = (5, -(2**40) - 7, 2**63 - 1)
EVERYTHING = CutoutSpec(
    crop=(0.4, 1.3),
    overhang=0.3,
    aspect=(0.8, 1.25),
    rotation=40.0,
    shear=10.0,
    translate=(0.1, 0.2),
    perspective=0.5,
    flip_probability=0.5,
    brightness=0.2,
    contrast=0.2,
    saturation=0.5,
    hue=0.2,
    erase_area=(0.1, 0.3),
    erase_probability=0.7,
    noise="normal",
    noise_scale=(0.0, 0.1),
    clamp=True,
    whole=1,
    fill=(0.2, 0.5, 0.9),
)
# Half of the views with a padding that changes from step to step, the others on a grey of their own.
PADDINGS = CutoutMix(
    replace(EVERYTHING, whole=0, crop=(0.8, 1.6), padding="alternate"),
    replace(EVERYTHING, whole=0, perspective=0.0, padding="grey"),
    share=0.5,
)
TURNED = CutoutSpec(
    turn=40.0, turn_probability=0.8, perspective=0.7, zoom=(0.1, 1.0), zoom_aspect=(0.5, 2.0), zoom_probability=0.7
)
# Whole-pixel crops with every stage that they may have.
EXACT = CutoutSpec(
    integer_shift=True,
    brightness=0.2,
    contrast=0.2,
    saturation=0.5,
    hue=0.2,
    colour_probability=0.7,
    erase_area=(0.1, 0.3),
    erase_probability=0.7,
    noise="normal",
    noise_scale=(0.0, 0.2),
    clamp=True,
)


@dataclass(frozen=True)
class Case:
    name: str
    spec: AnySpec
    batch: int = 2
    height: int = 20
    width: int = 20
    views: int = 2
    size: int = 12
    patch: int = 0
    images: torch.dtype = torch.float32
    out: torch.dtype = torch.float32
    layout: str = "plain"  # how the pictures lie in memory
    step: int = 3
    mean: tuple[float, float, float] = (0.48, 0.46, 0.41)
    std: tuple[float, float, float] = (0.27, 0.26, 0.28)

    def __str__(self) -> str:
        return self.name


CASES = [
    *(Case(name, spec) for name, spec in PRESETS.items()),
    *(Case(f"everything, {p}", replace(EVERYTHING, padding=p)) for p in ("zeros", "border", "reflection", "colour")),
    Case("paddings", PADDINGS, height=13, width=11, size=9),
    Case("paddings, odd step", PADDINGS, height=13, width=11, views=4, size=9, step=4),
    Case("turned and zoomed", TURNED, height=31, width=24, views=3, size=9),
    Case("odd sizes", EVERYTHING, height=13, width=9, size=7),
    Case("odd sizes, several levels", replace(EVERYTHING, crop=(0.3, 1.0)), height=61, width=47, size=9, views=4),
    Case("level 0 to 4", CutoutSpec(crop=(0.05, 1.0), rotation=20.0), height=66, width=70, size=5, views=5),
    Case("level 2 to 3", CutoutSpec(crop=(0.7, 1.0)), height=50, width=64, size=8),
    Case("above level 5", CutoutSpec(crop=(0.5, 2.0), padding="zeros"), batch=1, height=70, width=97, size=1, views=4),
    Case("level 6 to 7", replace(PRESETS["plain"], padding="colour"), batch=1, height=150, width=131, size=2, views=1),
    Case("enlarged", replace(EVERYTHING, noise="uniform", padding="reflection"), height=5, width=6, size=20),
    Case("one pixel", EVERYTHING, height=1, width=1, size=4),
    Case("one column", replace(EVERYTHING, padding="zeros"), height=9, width=1, size=6),
    Case("views of one pixel", replace(EVERYTHING, padding="reflection"), height=10, width=11, size=1),
    Case("tiles of the GPU", replace(EVERYTHING, padding="zeros"), batch=1, height=45, width=50, size=37),
    Case("no pictures", EVERYTHING, batch=0),
    Case("no pictures, exact", EXACT, batch=0),
    Case("many seeds", replace(PRESETS["gentle"], noise_scale=(0.3, 0.4)), batch=3, step=2**32 - 1, size=10),
    Case("strided", EVERYTHING, layout="strided"),
    Case("channels last", PRESETS["gentle"], layout="channels last"),
    Case("one picture expanded", replace(PRESETS["latest"], hue=0.0), batch=3, layout="expanded"),
    Case("patches", EVERYTHING, patch=4),
    Case("odd patches", PRESETS["gentle"], patch=3, size=9),
    Case("one patch", PRESETS["crops"], patch=10, size=10),
    Case("patches of a pixel", PRESETS["plain"], patch=1, size=6),
    Case("bfloat16 out", PRESETS["latest"], out=torch.bfloat16),
    Case("float16 out, patches", PRESETS["gentle"], out=torch.float16, patch=6),
    Case("bfloat16", EVERYTHING, images=torch.bfloat16, out=torch.bfloat16, layout="strided"),
    Case("float16 in", PRESETS["latest"], images=torch.float16),
    Case("linear", CutoutSpec(crop=(0.3, 1.2), rotation=30.0, padding="reflection"), height=30, width=20),
    Case("saturation alone", CutoutSpec(crop=(0.5, 1.0), saturation=1.0)),
    Case("hue alone", CutoutSpec(crop=(0.5, 1.0), hue=0.5, colour_probability=0.5)),
    Case("exact, everything", EXACT, height=20, width=23),
    Case("exact, one size", replace(EXACT, integer_shift=False), height=12, width=12),
    Case("exact, odd sizes", EXACT, height=17, width=12, size=11, views=5),
    Case("exact, tiles of the GPU", replace(EXACT, noise="uniform"), batch=1, height=41, width=47, size=37),
    Case("exact, patches", replace(PRESETS["das"], shared_shift=True), patch=4),
    Case("exact, strided, bfloat16", EXACT, images=torch.bfloat16, out=torch.bfloat16, layout="strided"),
    Case("exact, float16", PRESETS["das"], images=torch.float16, out=torch.float16, layout="channels last", patch=6),
    Case("exact, linear", replace(PRESETS["das"], noise="none", clamp=False)),
]


def make(case: Case, device: str = "cpu") -> tuple[Tensor, CutoutParams, Tensor]:
    """Pictures in the case's dtype and layout, parameters, and the gradient of the views."""
    random = torch.Generator().manual_seed(1)
    shape = (case.batch, 3, case.height, case.width)
    images = (0.05 + 0.9 * torch.rand(shape, generator=random)).to(case.images)
    views = case.batch * case.views
    shape = (views, 3, case.size, case.size)
    if case.patch:
        shape = (views, (case.size // case.patch) ** 2, 3 * case.patch**2)
    grad = torch.randn(shape, generator=random).to(case.out)
    seeds = torch.tensor(SEEDS[: case.batch], dtype=torch.int64)
    params = sample_cutouts(case.spec, seeds, case.step, case.views, case.height, case.width, case.size)
    images = _laid_out(images, case.layout)
    return images.to(device), change(params, lambda t: t.to(device)), grad.to(device)


def change(params: CutoutParams, to: Callable[[Tensor], Tensor]) -> CutoutParams:
    names = ("matrix", "colour", "erase", "noise_scale", "seeds", "around", "sharpness")
    return params._replace(**{name: to(getattr(params, name)) for name in names if getattr(params, name) is not None})


def _laid_out(images: Tensor, layout: str) -> Tensor:
    if layout == "strided":
        wide = images.new_full((*images.shape[:3], 2 * images.shape[3]), torch.nan)
        return wide[..., ::2].copy_(images)
    if layout == "channels last":
        return images.contiguous(memory_format=torch.channels_last)
    if layout == "expanded":
        return images[:1].expand_as(images)
    return images


def poisoned(new: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """torch.empty and the like, whose memory then holds NaNs: whatever a kernel leaves unwritten shows."""

    def wrapped(*args, **kwargs) -> Tensor:
        out = new(*args, **kwargs)
        return out.fill_(torch.nan) if out.is_floating_point() else out.fill_(-1 if out.dtype.is_signed else 255)

    return wrapped


Render = Callable[[Tensor, CutoutParams, Case], Tensor]


def noise_of(kind: str, render: Render, device: str = "cpu") -> Tensor:
    """The noise of some views [B, N, 3*S*S] in float64 on the CPU, as a black picture's views show it."""
    found = []
    for size in (12, 5):  # where calls of Philox make four pixels of a row, and where they do not
        spec = replace(PRESETS["das"], noise=kind, noise_scale=(1.0, 1.0), clamp=False)
        case = Case("noise", spec, height=size + 3, width=size + 5, size=size, step=2**31, mean=ZERO, std=ONE)
        images, params, _ = make(case, device)
        found.append(render(torch.zeros_like(images), params, case).unflatten(0, (case.batch, case.views)).flatten(2))
    return torch.cat(found, 2).cpu().to(torch.float64)


def true_noise(kind: str) -> Tensor:
    """`noise_of` from its definition."""
    drawn = []
    for size in (12, 5):
        count = 3 * size**2
        uniform = philox.uniforms(torch.tensor(SEEDS[:2]), 2**31, philox.Stream.NOISE, count + count % 2, 2).double()
        if kind == "normal":
            u, v = uniform.unflatten(-1, (-1, 2)).unbind(-1)
            radius, angle = (-2.0 * (u + 2.0**-24).log()).sqrt(), v * (2.0 * torch.pi)
            uniform = torch.stack((radius * angle.cos(), radius * angle.sin()), -1).flatten(-2)
        drawn.append(uniform[..., :count])
    return torch.cat(drawn, 2)


def check_noise(render: Render, device: str = "cpu") -> None:
    """Uniform noise has the same bits on every device; normals are equal up to the rounding of float32."""
    assert torch.equal(noise_of("uniform", render, device), true_noise("uniform"))
    assert (noise_of("normal", render, device) - true_noise("normal")).abs().max() < 2**-20


def differentiate(case: Case, render: Render, device: str = "cpu", dtype: torch.dtype | None = None) -> list[Tensor]:
    """Views and the gradient to the pictures, both on the CPU in float64; dtype: of the pictures, if not the case's."""
    images, params, grad = make(case, device)
    images = images.to(dtype or images.dtype).detach().requires_grad_()
    views = render(images, params, case)
    (of_images,) = torch.autograd.grad(views, images, grad.to(views.dtype))
    return [t.detach().cpu().to(torch.float64) for t in (views, of_images)]


@cache
def references(case: Case) -> tuple[list[Tensor], list[Tensor]]:
    """Truth in float64, and plain torch in the case's dtypes."""

    def exactly(images: Tensor, params: CutoutParams, case: Case) -> Tensor:
        return reference_cutouts(images, params, case.mean, case.std, torch.float64, False, case.patch)

    def plainly(images: Tensor, params: CutoutParams, case: Case) -> Tensor:
        return reference_cutouts(images, params, case.mean, case.std, case.out, False, case.patch)

    return differentiate(case, exactly, dtype=torch.float64), differentiate(case, plainly)


# Of the largest value: where plain torch happens to make no error at all, as in whole-pixel crops, rounding remains.
FLOOR = {torch.float32: 2**-21, torch.bfloat16: 2**-9, torch.float16: 2**-11}


def errors(case: Case, got: list[Tensor], truncates: bool = False) -> list[tuple[str, float, float]]:
    """For views and gradient: name, largest error, and the error allowed: twice that of plain torch, or rounding.

    truncates: bfloat16 numbers are cut off instead of rounded.
    """
    found = []
    for name, dtype, mine, true, plain in zip(
        ("views", "gradient"), (case.out, case.images), got, *references(case), strict=True
    ):
        assert mine.shape == true.shape, f"{case}: {name} of shape {list(mine.shape)}"
        if true.numel():
            floor = 2**-7 if truncates and dtype == torch.bfloat16 else FLOOR[dtype]
            allowed = 2 * (plain - true).abs().max() + floor * true.abs().max()
            found.append((name, (mine - true).abs().nan_to_num(torch.inf).max().item(), allowed.item()))
    return found


def check(case: Case, got: list[Tensor], truncates: bool = False) -> None:
    for name, error, allowed in errors(case, got, truncates):
        assert error <= allowed, f"{case}: {name} are off by {error:.2e}, {allowed:.2e} allowed"
