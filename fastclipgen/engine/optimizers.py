"""Optimisers as pure functions: parameters, gradients and state in, new parameters and state out.

They follow torch.optim step for step (tests compare them in float64) but keep their state as plain tensors with the
pictures' batch dimension, so a step can be compiled whole, stored, resumed and cut into micro-batches. Every rule works
element by element: the rows of a batch never meet. Knows nothing of losses, generators or schedules.

The fields of each class are its hyperparameters, with torch.optim's defaults. `lr` is an argument of every update and
a tensor, so that a schedule recompiles nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from fastclipgen.errors import UserError, unknown
from fastclipgen.generators.base import Params


class State(NamedTuple):
    """`step`: int64 0-d, updates done so far; `slots`: for each slot name one tensor per parameter."""

    step: Tensor
    slots: dict[str, Params]


@dataclass(frozen=True)
class Optimizer:
    """Base of the rules: names the slots, gives the rule for one tensor, and checks the hyperparameters."""

    name: ClassVar[str]
    default_lr: ClassVar[float]  # a good start for values of the order of 1, as pixels, logits and latents are

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, bool):
                continue
            if field.name == "eps":
                wanted, good = "a finite number above 0", 0 < value < math.inf
            elif field.name in ("weight_decay", "lr_decay"):
                wanted, good = "a finite number of 0 or more", 0 <= value < math.inf
            else:
                wanted, good = "a number from 0 up to but not including 1", 0 <= value < 1
            if not good:
                raise UserError(
                    f"expected {wanted} for {field.name} of optimiser '{self.name}', got {value}; "
                    f"the usual value is {field.default}"
                )

    def slots(self) -> tuple[str, ...]:
        """Names of the tensors kept for every parameter, each of its shape, starting at 0."""
        raise NotImplementedError

    def rule(self, p: Tensor, g: Tensor, slots: Params, step: Tensor, lr: Tensor) -> tuple[Tensor, Params]:
        """The new parameter and slots; `step` counts from 1 in p's dtype, `lr` broadcasts against p."""
        raise NotImplementedError

    def init(self, params: Params) -> State:
        """State before the first update, on the parameters' device and in their dtype."""
        device = next(iter(params.values())).device if params else None
        step = torch.zeros((), dtype=torch.int64, device=device)
        return State(step, {slot: {k: torch.zeros_like(p) for k, p in params.items()} for slot in self.slots()})

    def update(self, params: Params, grads: Params, state: State, lr: Tensor) -> tuple[Params, State]:
        """One step. `lr`: 0-d, or [B] with one rate per picture. Nothing is changed in place."""
        step = state.step + 1
        new_params: Params = {}
        new_slots: dict[str, Params] = {slot: {} for slot in state.slots}
        for key, p in params.items():
            rate = lr.to(p.dtype).reshape(-1, *(1,) * (p.ndim - 1)) if lr.ndim else lr.to(p.dtype)
            slots = {slot: values[key] for slot, values in state.slots.items()}
            new_params[key], slots = self.rule(p, grads[key].to(p.dtype), slots, step.to(p.dtype), rate)
            for slot, value in slots.items():
                new_slots[slot][key] = value
        return new_params, State(step, new_slots)


def _bias(beta: float, step: Tensor) -> Tensor:
    """1 - beta**step without the cancellation that float32 suffers in the first steps."""
    return -torch.expm1(step * math.log(beta)) if beta else torch.ones_like(step)


@dataclass(frozen=True)
class Adam(Optimizer):
    """Adam (Kingma and Ba, arXiv 1412.6980); `weight_decay` adds to the gradient."""

    name: ClassVar[str] = "adam"
    default_lr: ClassVar[float] = 0.05
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8
    weight_decay: float = 0.0

    def slots(self) -> tuple[str, ...]:
        return ("mean", "square")

    def rule(self, p: Tensor, g: Tensor, slots: Params, step: Tensor, lr: Tensor) -> tuple[Tensor, Params]:
        return self.move(p, g + self.weight_decay * p if self.weight_decay else g, slots, step, lr)

    def move(self, p: Tensor, g: Tensor, slots: Params, step: Tensor, lr: Tensor) -> tuple[Tensor, Params]:
        mean = torch.lerp(slots["mean"], g, 1 - self.beta1)
        square = self.beta2 * slots["square"] + (1 - self.beta2) * g.square()
        scale = (square / _bias(self.beta2, step)).sqrt() + self.eps
        return p - lr / _bias(self.beta1, step) * mean / scale, {"mean": mean, "square": square}


@dataclass(frozen=True)
class AdamW(Adam):
    """AdamW (Loshchilov and Hutter, arXiv 1711.05101): the decay shrinks the parameters themselves."""

    name: ClassVar[str] = "adamw"
    weight_decay: float = 0.01

    def rule(self, p: Tensor, g: Tensor, slots: Params, step: Tensor, lr: Tensor) -> tuple[Tensor, Params]:
        return self.move(p * (1 - lr * self.weight_decay), g, slots, step, lr)


