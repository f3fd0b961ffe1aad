"""The first convolution of a conditional encoder, over a picture and a condition tiled to planes, without the planes.

A plane of one value has the same sum under the kernel at every place but at the borders, where zeros beyond the picture
take taps away. So the planes' share is a bias a picture that knows nine places, the corners, the edges and the inside:
one small matrix product instead of a convolution over hundreds of channels. Equal to the convolution up to rounding.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

KERNEL, STRIDE, PADDING = 4, 2, 1
PLACES = 3  # along a side: first, inside, last


class TiledConv(nn.Conv2d):
    """Pictures [B, colours, S, S] and conditions [B, C] -> [B, outside, S/2, S/2], kernel 4, stride 2, padding 1.

    S is even and at least 4. Its weights are those of the convolution over all colours + C channels.
    """

    def __init__(self, colours: int, condition: int, outside: int, side: int) -> None:
        super().__init__(colours + condition, outside, KERNEL, STRIDE, PADDING)
        self.colours = colours
        half = side // 2
        kept = torch.ones(PLACES, KERNEL)  # taps inside the picture, for each place
        kept[0, 0] = kept[-1, -1] = 0
        which = torch.ones(half, dtype=torch.int64)
        which[0], which[-1] = 0, PLACES - 1
        along = torch.nn.functional.one_hot(which, PLACES).float()  # [half, 3]
        # both ways at once, as matrices: taps of a kernel -> its nine sums, these -> places of the map
        self.register_buffer("taps", torch.kron(kept, kept), persistent=False)  # [9, 16]
        self.register_buffer("spread", torch.kron(along, along), persistent=False)  # [half*half, 9]

    def forward(self, images: Tensor, condition: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        taps, spread = cast(Tensor, self.taps), cast(Tensor, self.spread)
        drawn = nn.functional.conv2d(images, self.weight[:, : self.colours], self.bias, STRIDE, PADDING)
        if not condition.shape[1]:
            return drawn
        batch, outside, height, width = drawn.shape
        planes = self.weight[:, self.colours :].flatten(2)  # [O, C, 16]
        sums = (planes @ taps.T.to(planes.dtype)).permute(1, 2, 0)  # [C, 9, O]
        nine = (condition.to(planes.dtype) @ sums.flatten(1)).view(batch, -1, outside).to(drawn.dtype)  # [B, 9, O]
        spread = spread.to(drawn.dtype).expand(batch, -1, -1)
        if drawn.is_contiguous():
            added = torch.baddbmm(drawn.flatten(2), nine.mT, spread.mT)  # [B, O, h*w]
            return added.view(batch, outside, height, width)
        rows = drawn.permute(0, 2, 3, 1).reshape(batch, height * width, outside)
        return torch.baddbmm(rows, spread, nine).view(batch, height, width, outside).permute(0, 3, 1, 2)
