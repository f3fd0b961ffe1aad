"""CLIPig's optimisers, and some that are new, with their own learning rates, which `learnrate` multiplies."""

from __future__ import annotations

from fastclipgen.engine.optimizers import Adadelta, Adagrad, Adam, AdamW, Optimizer, RmsProp, Sgd
from fastclipgen.errors import unknown

_RMSPROB: tuple[Optimizer, float] = (RmsProp(centered=True, momentum=0.1), 0.003)
_RULES: dict[str, tuple[Optimizer, float]] = {
    "adam": (Adam(), 0.01),
    "sgd": (Sgd(), 10.0),
    "sparse_adam": (Adam(), 0.01),  # gradients of pictures are dense
    "adadelta": (Adadelta(), 20.0),
    "rmsprob": _RMSPROB,  # spelt so
    "rmsprop": _RMSPROB,
    "adamw": (AdamW(), 0.01),
    "adagrad": (Adagrad(), Adagrad.default_lr),
}


def optimizer_of(name: str, compat: bool) -> Optimizer:
    """The rule that `optimizer: NAME` means; compat: sparse_adam is an RMSprop, as CLIPig's code has it. Raises
    UserError for an unknown name."""
    if name not in _RULES:
        raise unknown("optimizer", name, _RULES)
    return RmsProp() if compat and name == "sparse_adam" else _RULES[name][0]


def base_rate(name: str) -> float:
    """Its own learning rate. Raises UserError for an unknown name."""
    if name not in _RULES:
        raise unknown("optimizer", name, _RULES)
    return _RULES[name][1]
