"""How near pictures are to others."""

from __future__ import annotations

from torch import Tensor


def psnr(images: Tensor, truth: Tensor) -> Tensor:
    """Peak signal-to-noise ratio of each picture [n, ...] in decibels, [n]; truth in 0..1, images clamped to it."""
    error = (images.clamp(0, 1) - truth).square().flatten(1).mean(1)
    return -10 * error.clamp_min(1e-9).log10()


def kernel_distance(ours: Tensor, theirs: Tensor) -> Tensor:
    """How far apart the distributions are that two samples of unit vectors, [n, E] and [m, E], come from, 0-d: 1000
    times the unbiased square of the maximum mean discrepancy, about 0 for the same one (and then below it as often).

    The kernel is (x.y + 1)^3, as in the kernel inception distance (Binkowski et al., arXiv 1801.01401), which looks at
    means, spreads and skews of features; here they are a CLIP's, as in CMMD (Jayasumana et al., arXiv 2401.09603).
    """

    def within(x: Tensor) -> Tensor:
        kernel = (x @ x.T + 1) ** 3
        return (kernel.sum() - kernel.diagonal().sum()) / (len(x) * (len(x) - 1))

    x, y = ours.double(), theirs.double()
    return 1000 * (within(x) + within(y) - 2 * ((x @ y.T + 1) ** 3).mean())
