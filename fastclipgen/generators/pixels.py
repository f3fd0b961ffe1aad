"""The plainest generator: one RGB plane. Knows nothing of where its gradients come from."""

from __future__ import annotations

import torch
from torch import Tensor

from fastclipgen.generators.base import Params, check_number
from fastclipgen.generators.clamp import clamp_with_grad
from fastclipgen.generators.painted_starts import PaintedStarts
from fastclipgen.ops.philox import Stream, normals


class Pixels(PaintedStarts):
    """Pictures that are their own parameters: {"rgb": [B, 3, H, W]}, clamped to 0..1.

    `noise`: standard deviation (in 0..1 pixel units) of the normal noise on the grey start.
    """

    name = "pixels"
    default_lr = 0.03
    reencodes = True

    def __init__(self, height: int, width: int, noise: float = 0.01) -> None:
        super().__init__(height, width)
        check_number(self.name, "noise", noise, 0.0, 1.0)
        self.noise = noise

    def init(self, seeds: Tensor) -> Params:
        draws = normals(seeds, 0, Stream.INIT, 3 * self.height * self.width)
        return {"rgb": 0.5 + self.noise * draws.view(-1, 3, self.height, self.width)}

    def init_from(self, images: Tensor) -> Params:
        self.check_images(images)
        return {"rgb": images.to(torch.get_default_dtype(), copy=True)}

    def forward(self, params: Params) -> Tensor:
        return clamp_with_grad(params["rgb"])
