"""Weights of a WGAN's generator from whoever wrote them: our files, which say what they are, and Text2ImageClip's.

What its layers are called there is not known, so they are told by their order and shapes: kernels, and the norm behind
each but the last. Its critic is left out: it draws nothing, and which plane stands for which attribute is not in the
file. Reads no file.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from fastclipgen.errors import UserError
from fastclipgen.models.about import About, stated
from fastclipgen.models.cvae_dialects import CELEBA
from fastclipgen.models.fill import fill
from fastclipgen.models.wgan import BOTTOM, Generator, Geometry

KEY = "fastclipgen.wgan"  # of a file's metadata
_THEIRS = "generator_state_dict."
_LATENT = 100  # of Text2ImageClip; what else its first layer takes are attributes
_NORM = ("weight", "bias", "running_mean", "running_var")


def is_wgan(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> bool:
    """Whether these are weights that `about` takes."""
    return KEY in metadata or any(name.startswith(_THEIRS) for name in tensors)


def about(tensors: Mapping[str, Tensor], metadata: Mapping[str, str], what: str) -> About[Geometry]:
    """What the weights are, by what the file says or, where it says nothing, by their order and shapes as those of
    Text2ImageClip. what: names the model in errors. Raises UserError."""
    if KEY in metadata:
        return stated(metadata[KEY], lambda values: Geometry(**values), what)
    kernels = [layer["weight"] for layer in _layers(tensors) if layer["weight"].ndim == 4]
    widths = [len(kernel) for kernel in kernels[1:]]
    halving = [widths[-1] << level for level in reversed(range(len(widths)))] if widths else []
    attributes = len(kernels[0]) - _LATENT if widths else 0
    if not widths or widths != halving or kernels[-1].shape[1] != 3 or attributes not in (0, len(CELEBA)):
        raise UserError(
            f"{what} is no WGAN: expected the metadata '{KEY}' of fastclipgen train wgan-gp, or Text2ImageClip's "
            f"generator_state_dict with a latent of {_LATENT}, none or {len(CELEBA)} attributes, and maps half as wide "
            f"from layer to layer; got layers of {[list(kernel.shape) for kernel in kernels]}"
        )
    side = BOTTOM << len(widths)
    return About(Geometry(side, _LATENT, attributes, 0, widths[-1]), CELEBA[:attributes])


def build(tensors: Mapping[str, Tensor], found: About[Geometry], what: str) -> Generator:
    """The generator in eval mode, in float32, without gradients. Raises UserError where weights are missing, of other
    shapes or not finite."""
    with torch.device("meta"):
        model = Generator(found.geometry)
    if any(name.startswith(_THEIRS) for name in tensors):
        tensors = _ours(tensors, model)
    # the step counters of batch norms are integers and read by nobody
    counters = {name: torch.zeros(()) for name in model.state_dict() if name.endswith("num_batches_tracked")}
    fill(model, {**tensors, **counters}, what)
    return model.eval().requires_grad_(False)


def _layers(tensors: Mapping[str, Tensor]) -> list[dict[str, Tensor]]:
    """The layers of Text2ImageClip's generator that have a weight, in the file's order, by the last word of a name."""
    layers: dict[str, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        if name.startswith(_THEIRS):
            layer, _, part = name.rpartition(".")
            layers.setdefault(layer, {})[part] = value
    return [layer for layer in layers.values() if "weight" in layer]


def _ours(tensors: Mapping[str, Tensor], model: Generator) -> dict[str, Tensor]:
    """Its weights under our names. A bias before a batch norm is taken up by the norm's mean."""
    found: dict[str, Tensor] = {}
    ours = [name.rpartition(".")[0] for name in model.state_dict() if name.endswith(".weight")]
    shift: Tensor | None = None
    for name, layer in zip(ours, _layers(tensors), strict=False):  # where some are missing, `fill` says which
        if layer["weight"].ndim == 4:
            shift = layer.get("bias")
            parts = {part: layer[part] for part in ("weight", "bias") if part in layer}
            if name != ours[-1]:
                parts.pop("bias", None)
        else:
            parts = {part: layer[part] for part in _NORM if part in layer}
            if shift is not None and "running_mean" in parts:
                parts["running_mean"] = parts["running_mean"] - shift
        found |= {f"{name}.{part}": value for part, value in parts.items()}
    return found
