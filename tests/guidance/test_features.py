"""The loss of a target from embeddings: literal values, every way to choose, and a plain loop over frames as truth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from fastclipgen.guidance.features import (
    KINDS,
    SELECTS,
    FeatureLoss,
    fair_scales,
    mean_similarity,
    similarity,
    target_loss,
)
from fastclipgen.ops import library

from ..watch import Watch

MIXES = {"cosine": ("cosine",) * 3, "several": ("l1", "cosine", "l2"), "l2": ("l2",) * 3}
CLOSE: dict[str, Any] = {"atol": 1e-5, "rtol": 1e-5}


def asked(batch: int = 2, frames: int = 3, count: int = 3, width: int = 8, **changed: Any) -> dict[str, Any]:
    """Arguments of `target_loss`, of lengths other than 1 and weights of both signs."""
    generator = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    return {
        "seen": 3 * normal(batch, frames, width),
        "features": 0.2 * normal(batch, count, width),
        "weights": normal(batch, frames, count),
        "scales": 0.5 + normal(batch, frames, count).abs(),
        "auto_scale": 0.5 + normal(batch, count).abs(),
        "kinds": ("cosine",) * count,
        "active": torch.ones(1, count, dtype=torch.bool),
        "select": "all",
    } | changed


def flat(cosines: Sequence[float], **changed: Any) -> FeatureLoss:
    """One frame and unit features in the plane with these cosines to it; weights and scales 1."""
    columns = torch.tensor([[c, (1 - c * c) ** 0.5] for c in cosines])
    count = len(cosines)
    found = {
        "seen": torch.tensor([[[2.0, 0.0]]]),
        "features": columns[None],
        "weights": torch.ones(1, 1, count),
        "scales": torch.ones(1, 1, count),
        "auto_scale": torch.ones(1, count),
        "kinds": ("cosine",) * count,
        "active": torch.ones(1, count, dtype=torch.bool),
        "select": "all",
    } | changed
    return target_loss(**found)


def numbers(*values: float) -> Tensor:
    return torch.tensor([[values]])


def slowly(
    seen: Tensor,
    features: Tensor,
    weights: Tensor,
    scales: Tensor,
    auto_scale: Tensor,
    kinds: Sequence[str],
    active: Tensor,
    select: str,
) -> tuple[Tensor, Tensor]:
    """CLIPig's computation, frame after frame and feature after feature."""
    distance = {
        "cosine": lambda x, y: 1 - F.cosine_similarity(x, y, dim=0),
        "l1": lambda x, y: 100 * F.l1_loss(x, y),
        "l2": lambda x, y: 100 * F.mse_loss(x, y),
    }
    batch, frames, count = weights.shape
    losses, similar = torch.zeros(batch, frames), torch.zeros(batch, frames, count)
    for b in range(batch):
        on = [i for i in range(count) if active.expand(batch, -1)[b, i]]
        wanted = [F.normalize(feature, dim=0) for feature in features[b]]
        for n in range(frames):
            shown = F.normalize(seen[b, n], dim=0)
            for i in range(count):
                similar[b, n, i] = 100 * float(shown @ wanted[i]) * auto_scale[b, i] * scales[b, n, i]
            if select == "mix":
                total = sum(abs(float(weights[b, n, i])) for i in on)
                mixed = sum((weights[b, n, i] * wanted[i] for i in on), torch.zeros(seen.shape[-1])) / (total or 1)
                losses[b, n] = distance[kinds[0]](shown, mixed) if total else 0.0
                continue
            if select == "best":
                on_now = [max(on, key=lambda i: float(similar[b, n, i]))] if on else []
            elif select == "worst":
                on_now = [min(on, key=lambda i: float(similar[b, n, i]))] if on else []
            else:
                on_now = on
            losses[b, n] = sum(weights[b, n, i] * distance[kinds[i]](shown, wanted[i]) for i in on_now)
    return losses, similar


def test_literal_values_of_every_loss() -> None:
    assert {*KINDS.values()} == {"cosine", "l1", "l2"}
    for kind, value in {"cosine": 0.4, "l1": 100 * (0.4 + 0.8) / 2, "l2": 100 * (0.16 + 0.64) / 2}.items():
        found = flat([0.6], kinds=(kind,), weights=numbers(-2.0), scales=numbers(0.5), auto_scale=torch.tensor([[3.0]]))
        torch.testing.assert_close(found.loss, torch.tensor([[-2 * value]]))
        torch.testing.assert_close(found.similarities, numbers(100 * 0.6 * 0.5 * 3))


