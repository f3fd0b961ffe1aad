"""Weights of FastGANs as different files hold them -> those of fastgan.py, and the geometry that they show.

Files of the original program hold networks side by side, `g` and `d`: `<it>.pth` where g is the moving average, and
`all_<it>.pth` where it is not and `g_ema` is that average as a list without names. Every convolution is under spectral
norm, written by torch's hook (weight_orig, weight_u, weight_v) or its later parametrization; here it is divided out.
Our own files hold plain weights. Pure functions of names and tensors; knows nothing of files.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from fastclipgen.errors import UserError
from fastclipgen.models import fastgan_discriminator as discriminator
from fastclipgen.models.fastgan import SIDES, SMALLEST, FastGAN, Geometry
from fastclipgen.models.fastgan_discriminator import Discriminator
from fastclipgen.models.fill import fill

Tensors = Mapping[str, Tensor]

_BUFFERS = ("_u", "_v", ".running_mean", ".running_var", ".num_batches_tracked")  # ends of names of no parameters
_TRANSPOSED = "init.init.0.weight"  # has its output channels second
_PARAMETRIZED = {
    ".parametrizations.weight.original": ".weight_orig",
    ".parametrizations.weight.0._u": ".weight_u",
    ".parametrizations.weight.0._v": ".weight_v",
}


def build(tensors: Tensors, label: str, average: bool = True) -> FastGAN:
    """A generator with these weights (weights.checkpoint.read_tensors), in float32 and eval mode, without gradients.

    average: take the moving average of the weights where the file holds one. The running statistics of its norms are
    then those of other weights: `calibrated` is False, see fastgan.settle. `label` names the checkpoint in
    errors. Raises UserError where the tensors are no such generator, incomplete or not finite.
    """
    averaged = "g_ema.0" in tensors and average
    named = _averaged(tensors, label) if averaged else part(tensors, "g")
    ours = fold(named, f"the FastGAN in {label}")
    geometry = geometry_of(ours, label)
    with torch.device("meta"):
        model = FastGAN(geometry)
    fill(model, ours, f"the FastGAN in {label}")
    # `<it>.pth` holds an average too: g and d with nothing beside them
    model.calibrated = not (averaged or ("g_ema.0" not in tensors and any(n.startswith("d.") for n in tensors)))
    return model.eval().requires_grad_(False)


def geometry_of(tensors: Tensors, label: str) -> Geometry:
    """The geometry of a generator, from folded weights. Raises UserError where they are not a FastGAN's."""
    try:
        latent, first = tensors["init.init.0.weight"].shape[:2]
        sides = [side for side in SIDES[1:] if f"feat_{side}.1.weight" in tensors]
        widths = (first // 2, *(len(tensors[f"feat_{side}.1.weight"]) // 2 for side in sides))
    except (KeyError, ValueError, IndexError, TypeError):
        widths, latent, sides = (), 0, []
    if tuple(sides) != SIDES[1 : len(widths)] or not sides or sides[-1] < SMALLEST:
        names = ", ".join(f"'{name}'" for name in list(tensors)[:3]) or "no tensors"
        raise UserError(
            f"{label} holds no FastGAN: expected a generator's 'init.init.0' and 'feat_8.1' to 'feat_{SMALLEST}.1' or "
            f"finer, got {names}; give a checkpoint such as all_100000.pth"
        )
    return Geometry(widths, latent)


def build_discriminator(tensors: Tensors, label: str) -> Discriminator:
    """The discriminator of the same files, `d`, of either variant, as `build` makes the generator. Raises UserError
    where there is none."""
    ours = fold(part(tensors, "d"), f"the discriminator in {label}")
    try:
        geometry = _discriminator_geometry(ours)
    except (KeyError, ValueError, IndexError):
        raise UserError(
            f"{label} holds no discriminator of a FastGAN: expected 'd' with 'down_from_big.0', 'down_64' and "
            "'rf_big'; give a checkpoint such as all_100000.pth, which has both networks"
        ) from None
    with torch.device("meta"):
        model = Discriminator(geometry)
    fill(model, ours, f"the discriminator in {label}")
    return model.eval().requires_grad_(False)


def _discriminator_geometry(tensors: Tensors) -> discriminator.Geometry:
    """KeyError, ValueError or IndexError where it is none."""
    vendored = "rf_big.0.main.0.weight" in tensors
    if "down_from_big.2.weight" in tensors:
        size = 1024
    elif tensors["down_from_big.0.weight"].shape[-1] == 4:
        size = 512
    else:
        size = 1024 // min(part for part in (4, 8, 16, 32) if f"down_{part}.main.0.weight" in tensors)
    base = len(tensors["down_64.main.0.weight"]) // 8
    judge = len(tensors["rf_small.0.main.0.weight"]) if vendored else None
    # the first stage doubles the side to 16, where the width is 4 times the base; half of its channels are gates
    decoder = len(tensors[f"decoder_big.main.{0 if vendored else 1}.1.weight"]) // 8
    return discriminator.Geometry(size, base, "vendored" if vendored else "upstream", judge, decoder)


def part(tensors: Tensors, network: str) -> dict[str, Tensor]:
    """The tensors of one network ("g", "d") of a file that holds several, or all of them, without `module.`."""
    inside = {n.removeprefix(f"{network}."): t for n, t in tensors.items() if n.startswith(f"{network}.")}
    return {name.removeprefix("module."): tensor for name, tensor in (inside or tensors).items()}


def fold(tensors: Tensors, what: str) -> dict[str, Tensor]:
    """Weights under spectral norm divided by it, as in eval mode: weight_orig / (u^T W v), where W has a row for every
    output channel. Others as they are. `what` names the network in errors. Raises UserError where u or v is missing or
    does not fit."""
    named = {_hooked(name): tensor for name, tensor in tensors.items()}
    folded: dict[str, Tensor] = {}
    for name, tensor in named.items():
        if name.endswith("weight_orig"):
            stem = name.removesuffix("_orig")
            try:
                u, v, wide = (t.float() for t in (named[f"{stem}_u"], named[f"{stem}_v"], tensor))
                rows = wide.transpose(0, 1) if stem == _TRANSPOSED else wide
                folded[stem] = wide / torch.dot(u, rows.flatten(1) @ v)
            except (KeyError, RuntimeError) as error:
                raise UserError(f"{what} lacks the spectral norm of '{stem}' ({error}); fetch it again") from None
        elif not name.endswith(("weight_u", "weight_v")):
            folded[name] = tensor
    return folded


def _hooked(name: str) -> str:
    """The name that torch's older spectral norm has for a weight of the later one."""
    for later, older in _PARAMETRIZED.items():
        if name.endswith(later):
            return name.removesuffix(later) + older
    return name


def _averaged(tensors: Tensors, label: str) -> dict[str, Tensor]:
    """g with its parameters replaced by those of the list g_ema, which has them in the order of g's."""
    named = part(tensors, "g")
    parameters = [name for name in named if not name.endswith(_BUFFERS)]
    count = sum(name.startswith("g_ema.") for name in tensors)
    averages = [tensors.get(f"g_ema.{place}") for place in range(count)]
    fits = [a is not None and a.shape == named[n].shape for n, a in zip(parameters, averages, strict=False)]
    if len(parameters) != count or not all(fits):
        raise UserError(
            f"the list 'g_ema' in {label} holds {count} tensors that are not those of its 'g', which has "
            f"{len(parameters)} parameters; take the weights of 'g', or fetch it again"
        )
    return named | {n: a for n, a in zip(parameters, averages, strict=True) if a is not None}
