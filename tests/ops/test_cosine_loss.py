from __future__ import annotations

import math

import pytest
import torch

from fastclipgen.errors import UserError
from fastclipgen.ops.cosine_loss import KINDS, cosine_loss

INF = math.inf


def draws(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def example() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Two pictures, five views, three prompts (the last of picture 1 is padding), stops amid the distances."""
    weights = torch.tensor([[1.0, -0.5, 2.0], [0.3, 1.0, 0.0]])
    stops = torch.tensor([[-INF, -1.0, 1.2], [0.9, -INF, -INF]])
    targets = draws(2, 3, 6, seed=1)
    targets[1, 2] = 0
    return draws(2, 5, 6), targets, weights, stops


def slow_distance(a: list[float], b: list[float], kind: str) -> float:
    na, nb = math.sqrt(sum(x * x for x in a)), math.sqrt(sum(x * x for x in b))
    if kind == "cosine":
        return 1 - sum(x * y for x, y in zip(a, b, strict=True)) / (na * nb)
    if kind == "l1":
        return sum(abs(x / na - y / nb) for x, y in zip(a, b, strict=True))
    if kind == "l2":
        return math.dist([x / na for x in a], [y / nb for y in b])
    return 2 * math.asin(math.sqrt(sum((x / na - y / nb) ** 2 for x, y in zip(a, b, strict=True))) / 2) ** 2


@pytest.mark.parametrize("kind", KINDS)
def test_equals_a_slow_loop(kind: str) -> None:
    embeddings, targets, weights, stops = example()
    loss, similarities = cosine_loss(embeddings, targets, weights, stops, kind)
    for b in range(2):
        total = 0.0
        for p in range(3):
            w = float(weights[b, p])
            if w == 0:
                assert similarities[b, :, p].tolist() == [0] * 5
                continue
            d = [slow_distance(view.tolist(), targets[b, p].tolist(), kind) for view in embeddings[b]]
            total += abs(w) * sum(math.copysign(1, w) * x for x in d) / len(d)
            cosines = torch.stack([torch.cosine_similarity(view, targets[b, p], dim=0) for view in embeddings[b]])
            torch.testing.assert_close(similarities[b, :, p], cosines)
        assert loss[b].item() == pytest.approx(total, rel=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_gradcheck(kind: str) -> None:
    embeddings, targets, weights, _ = example()
    # Without stops: with them the value ignores what the gradient obeys, on purpose.
    stops = torch.full((2, 3), -INF)
    near = targets[:, :1] * 1.7 + 1e-2 * draws(2, 1, 6, seed=2)  # inside the series around distance 0
    leaf = torch.cat((embeddings, near), 1).requires_grad_()
    assert torch.autograd.gradcheck(lambda e: cosine_loss(e, targets, weights, stops, kind)[0], leaf)


@pytest.mark.parametrize("kind", KINDS)
def test_gradient_flows_only_above_the_stop(kind: str) -> None:
    embeddings, targets, weights, stops = example()
    for b, p in ((0, 0), (0, 1), (0, 2), (1, 0), (1, 1)):
        only = torch.zeros_like(weights)
        only[b, p] = weights[b, p]
        leaf = embeddings.clone().requires_grad_()
        cosine_loss(leaf, targets, only, stops, kind)[0].sum().backward()
        assert leaf.grad is not None
        for n in range(5):
            d = slow_distance(embeddings[b, n].tolist(), targets[b, p].tolist(), kind)
            flows = d * math.copysign(1, weights[b, p]) > stops[b, p]
            assert bool(leaf.grad[b, n].abs().sum() > 0) == bool(flows)


def test_the_example_has_views_on_both_sides_of_a_stop() -> None:
    """Keeps the test above honest: a stop that nothing or everything passes would show little."""
    embeddings, targets, _, stops = example()
    sides = {slow_distance(v.tolist(), targets[0, 2].tolist(), "spherical") > stops[0, 2].item() for v in embeddings[0]}
    assert sides == {True, False}


def test_padding_contributes_exactly_nothing() -> None:
    embeddings, targets, weights, stops = example()
    results = []
    for count in (3, 2):
        leaf = embeddings[1:].clone().requires_grad_()
        loss, _ = cosine_loss(leaf, targets[1:, :count], weights[1:, :count], stops[1:, :count])
        (gradient,) = torch.autograd.grad(loss.sum(), leaf)
        results.append((loss, gradient))
    torch.testing.assert_close(results[0], results[1], rtol=1e-14, atol=0)
    leaf = embeddings.clone().requires_grad_()
    loss, _ = cosine_loss(leaf, torch.zeros(2, 4, 6), torch.zeros(2, 4), torch.full((2, 4), -INF))
    (gradient,) = torch.autograd.grad(loss.sum(), leaf)
    assert loss.tolist() == [0, 0]
    assert gradient.count_nonzero() == 0


@pytest.mark.parametrize("kind", KINDS)
def test_opposite_weights_push_opposite(kind: str) -> None:
    embeddings, targets, _, _ = example()
    stops = torch.full((2, 3), -INF)
    gradients = []
    for sign in (1.0, -1.0):
        leaf = embeddings.clone().requires_grad_()
        loss, _ = cosine_loss(leaf, targets, torch.full((2, 3), 0.7 * sign), stops, kind)
        gradients.append(torch.autograd.grad(loss.sum(), leaf)[0])
        assert (loss * sign > 0).all()
    assert torch.equal(gradients[0], -gradients[1])
    assert gradients[0].abs().max() > 0.01
    # A positive weight pulls: a step against its gradient raises the similarity.
    before = cosine_loss(embeddings, targets[:, :1], torch.ones(2, 1), stops[:, :1], kind)[1].mean(1)
    leaf = embeddings.clone().requires_grad_()
    pull = torch.autograd.grad(cosine_loss(leaf, targets[:, :1], torch.ones(2, 1), stops[:, :1], kind)[0].sum(), leaf)[
        0
    ]
    after = cosine_loss(embeddings - pull, targets[:, :1], torch.ones(2, 1), stops[:, :1], kind)[1].mean(1)
    assert (after > before).all()


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_spherical_gradient_is_finite_at_the_ends(sign: float) -> None:
    """Distance 0 (same direction) and the largest distance (opposite direction), in float32, some of them exactly."""
    leaf = torch.cat((draws(1, 2, 8, dtype=torch.float32), torch.eye(2, 8)[None]), 1).requires_grad_()
    targets = sign * leaf.detach() * 3
    loss, similarities = cosine_loss(leaf, targets, torch.ones(1, 4), torch.full((1, 4), -INF), "spherical")
    (gradient,) = torch.autograd.grad(loss.sum(), leaf)
    assert loss.isfinite().all()
    assert gradient.isfinite().all()
    assert gradient.abs().max() < 1e4
    alone, _ = cosine_loss(leaf[:, :1], targets[:, :1], torch.ones(1, 1), torch.full((1, 1), -INF), "spherical")
    assert alone.item() == pytest.approx(0 if sign > 0 else math.pi**2 / 2, abs=2e-2)
    assert similarities.isfinite().all()


def test_spherical_is_half_the_squared_angle() -> None:
    """2 * asin(sin(a / 2))**2 = a**2 / 2, also where the series takes over (a of about 0.0633)."""
    angles = torch.tensor([0.0, 1e-3, 0.03, 0.0632, 0.0634, 0.5, 1.5, 3.0], dtype=torch.float64)
    views = torch.stack((angles.cos(), angles.sin()), -1)[:, None]  # [B, 1, 2], one angle for each picture
    targets = torch.tensor([[[2.0, 0.0]]], dtype=torch.float64).expand(8, 1, 2)
    loss, _ = cosine_loss(views, targets, torch.ones(8, 1), torch.full((8, 1), -INF), "spherical")
    torch.testing.assert_close(loss, angles**2 / 2, rtol=1e-13, atol=2e-14)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("kind", KINDS)
def test_inactive_targets_count_as_weight_0(kind: str, dtype: torch.dtype) -> None:
    embeddings, targets, weights, stops = (t.to(dtype) for t in example())
    active = torch.tensor([[True, False, True], [False, True, True]])
    results = []
    for options in ({"weights": weights, "active": active}, {"weights": weights * active}):
        leaf = embeddings.clone().requires_grad_()
        loss, similarities = cosine_loss(leaf, targets, stops=stops, kind=kind, prompt_mean=True, **options)
        results.append((loss, similarities, torch.autograd.grad(loss.sum(), leaf)[0]))
    assert all(torch.equal(one, other) for one, other in zip(*results, strict=True))
    assert (results[0][0] != cosine_loss(embeddings, targets, weights, stops, kind, prompt_mean=True)[0]).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_perceptors_add_up(dtype: torch.dtype) -> None:
    """total + scale * loss / (weights that are not 0), with a scale of each form."""
    embeddings, targets, weights, stops = (t.to(dtype) for t in example())
    alone, _ = cosine_loss(embeddings, targets, weights, stops)
    assert weights.count_nonzero(1).tolist() == [3, 2]
    mean, _ = cosine_loss(embeddings, targets, weights, stops, prompt_mean=True)
    torch.testing.assert_close(mean, alone / torch.tensor([3, 2]))
    before = torch.tensor([0.7, -4.0], dtype=dtype)
    for scale in (-0.4, torch.tensor(2.5, dtype=dtype), torch.tensor([0.3, -1.5], dtype=dtype)):
        leaf, total = embeddings.clone().requires_grad_(), before.clone().requires_grad_()
        loss, _ = cosine_loss(leaf, targets, weights, stops, scale=scale, total=total)
        torch.testing.assert_close(loss, before + scale * alone)
        assert loss.dtype == dtype
        whole = embeddings.clone().requires_grad_()
        (expected,) = torch.autograd.grad(
            (scale * cosine_loss(whole, targets, weights, stops)[0]).square().sum(), whole
        )
        ahead = 2 * scale * alone
        found, passed = torch.autograd.grad(loss, (leaf, total), ahead)
        torch.testing.assert_close(found, expected)
        assert torch.equal(passed, ahead)
    only = before.clone().requires_grad_()
    loss, _ = cosine_loss(embeddings, targets, weights, stops, total=only)
    assert torch.autograd.grad(loss.sum(), only)[0].tolist() == [1, 1]


def test_without_prompts_the_loss_is_0() -> None:
    leaf = draws(2, 3, 4, dtype=torch.float32).requires_grad_()
    nothing = torch.zeros(2, 0)
    loss, similarities = cosine_loss(leaf, torch.zeros(2, 0, 4), nothing, nothing, prompt_mean=True)
    assert loss.tolist() == [0, 0]
    assert similarities.shape == (2, 3, 0)
    assert torch.autograd.grad(loss.sum(), leaf)[0].count_nonzero() == 0


def test_half_precision_embeddings_are_computed_in_float32() -> None:
    embeddings, targets, weights, stops = example()
    half = embeddings.to(torch.bfloat16)
    loss, similarities = cosine_loss(half, targets.to(torch.float16), weights, stops)
    expected, _ = cosine_loss(half.float(), targets.to(torch.float16).float(), weights, stops)
    assert loss.dtype == similarities.dtype == torch.float32
    assert torch.equal(loss, expected)
    assert not similarities.requires_grad


def test_a_picture_does_not_depend_on_the_batch() -> None:
    embeddings, targets, weights, stops = (t.float() for t in example())
    loss, similarities = cosine_loss(embeddings, targets, weights, stops)
    for b in range(2):
        rows = slice(b, b + 1)
        alone, similar = cosine_loss(embeddings[rows], targets[rows], weights[rows], stops[rows])
        assert torch.equal(alone[0], loss[b])
        assert torch.equal(similar[0], similarities[b])


def test_empty_batch() -> None:
    loss, similarities = cosine_loss(torch.zeros(0, 3, 4), torch.zeros(0, 2, 4), torch.zeros(0, 2), torch.zeros(0, 2))
    assert loss.shape == (0,)
    assert similarities.shape == (0, 3, 2)


def test_mistakes_are_explained() -> None:
    embeddings, targets, weights, stops = example()
    with pytest.raises(UserError, match="unknown loss 'sperical'; did you mean 'spherical'"):
        cosine_loss(embeddings, targets, weights, stops, "sperical")
    with pytest.raises(UserError, match=r"weights must be \[2, 3\]"):
        cosine_loss(embeddings, targets, weights[:, :2], stops)
    with pytest.raises(UserError, match="must agree in the first and last size"):
        cosine_loss(embeddings, targets[..., :5], weights, stops)
    with pytest.raises(UserError, match=r"got \[5, 6\]"):
        cosine_loss(embeddings[0], targets, weights, stops)
    with pytest.raises(UserError, match="at least one view"):
        cosine_loss(embeddings[:, :0], targets, weights, stops)
    with pytest.raises(UserError, match=r"stops must be \[2, 3\] \[pictures, prompts\], got \[3\]"):
        cosine_loss(embeddings, targets, weights, stops[0])
    with pytest.raises(UserError, match=r"total must be \[2\] \[pictures\], got \[1\]"):
        cosine_loss(embeddings, targets, weights, stops, total=torch.zeros(1))
    with pytest.raises(UserError, match=r"scale must be \[2\] \[pictures\] or have no dimensions, got \[2, 1\]"):
        cosine_loss(embeddings, targets, weights, stops, scale=torch.zeros(2, 1))
    with pytest.raises(UserError, match="active must be a bool tensor"):
        cosine_loss(embeddings, targets, weights, stops, active=weights)
