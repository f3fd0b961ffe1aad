"""How well pictures fit their texts by a CLIP's embeddings. Knows neither CLIPs nor files: tensors in, numbers out.

The CLIP score is that of Hessel et al. 2021 (arXiv 2104.08718) without its factor of 2.5 and its cut at 0, as CLIP is
reported for generated pictures: 100 * cos. R-precision is that of Park et al. 2021 ("Benchmark for compositional
text-to-image synthesis"): whether a picture's own text is the nearest of all.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from fastclipgen.errors import UserError


def similarities(images: Tensor, texts: Tensor) -> Tensor:
    """100 * cosine, float64 [N, K], of embeddings of pictures [N, E] and texts [K, E], of any length above 0.

    Raises UserError where they are not of one CLIP.
    """
    if images.ndim != 2 or texts.ndim != 2 or images.shape[1] != texts.shape[1]:
        raise UserError(
            f"pictures and texts must be embedded by the same CLIP, as [N, E] and [K, E], got {list(images.shape)} and "
            f"{list(texts.shape)}; embed both with one model"
        )
    return 100 * F.normalize(images.double(), dim=1) @ F.normalize(texts.double(), dim=1).T


def own_scores(scores: Tensor, own: Tensor) -> Tensor:
    """The CLIP score of each picture, [N], out of `similarities` [N, K]; own: int64 [N], which text is a picture's."""
    return scores.gather(1, own[:, None])[:, 0]


def ranks(scores: Tensor, own: Tensor) -> Tensor:
    """The place, int64 [N], 1 for the nearest, of a picture's own text among all K, out of `similarities` [N, K].

    A text that is as near as the own one goes before it, so that a CLIP which tells nothing apart gets nothing right.
    A similarity that is no number counts as the last place.
    """
    mine = own_scores(scores, own)[:, None]
    ahead = torch.isnan(scores) | torch.isnan(mine) | (scores >= mine)
    ahead.scatter_(1, own[:, None], False)
    return 1 + ahead.sum(1)


def r_precision(places: Tensor, among: int, best: int = 1) -> float | None:
    """R@best: the share of pictures, 0..1, whose own text is among the `best` nearest of `among` texts.

    places: `ranks` [N]. None where it says nothing: no pictures, or no more than `best` texts to choose from.
    """
    if not len(places) or among <= best:
        return None
    return float((places <= best).double().mean())
