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
from fastclipgen.guidance.prompts import Prompt, check_total, negate, phases_of

TEXT_BATCH = 256
_LEAST = 1e-3  # length of a sum of unit vectors, below which its direction is chance


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


class Aim(Protocol):
    """Anything but a text that every perceptor can give an embedding: weight and stop as in `prompts.Prompt`."""

    @property
    def weight(self) -> float: ...

    @property
    def stop(self) -> float: ...

    def embed(self, perceptor: Encoder, device: torch.device | str) -> Tensor:
        """Float32 [E] of unit length; `device` is where the perceptor works."""
        ...


@dataclass(frozen=True, eq=False)
class ImageTarget:
    """A picture to come close to: `image` float [3,H,W] in 0..1, weight and stop as in `prompts.Prompt`."""

    image: Tensor
    weight: float = 1.0
    stop: float = -float("inf")

    def embed(self, perceptor: Encoder, device: torch.device | str) -> Tensor:
        return encode_picture(perceptor, self.image.to(device))


@dataclass(frozen=True, eq=False)
class Story:
    """When prompts act, for B pictures: each picture's phases follow each other, and after the last the first again.

    `phases` int64 [B,P]: the phase of each prompt, -1 for one that always acts; `count` int64 [B,1]: phases of a
    picture; `every` int64 [B,1]: steps that each lasts.
    """

    phases: Tensor
    count: Tensor
    every: Tensor

    def active(self, step: int | Tensor) -> Tensor:
        """Bool [B,P]: which prompts act at a step, an int or a 0-d tensor."""
        return (self.phases < 0) | (self.phases == step // self.every % self.count)


@dataclass(frozen=True, eq=False)
class Targets:
    """What one perceptor compares B pictures with; P is the longest list of prompts among them.

    `embeddings` float32 [B,P,E], unit length (zeros where padded); `weights` float32 [B,P] (0 where padded);
    `stops` float32 [B,P] (-inf: never). They go to `ops.cosine_loss` as they are. `story`: None if all always act.
    """

    embeddings: Tensor
    weights: Tensor
    stops: Tensor
    story: Story | None = None

    def active(self, step: int | Tensor) -> Tensor | None:
        """Bool [B,P]: which targets count at a step; None: all."""
        return None if self.story is None else self.story.active(step)

    def at(self, index: Tensor | slice) -> Targets:
        """The targets of the pictures `index` (int64 [M]); of a slice, in the same memory."""
        story = self.story and Story(self.story.phases[index], self.story.count[index], self.story.every[index])
        return Targets(self.embeddings[index], self.weights[index], self.stops[index], story)

    def padded(self, prompts: int, story: bool = False) -> Targets:
        """The same with padding up to so many prompts. story: with one, where there is none."""
        more = prompts - self.weights.shape[1]
        told = self.story or (_always(self.weights) if story else None)
        return Targets(
            F.pad(self.embeddings, (0, 0, 0, more)),
            F.pad(self.weights, (0, more)),
            F.pad(self.stops, (0, more), value=-float("inf")),
            told and Story(F.pad(told.phases, (0, more), value=-1), told.count, told.every),
        )


def _always(weights: Tensor) -> Story:
    """The story of prompts [B,P] that all act at every step."""
    phases = torch.full_like(weights, -1, dtype=torch.int64)
    once = phases.new_ones(len(phases), 1)
    return Story(phases, once, once)


def build_targets(
    perceptors: Sequence[Encoder],
    prompts: Sequence[Sequence[Prompt]],
    negatives: Sequence[Sequence[Prompt]] | None = None,
    aims: Sequence[Sequence[Aim]] | None = None,
    *,
    every: Sequence[int] | None = None,
    may_be_empty: bool = False,
    device: torch.device | str = "cpu",
) -> list[Targets]:
    """Targets of B pictures for each perceptor, in the order prompts, negative prompts, other aims.

    `prompts`, `negatives` and `aims` hold one list per picture; `negatives` use the ordinary syntax and are negated
    here. `every`: for each picture, how many steps a phase of its prompts' story lasts (None: one). `may_be_empty`:
    something else guides pictures that have none of these. `device` is where the perceptors work. Raises UserError
    when a picture has nothing to follow, when list lengths differ, or when a perceptor returns something that is not
    [K,E] and finite.
    """
    count = len(prompts)
    negatives = negatives if negatives is not None else [()] * count
    aims = aims if aims is not None else [()] * count
    if not len(negatives) == len(aims) == count:
        raise UserError(
            f"expected one list of negative prompts and one of image prompts for each of the {count} pictures, "
            f"got {len(negatives)} and {len(aims)}; give an empty list where there is nothing"
        )
    lists = [[*own, *map(negate, against)] for own, against in zip(prompts, negatives, strict=True)]
    for index, (own, others) in enumerate(zip(lists, aims, strict=True)):
        if not own and not others:
            if may_be_empty:
                continue
            raise UserError(f"picture {index} has neither a prompt nor an image prompt; give it at least one")
        check_total([item.weight for item in (*own, *others)], f"picture {index}")

    # Rows of a table of distinct embeddings; row 0 is the zero vector that padding points at.
    text_rows = {text: 1 + i for i, text in enumerate(dict.fromkeys(p.text for own in lists for p in own))}
    distinct = list({id(aim): aim for others in aims for aim in others}.values())
    aim_rows = {id(aim): 1 + len(text_rows) + i for i, aim in enumerate(distinct)}

    width = max((len(own) + len(others) for own, others in zip(lists, aims, strict=True)), default=0)
    rows, weights, stops, phases = [], [], [], []
    for own, others in zip(lists, aims, strict=True):
        padding = width - len(own) - len(others)
        items = [*own, *others]
        rows.append([text_rows[p.text] for p in own] + [aim_rows[id(aim)] for aim in others] + [0] * padding)
        weights.append([item.weight for item in items] + [0.0] * padding)
        stops.append([item.stop for item in items] + [-float("inf")] * padding)
        phases.append([-1 if p.phase is None else p.phase for p in own] + [-1] * (width - len(own)))
    index = torch.tensor(rows, dtype=torch.int64, device=device).view(count, width)
    weight = torch.tensor(weights, dtype=torch.float32, device=device).view(count, width)
    stop = torch.tensor(stops, dtype=torch.float32, device=device).view(count, width)
    story = None
    if any(phases_of(own) > 1 for own in lists):
        acts = torch.tensor(phases, dtype=torch.int64, device=device).view(count, width)
        turns = torch.tensor([[phases_of(own)] for own in lists], dtype=torch.int64, device=device)
        lasts = torch.tensor([[steps] for steps in every or [1] * count], dtype=torch.int64, device=device)
        story = Story(acts, turns, lasts)

    built = []
    for perceptor in perceptors:
        # where there is nothing at all, any text tells the width of what is padded
        texts = list(text_rows) or ([] if distinct else [""])
        found = [encode_texts(perceptor, texts)[: len(text_rows)]] if texts else []
        with torch.no_grad():
            found += [aim.embed(perceptor, device)[None] for aim in distinct]
        table = torch.cat([row.to(device, torch.float32) for row in found])
        built.append(Targets(F.pad(table, (0, 0, 1, 0))[index], weight, stop, story))
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
def encode_texts(perceptor: Encoder, texts: list[str]) -> Tensor:
    """Embeddings float32 [K,E], unit length, of K > 0 texts."""
    chunks = [texts[i : i + TEXT_BATCH] for i in range(0, len(texts), TEXT_BATCH)]
    found = [_checked(perceptor.encode_text(chunk), len(chunk), "encode_text") for chunk in chunks]
    return F.normalize(torch.cat(found), dim=-1)


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


def mixed(embeddings: Tensor, weights: Tensor) -> Tensor:
    """The directions [B, E] of weighted sums of unit embeddings [B, P, E], 0 where all weights [B, P] are; once a run,
    so the host may wait. Raises UserError where they cancel out."""
    whole = weights.abs().sum(1, keepdim=True)
    total = torch.einsum("bpe,bp->be", embeddings, weights / whole.clamp_min(1e-12))
    if bool(((total.norm(dim=-1) < _LEAST) & (whole[:, 0] > 0)).any()):
        raise UserError("the prompts of a picture cancel each other out; change their weights, or leave one out")
    return F.normalize(total, dim=-1)