@pytest.mark.parametrize(
    ("select", "expected", "used"),
    [
        ("all", 2 * 0.4 + 3 * 0.2 + 5 * 1.0, [True, True, True]),
        ("best", 3 * 0.2, [False, True, False]),
        ("worst", 5 * 1.0, [False, False, True]),
        # (2 * (.6, .8) + 3 * (.8, .6) + 5 * (0, 1)) / 10 = (.36, .84)
        ("mix", 1 - 0.36 / (0.36**2 + 0.84**2) ** 0.5, [True, True, True]),
    ],
)
def test_literal_values_of_every_choice(select: str, expected: float, used: list[bool]) -> None:
    found = flat([0.6, 0.8, 0.0], weights=numbers(2, 3, 5), select=select)
    torch.testing.assert_close(found.loss, torch.tensor([[expected]]))
    assert found.used.tolist() == [[used]]
    shares = [0.2, 0.3, 0.5] if select == "mix" else [2 * 0.4, 3 * 0.2, 5 * 1.0]
    wanted = [expected * share if select == "mix" else share * on for share, on in zip(shares, used, strict=True)]
    torch.testing.assert_close(found.parts, numbers(*wanted))


def test_mix_is_not_normalised_again_and_knows_signs() -> None:
    found = flat([0.6, 0.0], weights=numbers(1, -3), select="mix", kinds=("l2", "cosine"))
    # ((.6, .8) - 3 * (0, 1)) / 4 = (.15, -.55)
    torch.testing.assert_close(found.loss, torch.tensor([[100 * (0.85**2 + 0.55**2) / 2]]))


def test_scales_and_times_decide_what_is_best() -> None:
    assert flat([0.6, 0.8], scales=numbers(2, 1), select="best").used.tolist() == [[[True, False]]]
    assert flat([0.6, 0.8], auto_scale=torch.tensor([[2.0, 1.0]]), select="worst").used.tolist() == [[[False, True]]]
    active = torch.tensor([[True, False]])
    for select in SELECTS:
        assert flat([0.6, 0.8], active=active, select=select).used.tolist() == [[[True, False]]]
        torch.testing.assert_close(flat([0.6, 0.8], active=active, select=select).loss, torch.tensor([[0.4]]))


def test_the_first_of_several_alike() -> None:
    for select in ("best", "worst"):
        assert flat([0.6, 0.6, 0.6], select=select).used.tolist() == [[[True, False, False]]]
        later = flat([0.6, 0.6, 0.6], select=select, active=torch.tensor([[False, True, True]]))
        assert later.used.tolist() == [[[False, True, False]]]


@pytest.mark.parametrize("select", SELECTS)
@pytest.mark.parametrize("kinds", MIXES)
def test_as_a_plain_loop_has_it(select: str, kinds: str) -> None:
    given = asked(kinds=MIXES[kinds], select=select, active=torch.tensor([[True, True, False], [True, True, True]]))
    found, (loss, similar) = target_loss(**given), slowly(**given)
    torch.testing.assert_close(found.loss, loss, **CLOSE)
    torch.testing.assert_close(found.parts.sum(-1), loss, **CLOSE)
    torch.testing.assert_close(found.similarities, similar, atol=1e-3, rtol=1e-5)


def test_the_fused_op_and_plain_torch_agree() -> None:
    def slopes(backend: str) -> tuple[Tensor, Tensor]:
        given = asked(active=torch.tensor([[True, False, True]]))
        given["seen"].requires_grad_()
        with library.using(backend, "cpu"):
            loss = target_loss(**given).loss
        return loss, torch.autograd.grad(loss.sum(), given["seen"])[0]

    torch.testing.assert_close(slopes("auto"), slopes("reference"), **CLOSE)
    given = asked(kinds=("cosine", "cosine", "l1"), active=torch.tensor([[True, True, False]]))
    fused = target_loss(**{**given, "kinds": ("cosine",) * 3}).loss
    torch.testing.assert_close(target_loss(**given).loss, fused, **CLOSE)


@pytest.mark.parametrize("select", SELECTS)
def test_without_active_features_the_loss_is_0(select: str) -> None:
    given = asked(select=select, kinds=MIXES["several"], active=torch.zeros(1, 3, dtype=torch.bool))
    given["seen"].requires_grad_()
    found = target_loss(**given)
    assert found.loss.tolist() == [[0.0] * 3] * 2
    assert not found.used.any()
    assert not torch.autograd.grad(found.loss.sum(), given["seen"])[0].any()
    none = target_loss(**asked(count=0, select=select))
    assert (none.loss.tolist(), none.used.shape) == ([[0.0] * 3] * 2, (2, 3, 0))
    assert mean_similarity(none.similarities).tolist() == [[0.0] * 3] * 2


@pytest.mark.parametrize("kind", ["cosine", "l1", "l2"])
def test_a_mix_of_nothing_is_0_with_a_finite_slope(kind: str) -> None:
    for weights in (torch.zeros(1, 1, 2), numbers(1, -1)):  # none, and two that cancel each other
        seen = torch.tensor([[[2.0, 0.0]]], requires_grad=True)
        found = flat([0.6, 0.6], seen=seen, weights=weights, kinds=(kind,) * 2, select="mix")
        (slope,) = torch.autograd.grad(found.loss.sum(), seen)
        assert bool(slope.isfinite().all())
        assert (float(found.loss.detach()) == 0) == (not weights.any())


