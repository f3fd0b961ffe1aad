"""A picture as the spectrum of decorrelated colours, low frequencies first. Knows nothing of optimisers."""

from __future__ import annotations

import torch
from torch import Tensor

from fastclipgen.generators.base import Params, check_number, logit_safe
from fastclipgen.generators.painted_starts import PaintedStarts
from fastclipgen.ops.philox import Stream, normals

_EPS = 1e-4

# Square root of the covariance of ImageNet's RGB values (Olah, Mordvintsev, Schubert: Feature Visualization, 2017).
_COLOUR_ROOT = ((0.26, 0.09, 0.02), (0.27, 0.00, -0.05), (0.27, -0.09, 0.03))


class Fourier(PaintedStarts):
    """x = sigmoid(colour . irfft2(scale . spectrum)), with {"spectrum": [B, 3, H, W//2+1, 2]} (real, imaginary).

    `decay`: each frequency f (cycles per pixel) is scaled by f^-decay, so that steps of equal size in every coefficient
    change a picture the way natural pictures vary; 0 is white. `deviation`: standard deviation of the random start, in
    units of the logit. The scale is normalised so that unit coefficients give about unit logits at any size and decay.

    The parametrisation is that of lucid/lucent (Olah et al. 2017); aphantasia uses it with decay 1.5.
    """

    name = "fourier"
    reencodes = True

    scale: Tensor
    colour: Tensor
    decolour: Tensor

    def __init__(self, height: int, width: int, decay: float = 1.0, deviation: float = 0.01) -> None:
        super().__init__(height, width)
        check_number(self.name, "decay", decay, 0.0, 4.0)
        check_number(self.name, "deviation", deviation, 0.0, 10.0)
        self.deviation = deviation
        dtype = torch.get_default_dtype()
        scale = _scale(height, width, decay)
        self.register_buffer("scale", scale.to(dtype)[..., None], persistent=False)  # [H, W//2+1, 1]
        root = torch.tensor(_COLOUR_ROOT, dtype=torch.float64)
        root = root / root.norm(dim=0).max()
        self.register_buffer("colour", root.to(dtype), persistent=False)
        self.register_buffer("decolour", torch.linalg.inv(root).to(dtype), persistent=False)

    def init(self, seeds: Tensor) -> Params:
        shape = (3, self.height, self.width // 2 + 1, 2)
        draws = normals(seeds, 0, Stream.INIT, 6 * self.height * (self.width // 2 + 1))
        return {"spectrum": self.deviation * draws.view(-1, *shape)}

    def init_from(self, images: Tensor) -> Params:
        """Exact up to rounding, after clipping to 1e-4..1-1e-4."""
        self.check_images(images)
        planes = _mix(self.decolour, torch.logit(logit_safe(images, _EPS)))
        return {"spectrum": torch.view_as_real(torch.fft.rfft2(planes, norm="ortho")) / self.scale}

    def forward(self, params: Params) -> Tensor:
        spectrum = torch.view_as_complex(params["spectrum"] * self.scale)
        planes = torch.fft.irfft2(spectrum, s=(self.height, self.width), norm="ortho")
        return torch.sigmoid(_mix(self.colour, planes))


def _mix(matrix: Tensor, planes: Tensor) -> Tensor:
    """matrix [3, 3] applied to the channels of planes [B, 3, H, W]."""
    return (matrix @ planes.flatten(2)).view_as(planes)


def _scale(height: int, width: int, decay: float) -> Tensor:
    """[H, W//2+1] float64: f^-decay, with f at least that of one wave along the longer side (the mean has f = 0)."""
    rows = torch.fft.fftfreq(height, dtype=torch.float64)[:, None]
    cols = torch.fft.fftfreq(width, dtype=torch.float64)[None, :]
    full = torch.hypot(rows, cols).clamp_min(1.0 / max(height, width)) ** -decay
    # A complex coefficient of unit parts has power 2.
    full = full / (2.0 * full.square().mean()).sqrt()
    return full[:, : width // 2 + 1].contiguous()
