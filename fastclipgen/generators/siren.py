"""A picture as a small network from coordinates to colour, one network per picture. Knows nothing of optimisers."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from fastclipgen.generators.base import Generator, Params, check_number
from fastclipgen.generators.fit import fit
from fastclipgen.ops.philox import Stream, uniforms


class Siren(Generator):
    """Sine layers with a sigmoid at the end: {"w<i>": [B, in, out], "b<i>": [B, 1, out]}.

    Sitzmann et al. 2020, arXiv 2006.09661. Coordinates are pixel centres, -1..1 along the longer side, so a pixel is
    square on any picture. `layers` sine layers of `hidden` units and one linear layer; each sine is taken of `omega`
    times its input: a higher omega gives finer detail at the start. There is no inverse: `init_from` fits a
    start picture by `fit_steps` steps of Adam at `fit_lr`, falling to 0 as a cosine; fine texture is lost.
    """

    name = "siren"
    default_lr = 5e-4

    coordinates: Tensor

    def __init__(
        self,
        height: int,
        width: int,
        layers: int = 4,
        hidden: int = 128,
        omega: float = 30.0,
        fit_steps: int = 200,
        fit_lr: float = 1e-3,
    ) -> None:
        super().__init__(height, width)
        check_number(self.name, "layers", layers, 1, 64)
        check_number(self.name, "hidden", hidden, 1, 4096)
        check_number(self.name, "omega", omega, 0.1, 1000.0)
        check_number(self.name, "fit_steps", fit_steps, 0)
        check_number(self.name, "fit_lr", fit_lr, 0.0, 1.0)
        self.sizes = [2, *[hidden] * layers, 3]
        self.omega, self.fit_steps, self.fit_lr = omega, fit_steps, fit_lr
        longer = max(height, width)
        y = (2.0 * torch.arange(height) + 1.0 - height) / longer
        x = (2.0 * torch.arange(width) + 1.0 - width) / longer
        grid = torch.stack(torch.meshgrid(y, x, indexing="ij"), -1).reshape(1, -1, 2)  # [1, H*W, 2]
        self.register_buffer("coordinates", grid.to(torch.get_default_dtype()), persistent=False)

    def init(self, seeds: Tensor) -> Params:
        shapes = [(i, o) for i, o in zip(self.sizes[:-1], self.sizes[1:], strict=True)]
        draws = uniforms(seeds, 0, Stream.INIT, sum((i + 1) * o for i, o in shapes))[:, 0]  # [B, count]
        draws = 2.0 * draws - 1.0
        params: Params = {}
        used = 0
        for layer, (fan_in, fan_out) in enumerate(shapes):
            # Sitzmann: the first layer spreads over many periods, the others keep unit variance through the sines.
            bound = 1.0 / fan_in if layer == 0 else math.sqrt(6.0 / fan_in) / self.omega
            weights, biases = fan_in * fan_out, fan_out
            params[f"w{layer}"] = bound * draws[:, used : used + weights].reshape(-1, fan_in, fan_out)
            used += weights
            params[f"b{layer}"] = draws[:, used : used + biases].reshape(-1, 1, fan_out) / math.sqrt(fan_in)
            used += biases
        return params

    def init_from(self, images: Tensor) -> Params:
        """A fit from the network of seed 0, the same for every picture."""
        self.check_images(images)
        start = self.init(torch.zeros(len(images), dtype=torch.int64, device=images.device))
        return fit(self, start, images, self.fit_steps, self.fit_lr)

    def forward(self, params: Params) -> Tensor:
        last = len(self.sizes) - 2
        values = self.coordinates.expand(len(params["w0"]), -1, -1)  # [B, H*W, in]
        for layer in range(last + 1):
            values = torch.baddbmm(params[f"b{layer}"], values, params[f"w{layer}"])
            if layer < last:
                values = torch.sin(self.omega * values)
        return torch.sigmoid(values).mT.reshape(-1, 3, self.height, self.width)
