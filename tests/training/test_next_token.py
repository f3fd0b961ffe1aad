"""The loss of CLIP-GEN's transformer, what is done to its conditions, and which weights decay."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from fastclipgen.errors import UserError
from fastclipgen.models.transformer import Geometry, Transformer
from fastclipgen.training.next_token import decay_groups, next_token_loss, with_dropout, with_noise

TINY = Geometry(layers=1, width=16, heads=2, vocabulary=7, block=5, condition=4)


@pytest.fixture
def model() -> Transformer:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Transformer(TINY)


def test_the_loss_is_that_of_every_token_given_those_before(model: Transformer) -> None:
    generator = torch.Generator().manual_seed(1)
    conditions = torch.randn(3, 4, generator=generator)
    tokens = torch.randint(7, (3, 5), generator=generator)
    surprises = [
        -model(conditions[b : b + 1], tokens[b : b + 1, :k])[0, k].log_softmax(0)[tokens[b, k]]
        for b in range(3)
        for k in range(5)
    ]
    loss = next_token_loss(model, conditions, tokens)
    torch.testing.assert_close(loss, torch.stack(surprises).mean())
    loss.backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in model.parameters())


def test_the_loss_in_half_precision_is_float32(model: Transformer) -> None:
    loss = next_token_loss(model.to(torch.bfloat16), torch.zeros(1, 4).bfloat16(), torch.zeros(1, 5, dtype=torch.int64))
    assert loss.dtype == torch.float32


def test_pictures_are_learned_by_heart(model: Transformer) -> None:
    conditions, tokens = torch.eye(4)[:3], torch.tensor([[1, 2, 3, 4, 5], [6, 5, 4, 3, 2], [0, 0, 1, 1, 0]])
    optimizer = torch.optim.AdamW(decay_groups(model, 0.01), lr=1e-2, betas=(0.9, 0.95))
    assert next_token_loss(model, conditions, tokens) > 1.0
    for _ in range(60):
        optimizer.zero_grad()
        next_token_loss(model, conditions, tokens).backward()
        optimizer.step()
    assert next_token_loss(model, conditions, tokens) < 0.1
    assert model(conditions, tokens[:, :-1]).argmax(-1).tolist() == tokens.tolist()


def test_noise_turns_an_embedding_by_a_known_angle() -> None:
    embeddings = torch.tensor([[1.0, 0.0], [0.6, 0.8]])
    noise = torch.tensor([[0.0, 9.0], [-0.08, 0.06]])  # at right angles
    turned = with_noise(embeddings, noise, 0.75)
    torch.testing.assert_close(turned[0], torch.tensor([0.8, 0.6]))
    torch.testing.assert_close((turned * embeddings).sum(-1), torch.full((2,), 1 / math.hypot(1, 0.75)))
    assert torch.equal(with_noise(embeddings[:1], noise[:1], 0.0), embeddings[:1])
    torch.testing.assert_close(with_noise(embeddings, -embeddings, 3.0), -embeddings)
    with pytest.raises(UserError, match="must be 0 or more, got -1"):
        with_noise(embeddings, noise, -1)


def test_dropped_conditions_are_zero_and_the_others_whole() -> None:
    embeddings = F.normalize(torch.ones(4, 3), dim=-1)
    uniform = torch.tensor([0.0, 0.09, 0.1, 0.99])
    kept = with_dropout(embeddings, uniform, 0.1)
    assert kept[:2].eq(0).all()
    assert torch.equal(kept[2:], embeddings[2:])
    assert torch.equal(with_dropout(embeddings, uniform, 0.0), embeddings)
    assert with_dropout(embeddings, uniform, 1.0).eq(0).all()
    with pytest.raises(UserError, match=r"must be 0\.\.1, got 1\.5"):
        with_dropout(embeddings, uniform, 1.5)


def test_only_weights_of_linear_layers_decay(model: Transformer) -> None:
    model.head.bias.requires_grad_(False)
    names = {parameter: name for name, parameter in model.named_parameters()}
    decaying, others = ({names[p] for p in group["params"]} for group in decay_groups(model, 0.01))  # pyright: ignore
    block = {f"blocks.0.{part}.weight" for part in ("qkv", "mix", "widen", "narrow")}
    assert decaying == {"condition.weight", "head.weight"} | block
    assert {"tokens.weight", "positions", "norm.weight", "blocks.0.mlp_norm.weight", "condition.bias"} <= others
    assert decaying | others == set(names.values()) - {"head.bias"}
    assert [group["weight_decay"] for group in decay_groups(nn.Linear(2, 2), 0.3)] == [0.3, 0.0]