@pytest.mark.parametrize("select", SELECTS)
@pytest.mark.parametrize("kinds", MIXES)
def test_slopes_are_right_and_only_of_distances(select: str, kinds: str) -> None:
    given = asked(kinds=MIXES[kinds], select=select)
    given = {key: value.double() if key not in ("kinds", "active", "select") else value for key, value in given.items()}
    seen = given.pop("seen").requires_grad_()
    assert torch.autograd.gradcheck(lambda x: target_loss(x, **given).loss, (seen,))
    weights = similarity(seen, given["features"])
    assert not weights.requires_grad
    found = target_loss(seen, **given)
    assert not found.similarities.requires_grad
    through = target_loss(seen, **{**given, "weights": (seen.sum(-1, keepdim=True) + given["weights"])}).loss
    fixed = target_loss(seen, **{**given, "weights": (seen.sum(-1, keepdim=True) + given["weights"]).detach()}).loss
    assert torch.equal(torch.autograd.grad(through.sum(), seen)[0], torch.autograd.grad(fixed.sum(), seen)[0])


def test_where_frame_and_feature_are_the_same_slopes_are_finite() -> None:
    for kind in ("cosine", "l1", "l2"):
        seen = torch.tensor([[[2.0, 0.0]]], requires_grad=True)
        found = flat([1.0, -1.0], seen=seen, kinds=(kind,) * 2)
        assert bool(torch.autograd.grad(found.loss.sum(), seen)[0].isfinite().all())


@pytest.mark.parametrize("select", SELECTS)
@pytest.mark.parametrize("kinds", MIXES)
def test_a_picture_alone_is_the_same(select: str, kinds: str) -> None:
    given = asked(kinds=MIXES[kinds], select=select)
    together = target_loss(**given)
    tensors = [key for key, value in given.items() if isinstance(value, Tensor) and key != "active"]
    for row in range(2):
        alone = target_loss(**{**given, **{key: given[key][row : row + 1] for key in tensors}})
        for one, all_ in zip(alone, together, strict=True):
            torch.testing.assert_close(one, all_[row : row + 1], **CLOSE)


@pytest.mark.parametrize(("kinds", "select"), [("cosine", "all"), *(("several", select) for select in SELECTS)])
def test_one_graph_for_all_epochs_that_waits_for_nothing(select: str, kinds: str) -> None:
    given = asked(kinds=MIXES[kinds], select=select)
    torch._dynamo.reset()
    compiled = torch.compile(target_loss, fullgraph=True, backend="aot_eager")
    compiled(**given)
    changed = {**given, "weights": -given["weights"], "active": torch.tensor([[False, True, True]])}
    with torch._dynamo.config.patch(error_on_recompile=True):
        found = compiled(**changed)
    for one, other in zip(found, target_loss(**changed), strict=True):
        torch.testing.assert_close(one, other, **CLOSE)
    with library.using("reference", "cpu"), Watch() as watch:
        target_loss(**given)
    assert watch.seen > 5
    assert watch.waits == []


def test_half_precision_is_computed_in_single() -> None:
    for kinds in MIXES.values():
        given = asked(kinds=kinds)
        half = target_loss(**{**given, "seen": given["seen"].bfloat16()})
        exact = target_loss(**{**given, "seen": given["seen"].bfloat16().float()})
        assert half.loss.dtype == torch.float32
        torch.testing.assert_close(half.loss, exact.loss, **CLOSE)


def test_similarities_before_scales() -> None:
    given = asked()
    plain = target_loss(**{**given, "scales": torch.ones(2, 3, 3), "auto_scale": torch.ones(2, 3)})
    found = similarity(given["seen"], given["features"])
    torch.testing.assert_close(found, plain.similarities, atol=1e-4, rtol=1e-5)
    torch.testing.assert_close(mean_similarity(found), found.mean(-1))


def test_fair_scales_make_all_features_as_similar_as_the_least() -> None:
    similar = torch.tensor([[20.0, 25.0, 40.0], [10.0, 10.0, 5.0]])
    scales = fair_scales(similar)
    torch.testing.assert_close(scales, torch.tensor([[1.0, 0.8, 0.5], [0.5, 0.5, 1.0]]))
    torch.testing.assert_close(scales * similar, torch.tensor([[20.0] * 3, [5.0] * 3]))
    # CLIPig's reciprocals would be infinite, and negative
    torch.testing.assert_close(fair_scales(torch.tensor([[0.0, -30.0, 20.0]])), torch.tensor([[1.0, 1.0, 0.05]]))
    assert fair_scales(torch.zeros(2, 0)).shape == (2, 0)
