"""Of many candidates for a text, those that CLIP finds closest to it. Takes whatever draws pictures from tokens."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from fastclipgen.errors import UserError
from fastclipgen.guidance.targets import Encoder, encode_views, resized

SHIFTS = ((0, 0), (1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, -1), (1, -1), (-1, 1))
"""Where the views of a candidate lie, in sixteenths of its side; the first one is the picture as it is."""

Decode = Callable[[Tensor], Tensor]
"""Tokens int64 [n, L] -> square pictures [n, 3, s, s] in -1..1, beyond which they may reach a little."""


class Ranked(NamedTuple):
    """The best candidates of P texts, best first."""

    candidates: Tensor  # int64 [P, keep], which of the K they are
    tokens: Tensor  # int64 [P, keep, L]
    images: Tensor  # float32 [P, keep, 3, s, s] in 0..1
    similarities: Tensor  # float32 [P, keep], cosine of picture and text, the mean over views


@torch.no_grad()
def rerank(
    decode: Decode,
    perceptor: Encoder,
    texts: Tensor,
    tokens: Tensor,
    keep: int,
    *,
    batch: int = 16,
    views: int = 1,
    compat_clip_gen: bool = False,
) -> Ranked:
    """The `keep` best of K candidates for each of P texts. All pictures are in memory at the same time.

    texts: embeddings of the texts [P, E]. tokens: candidates int64 [P, K, L]. batch: pictures decoded and seen at once.
    views: how many of SHIFTS each is seen through: a CLIP's judgement wavers from place to place, a mean less.
    compat_clip_gen: score as clip-gen's demo does, which shows CLIP what the decoder gives as it is, in -1..1, resized
    without antialiasing and not normalised with CLIP's mean and deviation. Of equals the first is better.
    Raises UserError.
    """
    if tokens.ndim != 3 or texts.ndim != 2 or len(texts) != len(tokens):
        raise UserError(
            f"rerank takes embeddings [P, E] of texts and candidates [P, K, L], got {list(texts.shape)} and "
            f"{list(tokens.shape)}; give as many texts as lists of candidates"
        )
    texts_count, candidates, _ = tokens.shape
    if not 1 <= keep <= candidates:
        raise UserError(
            f"keep must be 1 to {candidates}, the number of candidates, got {keep}; draw more, or keep less"
        )
    if batch < 1:
        raise UserError(f"batch must be 1 or more, got {batch}")
    look = _as_clip_gen if compat_clip_gen else _as_trained
    if not 1 <= views <= len(SHIFTS):
        raise UserError(f"views must be 1 to {len(SHIFTS)}, got {views}")
    images, embeddings = [], []
    for part in tokens.flatten(0, 1).split(batch):
        drawn = decode(part).float()  # [n, 3, s, s]
        embeddings.append(_through_views(look, perceptor, drawn, views))
        images.append(_to_unit(drawn))
    seen = torch.cat(embeddings).view(texts_count, candidates, -1)  # [P, K, E]
    if seen.shape[-1] != texts.shape[-1]:
        raise UserError(
            f"texts and pictures must be embedded by the same CLIP, got {texts.shape[-1]} numbers for a text and "
            f"{seen.shape[-1]} for a picture; embed the texts with this perceptor"
        )
    similarities = torch.einsum("pke,pe->pk", seen, F.normalize(texts.to(seen), dim=-1))
    similarities, order = similarities.sort(dim=1, descending=True, stable=True)
    order = order[:, :keep]
    rows = order + candidates * torch.arange(texts_count, device=order.device)[:, None]  # [P, keep]
    return Ranked(order, tokens.flatten(0, 1)[rows], torch.cat(images)[rows], similarities[:, :keep])


def _to_unit(drawn: Tensor) -> Tensor:
    return ((drawn + 1) / 2).clamp(0, 1)


def _through_views(look: Callable[[Encoder, Tensor], Tensor], perceptor: Encoder, drawn: Tensor, views: int) -> Tensor:
    """The mean embedding of the views, what comes into sight being the nearest pixel of the picture."""
    side = drawn.shape[-1]
    step = max(1, side // 16)
    wider = F.pad(drawn, (step,) * 4, mode="replicate")
    seen = [
        look(perceptor, wider[..., y : y + side, x : x + side])
        for x, y in ((step + step * right, step + step * down) for right, down in SHIFTS[:views])
    ]
    return torch.stack(seen).mean(0)


def _as_trained(perceptor: Encoder, drawn: Tensor) -> Tensor:
    return encode_views(perceptor, resized(_to_unit(drawn), perceptor.image_size))


def _as_clip_gen(perceptor: Encoder, drawn: Tensor) -> Tensor:
    size = perceptor.image_size
    views = F.interpolate(drawn, (size, size), mode="bilinear", align_corners=False)
    return F.normalize(perceptor.encode_image(views).float(), dim=-1)
