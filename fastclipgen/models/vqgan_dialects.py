"""VQGAN weights as different programs name them -> the names of vqgan.py, and the geometry that they show.

Two dialects. taming-transformers: VQModel, GumbelVQ, and either as `first_stage_model.` inside the checkpoint of a
transformer. clip-gen: layers numbered along each network, attention as torch's MultiheadAttention, norms with another
eps. Pure functions of names and tensors; what else a checkpoint holds (losses, discriminators, transformers) is left
out. Knows nothing of files.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any

import torch
from torch import Tensor, nn

from fastclipgen.errors import UserError
from fastclipgen.models.fill import fill
from fastclipgen.models.vqgan import VQGAN, Geometry
from fastclipgen.models.vqgan_layers import CHANNELS, Attention, Block

Tensors = Mapping[str, Tensor]

CLIP_GEN_EPS = 1e-5
_NETWORKS = ("encoder.", "decoder.", "quant_conv.", "post_quant_conv.")
_CODEBOOK = ("quantize.embedding.weight", "quantize.embed.weight", "quantize.proj.weight", "quantize.proj.bias")
_BLOCK = {"norm1": "block.0", "conv1": "block.2", "norm2": "block.3", "conv2": "block.6", "nin_shortcut": "shortcut"}


def adopt(tensors: Tensors, label: str) -> tuple[Geometry, dict[str, Tensor]]:
    """The geometry of a VQGAN of either dialect, inferred from its weights, and these under the names of vqgan.py.

    `label` names the checkpoint in errors. Raises UserError where it is of neither dialect, incomplete, or no
    VQGAN of the kind in vqgan.py.
    """
    for prefix in ("", "first_stage_model."):
        inner = {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
        try:
            if "quantizer.embedding.weight" in inner:
                geometry = _checked(_clip_gen_geometry(inner), label)
                return geometry, dict(_from_clip_gen(inner, geometry))
            if "quantize.embedding.weight" in inner or "quantize.embed.weight" in inner:
                kept = {k: v for k, v in inner.items() if k.startswith(_NETWORKS) or k in _CODEBOOK}
                return _checked(_taming_geometry(kept), label), kept
        except KeyError as error:
            raise UserError(f"the VQGAN in {label} is incomplete, it lacks {error}; fetch it again") from None
    raise UserError(
        f"{label} holds no VQGAN: expected a codebook, 'quantize.embedding.weight' (taming-transformers) or "
        f"'quantizer.embedding.weight' (clip-gen), got {_some(tensors)}; give a VQGAN's checkpoint"
    )


def build(tensors: Tensors, label: str) -> VQGAN:
    """A VQGAN with these weights, of either dialect, in float32 and eval mode, without gradients. Raises UserError as
    `adopt`, and where weights do not fit together or are not finite."""
    geometry, ours = adopt(tensors, label)
    with torch.device("meta"):
        model = VQGAN(geometry)
    fill(model, ours, f"the VQGAN in {label}")
    return model.eval().requires_grad_(False)


def geometry_of_config(config: Any, label: str) -> Geometry:
    """The geometry that the YAML file of a taming-transformers model states, already parsed. Raises UserError where it
    is not such a file."""
    try:
        model = config["model"]
        if "first_stage_config" in model["params"]:  # of a transformer
            model = model["params"]["first_stage_config"]
        params = model["params"]
        networks = params["ddconfig"]
        sides = [int(networks["resolution"]) >> level for level in range(len(networks["ch_mult"]))]
        return Geometry(
            channels=int(networks["ch"]),
            multipliers=tuple(int(m) for m in networks["ch_mult"]),
            attention=tuple(k for k, side in enumerate(sides) if side in networks["attn_resolutions"]),
            blocks=int(networks["num_res_blocks"]),
            z_channels=int(networks["z_channels"]),
            embed=int(params["embed_dim"]),
            codes=int(params["n_embed"]),
            gumbel=str(model["target"]).endswith("GumbelVQ"),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(
            f"{label} should state a VQGAN as taming-transformers does (model.target, model.params.ddconfig, "
            f"embed_dim, n_embed), but {type(error).__name__}: {error}; leave it out: the weights tell the geometry"
        ) from None


def check_agreement(stated: Geometry, found: Geometry, label: str) -> None:
    """Raises UserError where a YAML file states another geometry than the weights have."""
    for field in fields(Geometry):
        said, is_so = getattr(stated, field.name), getattr(found, field.name)
        if field.name != "eps" and said != is_so:
            raise UserError(
                f"{label} states {field.name} {said}, but the weights have {is_so}; give the file that belongs to the "
                "checkpoint, or leave it out"
            )


def _checked(geometry: Geometry, label: str) -> Geometry:
    if min(geometry.channels, *geometry.multipliers) < 1 or geometry.channels % CHANNELS:
        raise UserError(
            f"the VQGAN in {label} begins with {geometry.channels} channels, times {geometry.multipliers}; those of "
            f"this architecture are multiples of {CHANNELS}; give a checkpoint of taming-transformers or clip-gen"
        )
    return geometry


def _taming_geometry(tensors: Tensors) -> Geometry:
    gumbel = "quantize.embed.weight" in tensors
    channels = len(tensors["encoder.conv_in.weight"])
    levels = _count(tensors, "encoder.down.")
    widths = [len(tensors[f"encoder.down.{level}.block.0.conv1.weight"]) for level in range(levels)]
    codes, embed = tensors["quantize.embed.weight" if gumbel else "quantize.embedding.weight"].shape
    return Geometry(
        channels=channels,
        multipliers=tuple(width // channels for width in widths),
        attention=tuple(k for k in range(levels) if f"encoder.down.{k}.attn.0.norm.weight" in tensors),
        blocks=_count(tensors, "encoder.down.0.block."),
        z_channels=len(tensors["post_quant_conv.weight"]),
        embed=embed,
        codes=codes,
        gumbel=gumbel,
    )


def _clip_gen_geometry(tensors: Tensors) -> Geometry:
    channels = len(tensors["encoder.conv_in.weight"])
    widths: list[list[int]] = [[]]  # of the blocks of every level
    attention = set()
    for number in range(_count(tensors, "encoder.down.")):
        layer = f"encoder.down.{number}"
        if f"{layer}.conv.weight" in tensors:
            widths.append([])
        elif f"{layer}.norm.weight" in tensors:
            attention.add(len(widths) - 1)
        else:
            widths[-1].append(len(tensors[f"{layer}.block.2.weight"]))
    if not all(widths):
        raise KeyError(f"encoder.down.N.block of level {widths.index([])}")
    codes, embed = tensors["quantizer.embedding.weight"].shape
    return Geometry(
        channels=channels,
        multipliers=tuple(level[-1] // channels for level in widths),
        attention=tuple(sorted(attention)),
        blocks=len(widths[0]),
        z_channels=len(tensors["decoder.quant_conv_in.weight"]),
        embed=embed,
        codes=codes,
        eps=CLIP_GEN_EPS,
    )


def _from_clip_gen(tensors: Tensors, geometry: Geometry) -> Iterator[tuple[str, Tensor]]:
    """(our name, tensor) of every weight; KeyError for one that is not there."""
    with torch.device("meta"):
        model = VQGAN(geometry)
    ours = {module: name for name, module in model.named_modules()}
    down, up = list(model.encoder.layers()), list(model.decoder.layers())
    places: list[tuple[str, str, nn.Module]] = [
        *((f"encoder.down.{i}", ours[layer], layer) for i, layer in enumerate(down[:-3])),
        *((f"encoder.mid.{i}", ours[layer], layer) for i, layer in enumerate(down[-3:])),
        *((f"decoder.mid.{i}", ours[layer], layer) for i, layer in enumerate(up[:3])),
        *((f"decoder.up.{i}", ours[layer], layer) for i, layer in enumerate(up[3:])),
    ]
    pairs = {
        "encoder.conv_in": "encoder.conv_in", "encoder.final.0": "encoder.norm_out",
        "encoder.final.2": "encoder.conv_out", "encoder.final.3": "quant_conv",
        "decoder.quant_conv_in": "post_quant_conv", "decoder.conv_in": "decoder.conv_in",
        "decoder.final.0": "decoder.norm_out", "decoder.final.2": "decoder.conv_out",
    }  # fmt: skip
    for theirs, name, layer in places:
        if isinstance(layer, Attention):
            pairs[f"{theirs}.norm"] = f"{name}.norm"
            yield from _attention(tensors, theirs, name)
        elif isinstance(layer, Block):
            pairs |= {f"{theirs}.{_BLOCK[part]}": f"{name}.{part}" for part, _ in layer.named_children()}
        else:
            pairs[f"{theirs}.conv"] = f"{name}.conv"
    for theirs, name in pairs.items():
        yield f"{name}.weight", tensors[f"{theirs}.weight"]
        yield f"{name}.bias", tensors[f"{theirs}.bias"]
    yield "quantize.embedding.weight", tensors["quantizer.embedding.weight"]


def _attention(tensors: Tensors, theirs: str, name: str) -> Iterator[tuple[str, Tensor]]:
    """torch's MultiheadAttention of one head as 1x1 convolutions."""
    weights = tensors[f"{theirs}.attn.in_proj_weight"].chunk(3)
    biases = tensors[f"{theirs}.attn.in_proj_bias"].chunk(3)
    for part, weight, bias in zip("qkv", weights, biases, strict=True):
        yield f"{name}.{part}.weight", weight[..., None, None]
        yield f"{name}.{part}.bias", bias
    yield f"{name}.proj_out.weight", tensors[f"{theirs}.attn.out_proj.weight"][..., None, None]
    yield f"{name}.proj_out.bias", tensors[f"{theirs}.attn.out_proj.bias"]


def _count(tensors: Tensors, prefix: str) -> int:
    """How many numbers follow the prefix; KeyError where there is none."""
    numbers = {name[len(prefix) :].partition(".")[0] for name in tensors if name.startswith(prefix)}
    if not numbers:
        raise KeyError(f"{prefix}0")
    return len(numbers)


def _some(tensors: Tensors) -> str:
    names = [f"'{name}'" for name in list(tensors)[:3]]
    return f"{', '.join(names)} and {len(tensors) - len(names)} more" if names else "no tensors"
