"""How far pictures are from others, each by itself: what an autoencoder is trained to make small."""

from __future__ import annotations

from torch import Tensor

ERRORS = ("l2", "l1")


def error_of(images: Tensor, truth: Tensor, kind: str = "l2", edges: float = 0.0) -> Tensor:
    """The mean over the values of each picture [B, 3, H, W] of its squared ("l2") or absolute ("l1") difference, [B].

    edges: weight of the mean absolute difference between the slopes of both, from pixel to pixel along rows and
    columns, which is what blur makes wrong (gradient difference, Mathieu et al., arXiv 1511.05440, with exponent 1).
    """
    off = images - truth
    error = (off.square() if kind == "l2" else off.abs()).flatten(1).mean(1)
    if not edges:
        return error
    along = [off.diff(dim=dim).abs().flatten(1).mean(1) for dim in (2, 3)]
    return error + edges * (along[0] + along[1])
