"""Targets: what every perceptor should see in every picture, as batched tensors, computed once before the first step.

Prompts of different pictures may differ in number; shorter lists are padded with weight 0, which contributes nothing
to the loss. A text or picture that occurs more than once is encoded once. Knows nothing of files: pictures are tensors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from fastclipgen.errors import UserError
from fastclipgen.guidance.prompts import Prompt, check_total, negate

TEXT_BATCH = 256


class Encoder(Protocol):
    """The part of a perceptor that targets need; `perceptors.as_perceptor` gives it to any module."""

    @property
    def image_size(self) -> int: ...

    @property
    def mean(self) -> Sequence[float]: ...

    @property
    def std(self) -> Sequence[float]: ...

    def encode_text(self, texts: list[str]) -> Tensor: ...

    def encode_image(self, views: Tensor) -> Tensor: ...


@dataclass(frozen=True, eq=False)
class ImageTarget:
    """A picture to come close to: `image` float [3,H,W] in 0..1, weight and stop as in `prompts.Prompt`."""

    image: Tensor
    weight: float = 1.0
    stop: float = -float("inf")


@dataclass(frozen=True, eq=False)
class Targets:
    """What one perceptor compares B pictures with; P is the longest list of prompts among them.

    `embeddings` float32 [B,P,E], unit length (zeros where padded); `weights` float32 [B,P] (0 where padded);
    `stops` float32 [B,P] (-inf: never). They go to `ops.cosine_loss` as they are.
    """

    embeddings: Tensor
    weights: Tensor
    stops: Tensor

    def rows(self, start: int, end: int) -> Targets:
        """The targets of pictures start..end-1."""
        return Targets(self.embeddings[start:end], self.weights[start:end], self.stops[start:end])

    def padded(self, prompts: int) -> Targets:
        """The same with padding up to so many prompts."""
        more = prompts - self.weights.shape[1]
        return Targets(
            F.pad(self.embeddings, (0, 0, 0, more)),
            F.pad(self.weights, (0, more)),
            F.pad(self.stops, (0, more), value=-float("inf")),
        )


def build_targets(
    perceptors: Sequence[Encoder],
    prompts: Sequence[Sequence[Prompt]],
    negatives: Sequence[Sequence[Prompt]] | None = None,
    images: Sequence[Sequence[ImageTarget]] | None = None,
    *,
    device: torch.device | str = "cpu",
) -> list[Targets]:
    """Targets of B pictures for each perceptor, in the order prompts, negative prompts, images.

    `prompts`, `negatives` and `images` hold one list per picture; `negatives` use the ordinary syntax and are negated
    here. `device` is where the perceptors work. Raises UserError when a picture has nothing to
    follow, when list lengths differ, or when a perceptor returns something that is not [K,E] and finite.
    """
    count = len(prompts)
    negatives = negatives if negatives is not None else [()] * count
    images = images if images is not None else [()] * count
    if not len(negatives) == len(images) == count:
        raise UserError(
            f"expected one list of negative prompts and one of image prompts for each of the {count} pictures, "
            f"got {len(negatives)} and {len(images)}; give an empty list where there is nothing"
        )
    texts = [[*own, *map(negate, against)] for own, against in zip(prompts, negatives, strict=True)]
    for index, (own, pictures) in enumerate(zip(texts, images, strict=True)):
        if not own and not pictures:
            raise UserError(f"picture {index} has neither a prompt nor an image prompt; give it at least one")
        check_total([item.weight for item in (*own, *pictures)], f"picture {index}")

    # Rows of a table of distinct embeddings; row 0 is the zero vector that padding points at.
    text_rows = {text: 1 + i for i, text in enumerate(dict.fromkeys(p.text for own in texts for p in own))}
    distinct = list({id(item.image): item.image for own in images for item in own}.values())
    image_rows = {id(image): 1 + len(text_rows) + i for i, image in enumerate(distinct)}

    width = max((len(own) + len(pictures) for own, pictures in zip(texts, images, strict=True)), default=0)
    rows, weights, stops = [], [], []
    for own, pictures in zip(texts, images, strict=True):
        padding = width - len(own) - len(pictures)
        items = [*own, *pictures]
        found = [text_rows[p.text] for p in own] + [image_rows[id(item.image)] for item in pictures]
        rows.append(found + [0] * padding)
        weights.append([item.weight for item in items] + [0.0] * padding)
        stops.append([item.stop for item in items] + [-float("inf")] * padding)
    index = torch.tensor(rows, dtype=torch.int64, device=device).view(count, width)
    weight = torch.tensor(weights, dtype=torch.float32, device=device).view(count, width)
    stop = torch.tensor(stops, dtype=torch.float32, device=device).view(count, width)

    built = []
    for perceptor in perceptors:
        found = _encode_texts(perceptor, list(text_rows))
        found += [encode_picture(perceptor, image.to(device))[None] for image in distinct]
        table = torch.cat([row.to(device, torch.float32) for row in found])
        built.append(Targets(F.pad(table, (0, 0, 1, 0))[index], weight, stop))
    return built


@torch.no_grad()
def encode_picture(perceptor: Encoder, image: Tensor) -> Tensor:
    """Embedding float32 [E], unit length, of a picture [3,H,W] in 0..1: the mean over its `plain_views`."""
    return F.normalize(encode_views(perceptor, plain_views(image, perceptor.image_size)).mean(0), dim=0)


@torch.no_grad()
def encode_views(perceptor: Encoder, views: Tensor) -> Tensor:
    """Embeddings float32 [N,E], unit length, of views [N,3,S,S] in 0..1, normalised as the perceptor was trained."""
    mean = views.new_tensor(perceptor.mean).view(1, 3, 1, 1)
    std = views.new_tensor(perceptor.std).view(1, 3, 1, 1)
    return F.normalize(_checked(perceptor.encode_image((views - mean) / std), len(views), "encode_image"), dim=-1)


def plain_views(image: Tensor, size: int) -> Tensor:
    """Views [V,3,size,size] in 0..1, float32: the largest squares of the picture [3,H,W], resized (antialiased).

    A square picture gives one view; any other gives three, at the start, centre and end of its longer side.
    """
    height, width = image.shape[-2:]
    side = min(height, width)
    corners = dict.fromkeys((round((height - side) * t), round((width - side) * t)) for t in (0.0, 0.5, 1.0))
    return resized(torch.stack([image[:, y : y + side, x : x + side] for y, x in corners]), size)


def resized(squares: Tensor, size: int) -> Tensor:
    """Views [N,3,size,size] in 0..1, float32, of square pictures [N,3,s,s] in 0..1 (antialiased)."""
    views = F.interpolate(squares.float(), (size, size), mode="bicubic", antialias=True, align_corners=False)
    return views.clamp(0, 1)  # bicubic overshoots at edges


@torch.no_grad()
def _encode_texts(perceptor: Encoder, texts: list[str]) -> list[Tensor]:
    """Chunks float32 [k,E], unit length."""
    chunks = [texts[i : i + TEXT_BATCH] for i in range(0, len(texts), TEXT_BATCH)]
    return [F.normalize(_checked(perceptor.encode_text(chunk), len(chunk), "encode_text"), dim=-1) for chunk in chunks]


def _checked(embeddings: Tensor, count: int, method: str) -> Tensor:
    """The embeddings in float32 after a look at their shape and values (once a run, so the host may wait)."""
    if embeddings.ndim != 2 or embeddings.shape[0] != count:
        raise UserError(
            f"expected {method} of the perceptor to return [{count}, E], got {list(embeddings.shape)}; "
            "return one embedding for each input"
        )
    embeddings = embeddings.float()
    if not bool(torch.isfinite(embeddings).all()):
        raise UserError(f"{method} of the perceptor returned NaN or infinite values; check its weights and precision")
    return embeddings