@dataclass(frozen=True)
class Sgd(Optimizer):
    """Gradient descent, with heavy-ball momentum if asked; no buffer is kept without it."""

    name: ClassVar[str] = "sgd"
    default_lr: ClassVar[float] = 0.2  # Direct Ascent Synthesis, arXiv 2502.07753
    momentum: float = 0.0
    weight_decay: float = 0.0

    def slots(self) -> tuple[str, ...]:
        return ("momentum",) if self.momentum else ()

    def rule(self, p: Tensor, g: Tensor, slots: Params, step: Tensor, lr: Tensor) -> tuple[Tensor, Params]:
        g = g + self.weight_decay * p if self.weight_decay else g
        if not self.momentum:
            return p - lr * g, {}
        momentum = self.momentum * slots["momentum"] + g
        return p - lr * momentum, {"momentum": momentum}


@dataclass(frozen=True)
class RmsProp(Optimizer):
    """RMSprop (Hinton's lecture 6e of 2012), with momentum if asked; `centered`: by the variance of the gradient
    instead of its mean square (A. Graves, arXiv 1308.0850)."""

    name: ClassVar[str] = "rmsprop"
    default_lr: ClassVar[float] = 0.02
    alpha: float = 0.99
    eps: float = 1e-8
    momentum: float = 0.0
    weight_decay: float = 0.0
    centered: bool = False

    def slots(self) -> tuple[str, ...]:
        return "square", *(("mean",) if self.centered else ()), *(("momentum",) if self.momentum else ())

    def rule(self, p: Tensor, g: Tensor, slots: Params, step: Tensor, lr: Tensor) -> tuple[Tensor, Params]:
        g = g + self.weight_decay * p if self.weight_decay else g
        square = self.alpha * slots["square"] + (1 - self.alpha) * g.square()
        kept, spread = {"square": square}, square
        if self.centered:
            kept["mean"] = torch.lerp(slots["mean"], g, 1 - self.alpha)
            spread = (square - kept["mean"].square()).clamp_min(0)  # rounding may take it below
        move = g / (spread.sqrt() + self.eps)
        if self.momentum:
            move = kept["momentum"] = self.momentum * slots["momentum"] + move
        return p - lr * move, kept


@dataclass(frozen=True)
class Adadelta(Optimizer):
    """Adadelta (Zeiler, arXiv 1212.5701)."""

    name: ClassVar[str] = "adadelta"
    default_lr: ClassVar[float] = 1.0
    rho: float = 0.9
    eps: float = 1e-6
    weight_decay: float = 0.0

    def slots(self) -> tuple[str, ...]:
        return ("square", "moves")

    def rule(self, p: Tensor, g: Tensor, slots: Params, step: Tensor, lr: Tensor) -> tuple[Tensor, Params]:
        g = g + self.weight_decay * p if self.weight_decay else g
        square = self.rho * slots["square"] + (1 - self.rho) * g.square()
        move = (slots["moves"] + self.eps).sqrt() / (square + self.eps).sqrt() * g
        return p - lr * move, {"square": square, "moves": self.rho * slots["moves"] + (1 - self.rho) * move.square()}


@dataclass(frozen=True)
class Adagrad(Optimizer):
    """Adagrad (Duchi, Hazan and Singer, JMLR 2011)."""

    name: ClassVar[str] = "adagrad"
    default_lr: ClassVar[float] = 0.2
    lr_decay: float = 0.0
    eps: float = 1e-10
    weight_decay: float = 0.0

    def slots(self) -> tuple[str, ...]:
        return ("square",)

    def rule(self, p: Tensor, g: Tensor, slots: Params, step: Tensor, lr: Tensor) -> tuple[Tensor, Params]:
        g = g + self.weight_decay * p if self.weight_decay else g
        square = slots["square"] + g.square()
        rate = lr / (1 + (step - 1) * self.lr_decay) if self.lr_decay else lr
        return p - rate * g / (square.sqrt() + self.eps), {"square": square}


OPTIMIZERS: dict[str, type[Optimizer]] = {rule.name: rule for rule in (Adam, AdamW, Sgd, RmsProp, Adadelta, Adagrad)}


def create(name: str, **hyper: float) -> Optimizer:
    """The optimiser `name` with these hyperparameters. Raises UserError for unknown names and values out of range."""
    if name not in OPTIMIZERS:
        raise unknown("optimiser", name, OPTIMIZERS)
    rule = OPTIMIZERS[name]
    known = [field.name for field in fields(rule)]
    for key in hyper:
        if key not in known:
            raise unknown(f"option of optimiser '{name}'", key, known)
    return rule(**hyper)


def default_lr(name: str) -> float:
    """The learning rate used when neither the user nor the generator names one."""
    if name not in OPTIMIZERS:
        raise unknown("optimiser", name, OPTIMIZERS)
    return OPTIMIZERS[name].default_lr
