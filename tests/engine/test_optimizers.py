"""Functional optimisers: equal to torch.optim in float64, independent rows, one compiled graph for all steps."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from fastclipgen.engine.optimizers import OPTIMIZERS, Params, create, default_lr
from fastclipgen.errors import UserError

CASES = [
    ("adam", {}, torch.optim.Adam, {}),
    ("adam", {"beta1": 0.0, "beta2": 0.5, "weight_decay": 0.1}, torch.optim.Adam,
     {"betas": (0.0, 0.5), "weight_decay": 0.1}),
    ("adamw", {}, torch.optim.AdamW, {}),
    ("adamw", {"weight_decay": 0.3, "eps": 1e-3}, torch.optim.AdamW, {"weight_decay": 0.3, "eps": 1e-3}),
    ("sgd", {}, torch.optim.SGD, {}),
    ("sgd", {"momentum": 0.9, "weight_decay": 0.1}, torch.optim.SGD, {"momentum": 0.9, "weight_decay": 0.1}),
    ("rmsprop", {}, torch.optim.RMSprop, {}),
    ("rmsprop", {"momentum": 0.5, "alpha": 0.9, "weight_decay": 0.1}, torch.optim.RMSprop,
     {"momentum": 0.5, "alpha": 0.9, "weight_decay": 0.1}),
    ("rmsprop", {"centered": True}, torch.optim.RMSprop, {"centered": True}),
    ("rmsprop", {"centered": True, "momentum": 0.1}, torch.optim.RMSprop, {"centered": True, "momentum": 0.1}),
    ("adadelta", {}, torch.optim.Adadelta, {}),
    ("adadelta", {"rho": 0.5, "weight_decay": 0.1}, torch.optim.Adadelta, {"rho": 0.5, "weight_decay": 0.1}),
    ("adagrad", {}, torch.optim.Adagrad, {}),
    ("adagrad", {"lr_decay": 0.1, "weight_decay": 0.1}, torch.optim.Adagrad, {"lr_decay": 0.1, "weight_decay": 0.1}),
]  # fmt: skip
IDS = [f"{name}-{'-'.join(hyper) or 'default'}" for name, hyper, _, _ in CASES]
EVERY = [(name, hyper) for name, hyper, _, _ in CASES]


def start(batch: int = 3, dtype: torch.dtype = torch.float64) -> Params:
    generator = torch.Generator().manual_seed(0)
    shapes = {"plane": (batch, 3, 4), "scale": (batch, 1), "shift": (batch,)}
    return {key: torch.randn(shape, dtype=dtype, generator=generator) for key, shape in shapes.items()}


def gradients(params: Params, step: int) -> Params:
    """Of a loss that changes from step to step, by hand."""
    return {key: (p - 0.3 * (step % 4)) * (1 + p.square()) for key, p in params.items()}


def rate(step: int) -> float:
    return 0.05 / (1 + 0.1 * step)


@pytest.mark.parametrize(("name", "hyper", "theirs", "options"), CASES, ids=IDS)
def test_equals_torch_optim_in_float64(name: str, hyper: dict, theirs: type, options: dict) -> None:
    ours, params = create(name, **hyper), start()
    state = ours.init(params)
    leaves = {key: p.clone().requires_grad_() for key, p in params.items()}
    reference = theirs(leaves.values(), lr=1.0, **options)
    for step in range(20):
        lr = torch.tensor(rate(step), dtype=torch.float64)
        params, state = ours.update(params, gradients(params, step), state, lr)
        for key, gradient in gradients({k: p.detach() for k, p in leaves.items()}, step).items():
            leaves[key].grad = gradient
        reference.param_groups[0]["lr"] = rate(step)
        reference.step()
    assert state.step == 20
    for key, leaf in leaves.items():
        assert not torch.equal(params[key], start()[key])
        torch.testing.assert_close(params[key], leaf.detach(), rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize(("name", "hyper"), EVERY, ids=IDS)
def test_rows_are_independent_and_may_have_their_own_rate(name: str, hyper: dict) -> None:
    optimizer, params = create(name, **hyper), start()
    rates = torch.tensor([0.1, 0.2, 0.0], dtype=torch.float64)
    rows = [{key: p[i : i + 1] for key, p in params.items()} for i in range(3)]
    states, state = [optimizer.init(row) for row in rows], optimizer.init(params)
    for step in range(3):
        params, state = optimizer.update(params, gradients(params, step), state, rates)
        for i in range(3):
            rows[i], states[i] = optimizer.update(rows[i], gradients(rows[i], step), states[i], rates[i])
    for key in params:
        assert torch.equal(params[key], torch.cat([row[key] for row in rows]))
    assert torch.equal(params["plane"][2], start()["plane"][2])


@pytest.mark.parametrize(("name", "hyper"), EVERY, ids=IDS)
def test_nothing_is_changed_in_place(name: str, hyper: dict) -> None:
    optimizer, params = create(name, **hyper), start()
    state = optimizer.init(params)
    optimizer.update(params, gradients(params, 1), state, torch.tensor(0.1))
    assert all(torch.equal(p, start()[key]) for key, p in params.items())
    assert state.step == 0
    assert all(not value.any() for slot in state.slots.values() for value in slot.values())


@pytest.mark.parametrize(("name", "hyper"), EVERY, ids=IDS)
def test_compiles_once_for_all_steps(name: str, hyper: dict) -> None:
    optimizer, params = create(name, **hyper), start(dtype=torch.float32)
    torch.compiler.reset()
    compiled = torch.compile(optimizer.update, fullgraph=True, backend="aot_eager")
    state, plain, plain_state = optimizer.init(params), params, optimizer.init(params)
    with torch._dynamo.config.patch(error_on_recompile=True):
        for step in range(3):
            lr = torch.tensor(rate(step))
            params, state = compiled(params, gradients(params, step), state, lr)
            plain, plain_state = optimizer.update(plain, gradients(plain, step), plain_state, lr)
    for key, p in plain.items():
        assert p.dtype == torch.float32
        torch.testing.assert_close(params[key], p)


def test_first_steps_are_exact_in_float32() -> None:
    """1 - 0.999**step cancels in float32; Adam's first step must be lr to within rounding all the same."""
    optimizer = create("adam")
    params: dict[str, Tensor] = {"p": torch.zeros(1, 1)}
    grads = {"p": torch.full((1, 1), 0.7)}
    params, _ = optimizer.update(params, grads, optimizer.init(params), torch.tensor(0.1))
    assert params["p"].item() == pytest.approx(-0.1, rel=3e-7)


