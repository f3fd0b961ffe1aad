"""A learned way from texts to pictures as a file: made once from many pictures, used by every run.

safetensors; either `texts` [E], `rotation` [E, E], `pictures` [E] of a rigid map, or `gallery` [N, E] and how many of
it are `neighbours`, int64 [1].
"""

from __future__ import annotations

import torch
from safetensors.torch import save
from torch import Tensor

from fastclipgen.assets import asset
from fastclipgen.clip_gen.gallery import Bridge
from fastclipgen.config.sampling import BUILTIN
from fastclipgen.errors import UserError
from fastclipgen.guidance import modality_gap
from fastclipgen.weights.checkpoint import Advice, read_tensors
from fastclipgen.weights.names import file_of

WEIGHTS = "shapes_gallery.safetensors"
_RIGID = ("texts", "rotation", "pictures")
_ADVICE = Advice(nothing="give a file made by 'fastclipgen bridge'")


def to_bytes(bridge: Bridge) -> bytes:
    """The file's content; a rigid map in float32, pictures in float16."""
    if isinstance(bridge, modality_gap.Neighbours):
        return save({"gallery": bridge.pictures.half().contiguous(), "neighbours": torch.tensor([bridge.k])})
    return save({name: getattr(bridge, name).float().contiguous() for name in _RIGID})


def load(text: str, width: int, device: torch.device) -> Bridge:
    """The bridge in a file, or the one that ships (`builtin`), for embeddings of `width` numbers. Raises UserError for
    a file that holds none, or one of another CLIP."""
    path = asset(WEIGHTS) if text == BUILTIN else file_of(text, "text-to-image")
    tensors = {name: value.to(device).float() for name, value in read_tensors(path, "the bridge", _ADVICE).items()}
    bridge = _built(tensors)
    if bridge is None:
        raise UserError(
            f"'{path}' holds no way from texts to pictures, but {', '.join(sorted(tensors)) or 'nothing'}; give a file "
            "made by 'fastclipgen bridge'"
        )
    found = bridge.pictures.shape[-1]
    if found != width:
        raise UserError(
            f"'{path}' was made for a CLIP whose embeddings have {found} numbers, but that of this run gives {width}; "
            "make one for it with 'fastclipgen bridge'"
        )
    return bridge


def _built(tensors: dict[str, Tensor]) -> Bridge | None:
    if set(tensors) == {"gallery", "neighbours"} and tensors["gallery"].ndim == 2 and len(tensors["gallery"]):
        return modality_gap.Neighbours(tensors["gallery"], max(1, int(tensors["neighbours"])))
    if set(tensors) != set(_RIGID):
        return None
    width = tensors["pictures"].numel()
    shapes = [tuple(tensors[name].shape) for name in _RIGID]
    return modality_gap.Bridge(**tensors) if shapes == [(width,), (width, width), (width,)] else None
