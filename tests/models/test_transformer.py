"""CLIP-GEN's transformer: its sizes, what each position sees, and that the cache changes nothing."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from fastclipgen.errors import UserError
from fastclipgen.models.transformer import LARGE, MEDIUM, Geometry, Transformer, causal_attention

TINY = Geometry(layers=3, width=32, heads=4, vocabulary=11, block=9, condition=6)


@pytest.fixture
def model() -> Transformer:
    """A tiny transformer whose weights all matter."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = Transformer(TINY)
        for parameter in model.parameters():
            torch.nn.init.normal_(parameter, std=0.3)
    return model.eval()


def pictures(count: int, length: int = TINY.block) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    condition = torch.randn(count, TINY.condition, generator=generator)
    return condition, torch.randint(TINY.vocabulary, (count, length), generator=generator)


@pytest.mark.parametrize(("geometry", "count"), [(MEDIUM, 336_669_696), (LARGE, 751_334_144)])
def test_parameter_counts(geometry: Geometry, count: int) -> None:
    with torch.device("meta"):
        model = Transformer(geometry)
    assert sum(parameter.numel() for parameter in model.parameters()) == count


def test_a_position_sees_the_condition_and_the_tokens_before_it(model: Transformer) -> None:
    condition, tokens = pictures(1, TINY.block - 1)
    before = model(condition, tokens)
    assert before.shape == (1, TINY.block, TINY.vocabulary)
    tokens[0, 4] = (tokens[0, 4] + 1) % TINY.vocabulary
    changed = (model(condition, tokens) != before).any(-1)[0]
    assert changed.tolist() == [False] * 5 + [True] * 4  # token 4 enters at position 5
    assert (model(condition + 1, tokens) != before).any(-1).all()


def test_the_logits_of_a_beginning_are_those_of_the_whole(model: Transformer) -> None:
    condition, tokens = pictures(2, TINY.block - 1)
    whole = model(condition, tokens)
    torch.testing.assert_close(model(condition, tokens[:, :3]), whole[:, :4])
    torch.testing.assert_close(model(condition, tokens[:, :0]), whole[:, :1])


@pytest.mark.parametrize("stride", [1, 4, TINY.block])
@torch.no_grad()
def test_decoding_gives_the_logits_of_the_whole(model: Transformer, stride: int) -> None:
    """At any extent, and in a cache that other pictures have been through."""
    cache = model.new_cache(2)
    for values in cache:
        values[0].fill_(7.0)
        values[1].fill_(-9.0)
    condition, tokens = pictures(2, TINY.block - 1)
    whole = model(condition, tokens)
    inputs = model.condition(condition)
    for k in range(TINY.block):
        extent = min(TINY.block, (k // stride + 1) * stride)
        logits = model.decode(inputs, torch.tensor([k]), cache, extent)
        torch.testing.assert_close(logits, whole[:, k], atol=1e-5, rtol=1e-5)
        inputs = model.tokens(tokens[:, min(k, TINY.block - 2)])


def test_the_cache_is_one_tensor_of_the_precision_of_the_weights(model: Transformer) -> None:
    cache = model.to(torch.bfloat16).new_cache(5)
    parts = [part for layer in cache for part in layer]
    assert len(parts) == 2 * TINY.layers
    assert {(tuple(part.shape), part.dtype, part.requires_grad) for part in parts} == {
        ((5, 4, 9, 8), torch.bfloat16, False)
    }
    assert len({part.untyped_storage().data_ptr() for part in parts}) == 1
    assert len({part.data_ptr() for part in parts}) == len(parts)
    assert all(part.is_contiguous() and part.eq(0).all() for part in parts)


def test_attention_in_bfloat16_on_a_processor_is_attention() -> None:
    whole = [torch.randn(2, 3, 20, 8, generator=torch.Generator().manual_seed(k)) for k in range(4)]
    query, key, value = (part.bfloat16().requires_grad_() for part in whole[:3])
    exact = [part.detach().float().requires_grad_() for part in (query, key, value)]
    found, expected = causal_attention(query, key, value, 0.0), causal_attention(exact[0], exact[1], exact[2], 0.0)
    torch.testing.assert_close(found.float(), expected, atol=0.03, rtol=0.02)
    found.backward(whole[3].bfloat16())
    expected.backward(whole[3])
    for mine, theirs in zip((query, key, value), exact, strict=True):
        assert mine.grad is not None
        assert theirs.grad is not None
        torch.testing.assert_close(mine.grad.float(), theirs.grad, atol=0.06, rtol=0.05)
    with torch.no_grad():  # nothing seen ahead: the first position is its own value
        drawn = causal_attention(whole[0].bfloat16(), whole[1].bfloat16(), whole[2].bfloat16(), 0.0)
        assert torch.equal(drawn[:, :, 0], value[:, :, 0])


@pytest.mark.parametrize("silent", ["mix", "narrow"])
def test_dropout_is_for_training_only_and_in_both_halves_of_a_block(silent: str) -> None:
    model = Transformer(TINY, dropout=0.5)
    for block in model.blocks:  # one half adds nothing
        torch.nn.init.zeros_(block.get_submodule(silent).get_parameter("weight"))
    condition, tokens = pictures(2, 4)
    with torch.random.fork_rng():
        assert not torch.equal(model(condition, tokens), model(condition, tokens))
    model.eval()
    assert torch.equal(model(condition, tokens), model(condition, tokens))


def test_geometries_that_cannot_be() -> None:
    with pytest.raises(UserError, match="multiple of its heads, got 32 and 5"):
        Geometry(layers=1, width=32, heads=5)
    with pytest.raises(UserError, match="must be 1 or more"):
        Geometry(layers=0, width=32, heads=4)
