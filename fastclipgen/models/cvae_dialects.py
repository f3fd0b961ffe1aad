"""Weights of a ClipCVAE from whoever wrote them: our files, which say what they are, and those of Text2ImageClip.

The latter hold the CLIP that made the embeddings too (`clip_model.*`), which is left out. Reads no file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from fastclipgen.errors import UserError
from fastclipgen.models.about import About, stated
from fastclipgen.models.cvae import ORIGINAL, ClipCVAE, Geometry
from fastclipgen.models.fill import fill

KEY = "fastclipgen.cvae"  # of a file's metadata
_CLIP = "clip_model."
RAW = 10.0  # stands for the lengths that CLIP's text embeddings have by themselves, which Text2ImageClip left them
_NEEDED = ("encoder.0.weight", "fc_mu.weight", "decoder_input.weight")

_CELEBA = """
    5_o_Clock_Shadow Arched_Eyebrows Attractive Bags_Under_Eyes Bald Bangs Big_Lips Big_Nose Black_Hair Blond_Hair
    Blurry Brown_Hair Bushy_Eyebrows Chubby Double_Chin Eyeglasses Goatee Gray_Hair Heavy_Makeup High_Cheekbones Male
    Mouth_Slightly_Open Mustache Narrow_Eyes No_Beard Oval_Face Pale_Skin Pointy_Nose Receding_Hairline Rosy_Cheeks
    Sideburns Smiling Straight_Hair Wavy_Hair Wearing_Earrings Wearing_Hat Wearing_Lipstick Wearing_Necklace
    Wearing_Necktie Young
"""
CELEBA = tuple(_CELEBA.split())
"""The attributes of CelebA, in their order."""


def about(tensors: Mapping[str, Tensor], metadata: Mapping[str, str], what: str) -> About[Geometry]:
    """What the weights are, by what the file says or, where it says nothing, by their shapes as those of
    Text2ImageClip. what: names the model in errors. Raises UserError."""
    if KEY in metadata:
        return stated(metadata[KEY], _geometry, what)
    if missing := [name for name in _NEEDED if name not in tensors]:
        raise UserError(f"{what} is no CVAE: it lacks '{missing[0]}'; give a file of fastclipgen train cvae")
    first, mean, into = (tensors[name] for name in _NEEDED)
    condition = into.shape[1] - len(mean)
    if first.shape[1] != 3 + condition or 0 < condition < len(CELEBA):
        raise UserError(
            f"the decoder of {what} takes conditions of {condition} numbers, its encoder {first.shape[1] - 3}; "
            "expected 40 attributes and an embedding for both, as Text2ImageClip has them"
        )
    channels, name = [len(first)], 2
    while (weight := tensors.get(f"encoder.{name}.weight")) is not None:
        channels.append(len(weight))
        name += 3
    bottom = round((len(into) / channels[-1]) ** 0.5)
    attributes = min(condition, len(CELEBA))
    geometry = replace(
        ORIGINAL,
        side=bottom << len(channels),
        latent=len(mean),
        attributes=attributes,
        embedding=condition - attributes,
        channels=tuple(channels),
    )
    clip, length = ("ViT-B-32:openai", RAW) if condition > attributes else ("", 1.0)
    return About(geometry, CELEBA[:attributes], clip, length)


def build(tensors: Mapping[str, Tensor], found: About[Geometry], what: str) -> ClipCVAE:
    """The network in eval mode, in float32. Raises UserError where weights are missing, of other shapes or not
    finite."""
    with torch.random.fork_rng([]):  # what its weights begin as is not used
        model = ClipCVAE(found.geometry)
    own = {name: value for name, value in tensors.items() if not name.startswith(_CLIP)}
    own.setdefault("prior_mean", torch.zeros(found.geometry.latent))
    own.setdefault("prior_factor", torch.eye(found.geometry.latent))
    # the step counters of batch norms are integers and read by nobody
    counters = {name: torch.zeros(()) for name in model.state_dict() if name.endswith("num_batches_tracked")}
    fill(model, own | counters, what)
    return model.eval()


def _geometry(values: Mapping[str, Any]) -> Geometry:
    return Geometry(**{**values, "channels": tuple(values["channels"])})
