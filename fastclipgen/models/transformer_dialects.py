"""The weights of a CLIP-GEN transformer under clip-gen's names -> those of transformer.py, and the geometry they show.

There every block is an nn.TransformerEncoderLayer and carries its causal mask as a buffer. Pure functions of names and
tensors; weights that already have our names pass as they are. A checkpoint of either kind may hold `null_condition`
beside the weights (transformer.py says what it is). Knows nothing of files.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from fastclipgen.errors import UserError
from fastclipgen.models.fill import fill
from fastclipgen.models.transformer import Geometry, Transformer

Tensors = Mapping[str, Tensor]

HEAD_WIDTH = 64  # of GPT-2 in all sizes; weights do not show the number of heads
_OUTSIDE = {"tok_emb": "tokens", "cond_proj": "condition", "norm": "norm", "head": "head"}
_INSIDE = {
    "norm1": "attention_norm",
    "self_attn.out_proj": "mix",
    "norm2": "mlp_norm",
    "linear1": "widen",
    "linear2": "narrow",
}


def build(tensors: Tensors, label: str, heads: int | None = None) -> Transformer:
    """A transformer with these weights, under clip-gen's names or ours, in float32 and eval mode.

    heads: None takes one for every 64 numbers of width. `label` names the checkpoint in errors. Raises UserError where
    it is no such transformer, lacks a weight or has one too many, or holds values that are not finite.
    """
    geometry, ours = adopt(tensors, label, heads)
    with torch.device("meta"):
        null = torch.zeros(geometry.condition) if "null_condition" in ours else None
        model = Transformer(geometry, null_condition=null)
    fill(model, ours, f"the transformer in {label}")
    return model.eval()


def adopt(tensors: Tensors, label: str, heads: int | None = None) -> tuple[Geometry, dict[str, Tensor]]:
    """The geometry of a transformer, inferred from its weights, and these under the names of transformer.py.

    Arguments as in `build`. Names that clip-gen does not use are kept as they are, for `build` to complain of.
    Raises UserError where the tensors are no transformer of CLIP-GEN's.
    """
    ours = dict(_renamed(tensors)) if "tok_emb.weight" in tensors else dict(tensors)
    try:
        vocabulary, width = ours["tokens.weight"].shape
        block, condition = len(ours["positions"]), ours["condition.weight"].shape[1]
    except (KeyError, ValueError, IndexError):
        names = ", ".join(f"'{name}'" for name in list(tensors)[:3]) or "no tensors"
        raise UserError(
            f"{label} holds no transformer of CLIP-GEN: expected 'tok_emb.weight', 'pos_emb' and 'cond_proj.weight', "
            f"got {names}; give a checkpoint such as gpt_coco.pt"
        ) from None
    layers = {name.split(".")[1] for name in ours if name.startswith("blocks.")}
    heads = heads or max(1, width // HEAD_WIDTH)
    return Geometry(len(layers), width, heads, vocabulary, block, condition), ours


def _renamed(tensors: Tensors) -> Iterator[tuple[str, Tensor]]:
    for name, value in tensors.items():
        if name == "pos_emb":
            yield "positions", value.flatten(0, -2)  # [1, block, D]
        elif name.startswith("blocks."):
            _, number, rest = name.split(".", 2)
            if rest != "mask":
                yield f"blocks.{number}.{_inside(rest.removeprefix('encoder.'))}", value
        else:
            part, dot, kind = name.rpartition(".")
            yield _OUTSIDE.get(part, part) + dot + kind, value


def _inside(name: str) -> str:
    """Our name of a weight within a block; its own where it is unknown."""
    if name.startswith("self_attn.in_proj_"):
        return name.replace("self_attn.in_proj_", "qkv.")  # the same rows: queries, keys, values
    part, dot, kind = name.rpartition(".")
    return _INSIDE.get(part, part) + dot + kind
