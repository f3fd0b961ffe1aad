"""Pictures of any size from generators that draw in whole tokens of f x f pixels.

The tokens cover the picture: their number is rounded up, and the picture is the centre of what they draw. What lies
beyond its edges is seen by nobody. Knows nothing of what a token is.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


class TokenGrid:
    """The tokens of a picture of height x width pixels, `factor` pixels along a token's side."""

    def __init__(self, height: int, width: int, factor: int) -> None:
        self.height, self.width, self.factor = height, width, factor
        self.rows, self.cols = -(-height // factor), -(-width // factor)
        self.top = (self.rows * factor - height) // 2
        self.left = (self.cols * factor - width) // 2

    def crop(self, drawn: Tensor) -> Tensor:
        """[B, C, rows*f, cols*f] -> the picture [B, C, height, width] in its centre."""
        return drawn[..., self.top : self.top + self.height, self.left : self.left + self.width]

    def pad(self, images: Tensor) -> Tensor:
        """[B, C, height, width] -> [B, C, rows*f, cols*f]: the edges go on outwards."""
        below = self.rows * self.factor - self.height - self.top
        right = self.cols * self.factor - self.width - self.left
        return F.pad(images, (self.left, right, self.top, below), mode="replicate")
