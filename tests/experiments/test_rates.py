"""The optimisers that files may name, and the rates that `learnrate` multiplies."""

from __future__ import annotations

import pytest

from fastclipgen.engine.optimizers import OPTIMIZERS as RULES
from fastclipgen.engine.optimizers import Adam, RmsProp
from fastclipgen.errors import UserError
from fastclipgen.experiments.keys import OPTIMIZERS
from fastclipgen.experiments.rates import base_rate, optimizer_of


def test_every_name_has_a_rule_and_a_rate_and_every_rule_a_name() -> None:
    assert {optimizer_of(name, False).name for name in OPTIMIZERS} == set(RULES)
    assert all(base_rate(name) > 0 for name in OPTIMIZERS)


def test_rmsprop_is_rmsprob() -> None:
    assert optimizer_of("rmsprop", False) == optimizer_of("rmsprob", False) == RmsProp(centered=True, momentum=0.1)
    assert base_rate("rmsprop") == base_rate("rmsprob") == 0.003


def test_new_ones_have_the_rule_of_their_name() -> None:
    assert [optimizer_of(name, False).name for name in ("adamw", "adagrad")] == ["adamw", "adagrad"]
    assert (base_rate("adamw"), base_rate("adagrad")) == (0.01, 0.2)


def test_sparse_adam_is_rmsprop_in_compat_alone() -> None:
    assert optimizer_of("sparse_adam", False) == Adam()
    assert optimizer_of("sparse_adam", True) == RmsProp()


def test_unknown_names_are_refused() -> None:
    for ask in (lambda: optimizer_of("adan", False), lambda: base_rate("adan")):
        with pytest.raises(UserError, match="adan"):
            ask()
