"""What a transform of CLIPig's grammar is: a batched function of frames and of the numbers of one step.

To add one: a class in the file of its kind, its name in `TRANSFORMS` (registry.py), a test with literal values. The
reader, the schema and the reference page know it from its declaration.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from fastclipgen.ops.philox import Stream, normals, uniforms
from fastclipgen.recipes.options import Option

Values = Mapping[str, Any]
"""The numbers of a transform at one step, by option. A list of k numbers is float32 [B or 1, k], a single one [B or 1];
an option that decides sizes (`Option.shape`) is a tuple of whole numbers or one number of the host, a word is a text,
and what was left out and may be is None.

Beside them compat (bool, missing means False): results as CLIPig's code gives them, where that differs from what it
documents and the transform says so."""

_ODD = 0x9E3779B97F4A7C15 - (1 << 64)  # the golden ratio's bits as int64: neighbouring places give unlike keys


class Draws:
    """The random numbers of one transform or constraint at one step, for N frames of each of B pictures.

    seeds: int64 [B]; step: 0-d integer tensor or int; place: a number of this transform in its recipe. A picture's
    draws depend on its own seed only, and frame n's are the same however many frames there are.
    """

    def __init__(self, seeds: Tensor, step: int | Tensor, frames: int, place: int) -> None:
        self._seeds, self._step, self.frames = seeds ^ (_ODD * (place + 1) % (1 << 64) - (1 << 63)), step, frames

    def uniform(self, n: int) -> Tensor:
        """float32 [B, N, n] in [0, 1)."""
        return uniforms(self._seeds, self._step, Stream.TRANSFORM, n, self.frames)

    def normal(self, *shape: int) -> Tensor:
        """float32 [B, N, *shape], mean 0 and deviation 1."""
        count = int(torch.Size(shape).numel())
        return normals(self._seeds, self._step, Stream.TRANSFORM, count, self.frames).unflatten(2, shape)


class Transform:
    """Base of all. `options`: what it takes, in order; one option alone may be written inline (`resize: 224`).
    `help`: one sentence or two, what it does to a picture; `example`: values of its options as YAML gives them, every
    REQUIRED one among them and none out of place for a picture of 32 x 24 pixels. The reference page shows it, and the
    tests of what all transforms promise (tests/guidance/transforms/test_all.py) run it.

    random: differs from frame to frame, so that a target with it sees `batch_size` frames; resizes: the result may
    have another size than what it is given, so it is no post-processing.
    """

    name: ClassVar[str]
    help: ClassVar[str]
    options: ClassVar[dict[str, Option]]
    example: ClassVar[dict[str, Any]]
    random: ClassVar[bool] = False
    resizes: ClassVar[bool] = False

    def apply(self, frames: Tensor, values: Values, draws: Draws) -> Tensor:
        """frames [B, N, 3, H, W], float32 or float64 -> [B, N, 3, h, w] of the same dtype, where N may be 1 before and
        `draws.frames` after a random transform. Differentiable with regard to the frames; nothing is changed in place.
        Compiles to one graph that no number of `values` compiles again."""
        raise NotImplementedError


def per_channel(values: Tensor) -> Tensor:
    """[B or 1, 3] -> [B or 1, 1, 3, 1, 1], to go with frames."""
    return values[:, None, :, None, None]


def per_picture(values: Tensor) -> Tensor:
    """[B or 1] -> [B or 1, 1, 1, 1, 1]."""
    return values[:, None, None, None, None]