def test_sgd_without_momentum_keeps_no_buffer() -> None:
    assert create("sgd").init(start()).slots == {}
    assert list(create("sgd", momentum=0.5).init(start()).slots) == ["momentum"]


def test_every_optimiser_has_a_default_rate() -> None:
    assert {name: default_lr(name) for name in OPTIMIZERS} == {
        "adam": 0.05, "adamw": 0.05, "sgd": 0.2, "rmsprop": 0.02, "adadelta": 1.0, "adagrad": 0.2,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "hyper", "says"),
    [
        ("adma", {}, "did you mean 'adam'"),
        ("adam", {"momentum": 0.9}, "option of optimiser 'adam' 'momentum'"),
        ("adam", {"beta1": 1.0}, "beta1 of optimiser 'adam', got 1.0"),
        ("adam", {"eps": 0.0}, "above 0 for eps"),
        ("sgd", {"weight_decay": -0.1}, "weight_decay"),
        ("adagrad", {"lr_decay": float("nan")}, "lr_decay"),
    ],
)
def test_mistakes_get_a_sentence(name: str, hyper: dict, says: str) -> None:
    with pytest.raises(UserError, match=says):
        create(name, **hyper)
    if name not in OPTIMIZERS:
        with pytest.raises(UserError, match=says):
            default_lr(name)
