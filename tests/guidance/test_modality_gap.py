"""Maps from texts to pictures: a rigid one is found again, few pairs turn little, neighbours are neighbours."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from fastclipgen.errors import UserError
from fastclipgen.guidance.modality_gap import Bridge, nearest, procrustes, shift

E = 8


def cone(count: int, seed: int) -> Tensor:
    """Unit vectors around a common direction, as CLIP's are."""
    generator = torch.Generator().manual_seed(seed)
    centre = 2 * torch.randn(E, generator=generator, dtype=torch.float64)
    return F.normalize(centre + torch.randn(count, E, generator=generator, dtype=torch.float64), dim=-1)


def turn(seed: int = 7) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.linalg.qr(torch.randn(E, E, generator=generator, dtype=torch.float64))[0]


def mean_cosine(one: Tensor, other: Tensor) -> float:
    return float(F.cosine_similarity(one.double(), other.double(), dim=-1).mean())


def test_procrustes_finds_a_rotation_again() -> None:
    texts, rotation = cone(50, 1), turn()
    bridge = procrustes(texts[:40], 3 * (texts[:40] @ rotation))
    torch.testing.assert_close(bridge.rotation.double(), rotation, atol=1e-5, rtol=0)
    torch.testing.assert_close(bridge(texts).double(), texts @ rotation, atol=1e-5, rtol=0)
    assert bridge(texts.float()[0]).shape == (E,)


def test_the_rotation_is_orthogonal_and_the_best() -> None:
    texts, pictures = cone(30, 1), cone(30, 2)
    found = procrustes(texts, pictures)
    torch.testing.assert_close(found.rotation @ found.rotation.T, torch.eye(E), atol=1e-6, rtol=0)
    around = texts - texts.mean(0), pictures - pictures.mean(0)
    best = float((around[0] @ found.rotation.double() - around[1]).square().sum())
    for seed in range(20):
        small = torch.linalg.matrix_exp(0.05 * (turn(seed) - turn(seed).T))
        other = float((around[0] @ found.rotation.double() @ small - around[1]).square().sum())
        assert other > best


def test_what_few_pairs_leave_open_is_left_alone() -> None:
    """Pairs that differ along two axes, turned in their plane: no other axis moves."""
    texts = torch.zeros(3, E, dtype=torch.float64)
    texts[:, 0] = 1.0
    texts[0, 1], texts[1, 2], texts[2, 1] = 0.5, 0.5, -0.5
    rotation = torch.eye(E, dtype=torch.float64)
    rotation[1:3, 1:3] = torch.tensor([[0.0, 1.0], [-1.0, 0.0]])
    basis = turn(3)  # along no axis of the numbers
    found = (basis @ procrustes(texts @ basis, texts @ rotation @ basis).rotation.double() @ basis.T).float()
    torch.testing.assert_close(found[3:, 3:], torch.eye(E - 3), atol=1e-5, rtol=0)
    torch.testing.assert_close(found[:3, 3:], torch.zeros(3, E - 3), atol=1e-5, rtol=0)
    one_pair = procrustes(texts[:1], (texts @ rotation)[:1]).rotation
    torch.testing.assert_close(one_pair, torch.eye(E), atol=1e-5, rtol=0)


def test_shift_moves_the_centre_from_sets_that_are_not_pairs() -> None:
    texts, pictures = cone(60, 1), cone(45, 2)
    bridge = shift(5 * texts, pictures)
    assert torch.equal(bridge.rotation, torch.eye(E))
    mapped = bridge(texts)
    torch.testing.assert_close(mapped.norm(dim=-1), torch.ones(60))
    centre = pictures.mean(0).expand(60, -1)
    assert mean_cosine(mapped, centre) > 0.8 > mean_cosine(texts, centre) + 0.3
    expected = F.normalize(texts - texts.mean(0) + pictures.mean(0), dim=-1)
    torch.testing.assert_close(mapped.double(), expected, atol=1e-6, rtol=0)


def test_a_bridge_moves_then_turns() -> None:
    bridge = Bridge(torch.tensor([1.0, 0.0]), torch.tensor([[0.0, 1.0], [-1.0, 0.0]]), torch.tensor([0.0, 2.0]))
    expected = F.normalize(torch.tensor([-1.0, 1.0]), dim=0)  # (0, 1) - (1, 0) = (-1, 1), turned (-1, -1), moved
    torch.testing.assert_close(bridge(torch.tensor([0.0, 3.0])), expected)


def test_nearest_pictures() -> None:
    pictures = torch.eye(4)
    texts = torch.tensor([[0.9, 0.1, 0.0, 0.0], [0.0, 0.0, 2.0, 2.0]])
    torch.testing.assert_close(nearest(texts, pictures, 1)[:1], pictures[:1])
    half = math.sqrt(0.5)
    torch.testing.assert_close(nearest(texts, pictures, 2)[1], torch.tensor([0.0, 0.0, half, half]))
    cosine = F.normalize(texts[0], dim=0)[:2] / 0.5
    weights = F.normalize(cosine.softmax(0), dim=0)
    torch.testing.assert_close(nearest(texts, 7 * pictures, 2, 0.5)[0], F.pad(weights, (0, 2)))


def test_what_cannot_be_is_said() -> None:
    with pytest.raises(UserError, match="takes pairs, got 3 texts and 2 pictures; use shift"):
        procrustes(cone(3, 1), cone(2, 2))
    for texts, pictures in ((cone(3, 1), cone(3, 1)[:, :5]), (cone(3, 1)[0], cone(3, 1)), (cone(3, 1)[:0], cone(3, 1))):
        with pytest.raises(UserError, match="embed both with the same CLIP"):
            shift(texts, pictures)
    for k in (0, 4):
        with pytest.raises(UserError, match=f"k must be 1 to 3, the number of pictures, got {k}"):
            nearest(cone(2, 1), cone(3, 2), k)
    with pytest.raises(UserError, match="temperature must be above 0"):
        nearest(cone(2, 1), cone(3, 2), 1, 0.0)
