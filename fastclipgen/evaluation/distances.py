"""How far apart two sets of pictures are by their features. Knows neither networks nor files: tensors in, numbers out.

CMMD is that of Jayasumana et al. 2024 (arXiv 2401.09603): the squared maximum mean discrepancy (Gretton et al. 2012)
of CLIP embeddings under a Gaussian kernel. The Frechet distance of two Gaussians (Dowson and Landau 1982) is FID of
Heusel et al. 2017 (arXiv 1706.08500) where the features are Inception's.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from fastclipgen.errors import UserError

SIGMA = 10.0
SCALE = 1000.0
BLOCK = 1024  # rows at once: 10,000 pictures take 80 MB at a time instead of 800


def cmmd(x: Tensor, y: Tensor, *, sigma: float = SIGMA, biased: bool = False) -> float:
    """CMMD of embeddings x [N, E] and y [M, E], which are brought to length 1; 0 for sets of one distribution.

    It is `mmd` times 1000. biased: the V-statistic, which the authors' program computes: never below 0, and too large
    by about 10 / N + 10 / M times the `diversity.spread` of the sets, which is nothing for theirs of 30,000 pictures.
    Raises UserError as `mmd`.
    """
    unit = [F.normalize(features.double(), dim=1) for features in (x, y)]
    return SCALE * mmd(unit[0], unit[1], sigma=sigma, biased=biased)


def mmd(x: Tensor, y: Tensor, *, sigma: float, biased: bool = False) -> float:
    """The squared maximum mean discrepancy of x [N, E] and y [M, E] under exp(-|a-b|^2 / (2 sigma^2)), in float64.

    By default the U-statistic, whose mean is right for sets of any size and which may therefore lie below 0. biased:
    the V-statistic, in which a feature is compared with itself too. Raises UserError for features of different width
    and for fewer than two in a set (biased: none).
    """
    _check(x, y, least=1 if biased else 2)
    x, y = x.double(), y.double()
    return _mean_within(x, sigma, biased) + _mean_within(y, sigma, biased) - 2 * _mean(x, y, sigma)


def frechet(x: Tensor, y: Tensor) -> float:
    """The squared Frechet distance of the Gaussians with mean and covariance of x [N, E] and of y [M, E], in float64.

    Sets of no more than E pictures have a covariance without full rank, and the distance comes out too large. Raises
    UserError for features of different width and for fewer than two in a set.
    """
    _check(x, y, least=2)
    x, y = x.double(), y.double()
    return frechet_of(x.mean(0), _covariance(x), y.mean(0), _covariance(y))


def frechet_of(mean_x: Tensor, cov_x: Tensor, mean_y: Tensor, cov_y: Tensor) -> float:
    """The squared Frechet distance of two Gaussians: means [E], covariances [E, E].

    |m - n|^2 + tr(C) + tr(D) - 2 tr((C^1/2 D C^1/2)^1/2): the root is taken of symmetric matrices, which no rounding
    makes complex.
    """
    values, vectors = torch.linalg.eigh(cov_x)
    root = (vectors * values.clamp_min(0).sqrt()) @ vectors.T
    inner = root @ cov_y @ root
    shared = torch.linalg.eigvalsh((inner + inner.T) / 2).clamp_min(0).sqrt().sum()
    found = (mean_x - mean_y).square().sum() + cov_x.trace() + cov_y.trace() - 2 * shared
    return max(0.0, float(found))  # equal sets may come out below 0 by rounding


def _covariance(x: Tensor) -> Tensor:
    centred = x - x.mean(0)
    return centred.T @ centred / (len(x) - 1)


def _mean_within(x: Tensor, sigma: float, biased: bool) -> float:
    """The mean kernel of pairs in one set, less 1; a feature with itself, whose kernel is 1, adds nothing."""
    count = len(x)
    return _mean(x, x, sigma) * (1.0 if biased else count / (count - 1))


def _mean(x: Tensor, y: Tensor, sigma: float) -> float:
    """The mean of the kernel less 1 over all pairs. The ones cancel in the discrepancy, and what is left of numbers
    near 1 keeps all its digits."""
    total = x.new_zeros(())
    norms = y.square().sum(1)
    for rows in x.split(BLOCK):
        squared = rows.square().sum(1)[:, None] + norms - 2 * rows @ y.T  # [block, M]
        total += torch.expm1(squared.clamp_min(0) / (-2 * sigma**2)).sum()
    return float(total) / (len(x) * len(y))


def _check(x: Tensor, y: Tensor, least: int) -> None:
    if x.ndim != 2 or y.ndim != 2 or x.shape[1] != y.shape[1]:
        raise UserError(
            f"a distance needs features [N, E] and [M, E] of one network, got {list(x.shape)} and {list(y.shape)}"
        )
    if min(len(x), len(y)) < least:
        raise UserError(
            f"a distance needs {least} pictures or more in either set, got {len(x)} and {len(y)}; give more of them"
        )
