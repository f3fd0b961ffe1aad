"""Somebody's generator, as a program that maps latents to pictures: how it wants to be called, found out by calling it.

Knows nothing of files, and of the program only what a few calls show.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, fx, nn

from fastclipgen.errors import UserError
from fastclipgen.ops.philox import Stream, normals

TOLERANCE = 1e-3  # of a value in -1..1, up to which a picture alone is the same as in a batch


class Exported(nn.Module):
    """z [B, latent] -> pictures [B, 3, *size], about -1..1.

    Takes what the program returns first, where that is a tuple or list, in the range `low`..`high`. `flat`: it takes
    latents [B, D], not [B, D, 1, 1]; `alone`: it draws one picture a call, so that a batch is a loop.
    """

    def __init__(self, program: nn.Module, latent: int, low: float, high: float) -> None:
        super().__init__()
        self.program, self.latent, self.low, self.high = program, latent, low, high
        self.flat, self.alone, self.size = True, False, (0, 0)
        for parameter in self.parameters():
            parameter.requires_grad_(False)

    def train(self, mode: bool = True) -> Exported:
        """Nothing changes: a program stays in the mode that it was saved in."""
        return self

    def forward(self, z: Tensor) -> Tensor:
        rows = z.split(1) if self.alone else (z,)
        drawn = torch.cat([self.call(row) for row in rows])
        return (drawn - self.low) * (2 / (self.high - self.low)) - 1

    def call(self, z: Tensor) -> Tensor:
        """What the program makes of latents [B, D], in its own range."""
        made: Any = self.program(z if self.flat else z[:, :, None, None])
        made = made[0] if isinstance(made, tuple | list) and made else made
        return made.float() if isinstance(made, Tensor) else made  # as_exported refuses what is no picture


def stated_latent(program: nn.Module) -> int | None:
    """The length of latents that a program of torch.export says it takes; None where it does not say."""
    nodes = program.graph.nodes if isinstance(program, fx.GraphModule) else ()
    inputs = [node.meta.get("val") for node in nodes if node.op == "placeholder"]
    shape: Any = getattr(inputs[0], "shape", ()) if len(inputs) == 1 else ()
    return int(shape[1]) if len(shape) in (2, 4) and isinstance(shape[1], int) else None


def as_exported(program: nn.Module, label: str, latent: int, low: float, high: float) -> Exported:
    """The program as a generator, after a few calls that show how it wants its latents, whether it takes several at
    once and keeps them apart, and that it draws float pictures that follow the latent. `label` names it in errors.

    Raises UserError where it does none of that.
    """
    network = Exported(program, latent, low, high)
    z = normals(torch.arange(2), 0, Stream.INIT, latent)[:, 0]
    with torch.no_grad():
        alone = _first_call(network, z[:1], label)
        _check_picture(alone, label)
        network.size = alone.shape[2], alone.shape[3]
        network.alone = not _keeps_apart(network, z, alone)
    _check_slope(network, z[:1], label)
    return network


def _first_call(network: Exported, z: Tensor, label: str) -> Tensor:
    """One picture; finds the shape that latents must have."""
    errors = []
    for network.flat in (True, False):
        try:
            return network.call(z)
        except Exception as error:  # a program's own
            errors.append((str(error).strip() or type(error).__name__).splitlines()[0])
    raise UserError(
        f"{label} takes no latents [1, {network.latent}] or [1, {network.latent}, 1, 1] ({errors[0]:.160}); give the "
        "length that it was made for with --latent-dim, and export it as a function of one latent, in float32"
    )


def _check_picture(image: Any, label: str) -> None:
    if not isinstance(image, Tensor) or image.ndim != 4 or image.shape[:2] != (1, 3):
        got = list(image.shape) if isinstance(image, Tensor) else type(image).__name__
        raise UserError(
            f"{label} must make a picture [1, 3, H, W] of one latent, alone or first in a tuple, got {got}; export "
            "what draws pictures in colour"
        )
    if not bool(image.isfinite().all()):
        raise UserError(f"{label} drew values that are not finite from a normal latent; export it in float32")


def _keeps_apart(network: Exported, z: Tensor, alone: Tensor) -> bool:
    """Whether the first picture of a batch of two is the one that is drawn alone."""
    try:
        both = network.call(z)
    except Exception:  # made for a batch of one
        return False
    near = TOLERANCE * (network.high - network.low) / 2
    return both.shape == (2, *alone.shape[1:]) and bool((both[:1] - alone).abs().max() <= near)


def _check_slope(network: Exported, z: Tensor, label: str) -> None:
    with torch.enable_grad():
        leaf = z.clone().requires_grad_()
        image = network(leaf)
        found = torch.autograd.grad(image.square().sum(), leaf)[0] if image.requires_grad else torch.zeros_like(z)
    if not (bool(found.isfinite().all()) and bool(found.any())):
        raise UserError(
            f"the pictures of {label} have no finite gradient with respect to the latent, which leaves nothing to "
            "optimise; export it without torch.no_grad and without rounding to whole values"
        )
