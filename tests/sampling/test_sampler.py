"""Sampling over the cache: the same tokens as without one, whatever else is drawn beside, and no wait for the host."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import Tensor

from fastclipgen.errors import UserError
from fastclipgen.models.transformer import Transformer
from fastclipgen.ops import library
from fastclipgen.ops.philox import Stream, uniforms
from fastclipgen.sampling.choice import Choice, choose
from fastclipgen.sampling.sampler import STRIDE, Sampler

from ..watch import Watch
from .conftest import TINY

CHOICES = [Choice(), Choice(0.7, 12, 0.8), Choice(temperature=0), Choice(1.0, 20, 0.9, guidance=3.0)]


def conditions(count: int) -> Tensor:
    drawn = torch.randn(count, TINY.condition, generator=torch.Generator().manual_seed(2))
    return torch.nn.functional.normalize(drawn, dim=-1)


def seeds(count: int) -> Tensor:
    return torch.arange(count) * 1_000_003 + 2**40


@torch.no_grad()
def without_a_cache(model: Transformer, given: Tensor, uniform: Tensor, choice: Choice) -> Tensor:
    """Every token from a forward of all that came before. given [B, C], uniform [B, block]."""
    tokens = torch.zeros(len(given), 0, dtype=torch.int64)
    for k in range(TINY.block):
        logits = model(given, tokens)[:, -1]
        if choice.guided:
            assert model.null_condition is not None
            bare = model(model.null_condition.expand_as(given), tokens)[:, -1]
            logits = bare + choice.guidance * (logits - bare)
        tokens = torch.cat([tokens, choose(logits, uniform[:, k], choice)[:, None]], dim=1)
    return tokens


@pytest.mark.parametrize("choice", CHOICES)
def test_the_cache_changes_no_token(model: Transformer, choice: Choice) -> None:
    assert TINY.block > STRIDE  # more than one extent
    got = Sampler(model, 6, choice).sample(conditions(2), seeds(2), candidates=3)
    assert got.shape == (2, 3, TINY.block)
    uniform = uniforms(seeds(2), 0, Stream.TOKENS, TINY.block, 3).flatten(0, 1)
    expected = without_a_cache(model, conditions(2).repeat_interleave(3, 0), uniform, choice)
    assert torch.equal(got.flatten(0, 1), expected)
    assert len(expected.unique()) > 3


@pytest.mark.parametrize("choice", [CHOICES[1], CHOICES[3]])
def test_a_sample_depends_on_its_own_seed_and_number_only(model: Transformer, choice: Choice) -> None:
    """Not on its place, its neighbours, the number of candidates, or what the sampler drew before."""
    sampler = Sampler(model, 4, choice)
    together = sampler.sample(conditions(3), seeds(3), candidates=3)
    assert len(together.flatten(0, 1).unique(dim=0)) == 9
    for b in range(3):
        alone = sampler.sample(conditions(3)[b : b + 1], seeds(3)[b : b + 1], candidates=2)
        assert torch.equal(alone[0], together[b, :2])
    backwards = Sampler(model, 7, choice).sample(conditions(3).flip(0), seeds(3).flip(0), candidates=3)
    assert torch.equal(backwards.flip(0), together)


def test_condition_and_seed_matter(model: Transformer) -> None:
    sampler = Sampler(model, 3)
    same = sampler.sample(conditions(1).expand(3, -1), seeds(1).expand(3))
    assert torch.equal(same[0], same[1])
    one, other = sampler.sample(conditions(2), seeds(1).expand(2))
    assert not torch.equal(one, other)
    assert not torch.equal(sampler.sample(conditions(1), seeds(2)[1:])[0], one)


def test_tokens_that_were_returned_stay(model: Transformer) -> None:
    sampler = Sampler(model, 2)
    first = sampler.sample(conditions(2), seeds(2))
    kept = first.clone()
    sampler.sample(conditions(2), seeds(2) + 1)
    assert torch.equal(first, kept)


@pytest.mark.parametrize("choice", CHOICES)
def test_drawing_never_waits_for_the_host(model: Transformer, choice: Choice, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "choose", lambda *_: "reference")  # compiled operators are opaque to the watch
    sampler = Sampler(model, 2, choice)
    given, own = conditions(2), seeds(2)
    with Watch() as watch:
        sampler.sample(given, own)
    assert watch.seen > 50 * TINY.block
    assert watch.waits == []


def test_a_step_keeps_no_memory(model: Transformer) -> None:
    """The desk stays where it is from one picture to the next."""
    sampler = Sampler(model, 2)
    desk = sampler._desk
    places = [t.data_ptr() for t in (desk.inputs, desk.uniform, desk.tokens, *desk.cache[-1])]
    sampler.sample(conditions(3), seeds(3))
    desk = sampler._desk
    assert [t.data_ptr() for t in (desk.inputs, desk.uniform, desk.tokens, *desk.cache[-1])] == places


def test_bfloat16(model: Transformer) -> None:
    tokens = Sampler(model.to(torch.bfloat16), 2).sample(conditions(2), seeds(2))
    assert tokens.dtype == torch.int64
    assert 0 <= int(tokens.min()) <= int(tokens.max()) < TINY.vocabulary


@pytest.mark.parametrize("choice", [CHOICES[1], CHOICES[3]])
def test_a_step_is_one_graph_for_each_extent(
    model: Transformer, choice: Choice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="aot_eager"))
    torch._dynamo.reset()
    expected = Sampler(model, 2, choice).sample(conditions(2), seeds(2))
    sampler = Sampler(model, 2, choice, compiled=True)
    assert torch.equal(sampler.sample(conditions(2), seeds(2)), expected)
    with torch._dynamo.config.patch(error_on_recompile=True):
        again = sampler.sample(conditions(2).flip(0), seeds(2).flip(0))
    assert torch.equal(again.flip(0), expected)
    torch._dynamo.reset()


@pytest.mark.slow
def test_compiled_code_draws_the_same(model: Transformer) -> None:
    torch._dynamo.reset()
    expected = Sampler(model, 2, CHOICES[3]).sample(conditions(2), seeds(2))
    assert torch.equal(Sampler(model, 2, CHOICES[3], compiled=True).sample(conditions(2), seeds(2)), expected)
    torch._dynamo.reset()


@pytest.mark.gpu
@pytest.mark.parametrize("choice", CHOICES)
@pytest.mark.parametrize("compiled", [False, True])
def test_replays_draw_the_same(model: Transformer, choice: Choice, compiled: bool) -> None:
    model.to("cuda")
    expected = Sampler(model, 2, choice).sample(conditions(3).cuda(), seeds(3))
    sampler = Sampler(model, 2, choice, compiled=compiled, graph=True)
    for _ in range(2):
        assert torch.equal(sampler.sample(conditions(3).cuda(), seeds(3)), expected)


def test_what_cannot_be_is_said(model: Transformer, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="must draw 1 or more"):
        Sampler(model, 0)
    with pytest.raises(UserError, match="needs a CUDA device, the model is on cpu"):
        Sampler(model, 1, graph=True)
    monkeypatch.setattr("fastclipgen.sampling.sampler.obstacle", lambda device: "no compiler")
    with pytest.raises(UserError, match="cannot be compiled: no compiler"):
        Sampler(model, 1, compiled=True)
    sampler = Sampler(model, 1)
    with pytest.raises(UserError, match=r"conditions \[B, 6\] and seeds \[B\], got \[2, 5\] and \[2\]"):
        sampler.sample(conditions(2)[:, :5], seeds(2))
    with pytest.raises(UserError, match=r"got \[2, 6\] and \[1\]"):
        sampler.sample(conditions(2), seeds(1))
    with pytest.raises(UserError, match="1 or more candidates"):
        sampler.sample(conditions(1), seeds(1), candidates=0)


def test_a_compiler_that_fails_is_named(model: Transformer, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: object) -> None:
        raise RuntimeError("it broke\nsomewhere")

    sampler = Sampler(model, 1, compiled=True)
    monkeypatch.setattr(sampler, "_draw", broken)
    with pytest.raises(UserError, match=r"cannot be compiled \(it broke\); leave out compiled=True"):
        sampler.sample(conditions(1), seeds(1))
    plain = Sampler(model, 1)
    monkeypatch.setattr(plain, "_draw", broken)
    with pytest.raises(RuntimeError, match="it broke"):
        plain.sample(conditions(1), seeds(1))


def test_memory_that_is_not_there_is_not_blamed_on_the_compiler(
    model: Transformer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: object) -> None:
        raise torch.OutOfMemoryError("no room")

    sampler = Sampler(model, 1, compiled=True)
    monkeypatch.setattr(sampler, "_draw", full)
    with pytest.raises(torch.OutOfMemoryError, match="no room"):
        sampler.sample(conditions(1), seeds(1))
