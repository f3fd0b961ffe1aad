"""A tiny variational autoencoder that draws in layers, sharp at any size. Knows nothing of training or files.

The latent is one vector with a standard normal prior (Kingma & Welling 2013). The decoder turns it into a ground (a
colour that may vary linearly, and a second one where a pattern shows) and two objects, each a colour, a place, a size,
an angle and an outline, put in its place by a spatial transformer (Jaderberg et al. 2015), as in AIR (Eslami et al.
2016). Outlines and patterns are soft choices among learned fields. An outline's field is a distance, so edges are one
pixel wide at whatever size is asked for.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LATENT = 64
OBJECTS = 2
SIDE = 64  # of the pictures it was trained on
REACH = 1.3  # an outline's field covers [-REACH, REACH]^2 in units of its object's radius
OUTLINES, OUTLINE_SIDE = 12, 64
PATTERNS = 18


class Parts(NamedTuple):
    """What the decoder draws, K = OBJECTS. Positions are fractions of the picture's side, y down."""

    ground: Tensor  # [B, 3, 3] colour x (constant at the centre, change along x, change along y)
    second: Tensor  # [B, 3] the pattern's colour
    pattern: Tensor  # [B, 1, 64, 64] logits of the pattern's colour showing
    present: Tensor  # [B, K] logits
    centre: Tensor  # [B, K, 2]
    log_radius: Tensor  # [B, K]
    angle: Tensor  # [B, K] radians
    pattern_choice: Tensor  # [B, PATTERNS] logits
    outline_choice: Tensor  # [B, K, OUTLINES] logits
    outline: Tensor  # [B, K, 64, 64], about minus the distance to the outline in radii
    ink: Tensor  # [B, K, 3]


class Block(nn.Module):
    """x + conv3x3(SiLU(GroupNorm(x))), [B, C, h, w]."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(8, channels)
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv(F.silu(self.norm(x)))


class Encoder(nn.Module):
    """Pictures [B, 3, 64, 64] in 0..1 -> mean and log variance of the latent, each [B, LATENT]."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, 32, 4, stride=2, padding=1), nn.SiLU(),
            nn.Conv2d(32, 64, 4, stride=2, padding=1), Block(64), nn.SiLU(),
            nn.Conv2d(64, 128, 4, stride=2, padding=1), Block(128), Block(128), nn.SiLU(),
            nn.Conv2d(128, 128, 4, stride=2, padding=1), Block(128), nn.SiLU(),
        )  # fmt: skip
        last = nn.Linear(256, 2 * LATENT)
        self.head = nn.Sequential(nn.Linear(128 * 16, 256), nn.SiLU(), nn.Linear(256, 256), nn.SiLU(), last)
        nn.init.constant_(last.bias[LATENT:], -5.0)  # little noise at first, so there is something to learn from

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_variance = self.head(self.body(images * 2 - 1).flatten(1)).float().chunk(2, dim=1)
        return mean, log_variance.clamp(-12, 4)


class Decoder(nn.Module):
    """Latents [B, LATENT] -> pictures [B, 3, H, W], about 0..1 (not clamped)."""

    SIZES = (9, 3, PATTERNS, OBJECTS, 2 * OBJECTS, OBJECTS, OBJECTS, OUTLINES * OBJECTS, 3 * OBJECTS)

    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Sequential(
            nn.Linear(LATENT, 384), nn.SiLU(), nn.Linear(384, 384), nn.SiLU(), nn.Linear(384, 384), nn.SiLU(),
            nn.Linear(384, sum(self.SIZES)),
        )  # fmt: skip
        self.patterns = nn.Parameter(torch.randn(PATTERNS, SIDE * SIDE) * 0.01)
        self.outlines = nn.Parameter(torch.randn(OUTLINES, OUTLINE_SIDE * OUTLINE_SIDE) * 0.01)
        axis = torch.linspace(-REACH, REACH, OUTLINE_SIDE)
        disc = 0.7 - torch.hypot(axis[:, None], axis[None, :])  # outlines start as a disc
        self.register_buffer("disc", disc, persistent=False)
        self.register_buffer("grey", torch.tensor([0.5, 0.0, 0.0]), persistent=False)  # of the ground, no slope

    def parts(self, latents: Tensor) -> Parts:
        """What is drawn for each latent; float32."""
        b = len(latents)
        ground, second, pattern, present, centre, radius, angle, outline, ink = (
            self.trunk(latents).float().split(self.SIZES, dim=1)
        )
        choice = outline.view(b, OBJECTS, OUTLINES)
        fields = (choice.softmax(-1) @ self.outlines.float()).view(b, OBJECTS, OUTLINE_SIDE, OUTLINE_SIDE)
        shown = (pattern.softmax(-1) @ self.patterns.float()).view(b, 1, SIDE, SIDE)
        return Parts(
            ground=ground.view(b, 3, 3) + self.grey, second=second + 0.5,
            pattern=shown * 10, pattern_choice=pattern, present=present, outline_choice=choice,
            centre=0.5 + 0.5 * centre.view(b, OBJECTS, 2), log_radius=0.5 * radius - 1.4, angle=0.2 * angle,
            outline=fields + self.disc, ink=ink.view(b, OBJECTS, 3) + 0.5,
        )  # fmt: skip

    def forward(self, latents: Tensor, height: int = SIDE, width: int = SIDE) -> Tensor:
        return draw(self.parts(latents), height, width)


def draw(parts: Parts, height: int, width: int) -> Tensor:
    """Pictures [B, 3, height, width] of the parts; a picture that is not square shows the square stretched."""
    b, device = len(parts.ground), parts.ground.device
    y = (torch.arange(height, device=device, dtype=torch.float32) + 0.5) / height
    x = (torch.arange(width, device=device, dtype=torch.float32) + 0.5) / width
    constant, along_x, along_y = parts.ground.permute(2, 0, 1)[..., None, None]  # [B, 3, 1, 1] each
    image = constant + along_x * (x - 0.5) + along_y * (y - 0.5)[:, None]

    pattern = parts.pattern
    if (height, width) != (SIDE, SIDE):
        pattern = enlarge(pattern, height, width) * max(1.0, min(height, width) / SIDE)
    image = image.lerp(parts.second[:, :, None, None].expand_as(image), pattern.sigmoid())

    # every object's field, sampled where each pixel lies in the object's own frame: one call for all of them
    radius, cos, sin = parts.log_radius.exp(), parts.angle.cos(), parts.angle.sin()
    dx = (x - parts.centre[..., 0, None]) / radius[..., None]  # [B, K, W]
    dy = (y - parts.centre[..., 1, None]) / radius[..., None]  # [B, K, H]
    u = dx[:, :, None, :] * cos[..., None, None] + dy[..., None] * sin[..., None, None]
    v = dy[..., None] * cos[..., None, None] - dx[:, :, None, :] * sin[..., None, None]
    where = torch.stack([u, v], dim=-1).view(b * OBJECTS, height, width, 2) / REACH
    fields = parts.outline.reshape(b * OBJECTS, 1, OUTLINE_SIDE, OUTLINE_SIDE)
    inside = F.grid_sample(fields, where, padding_mode="border", align_corners=True).view(b, OBJECTS, height, width)
    pixels = (radius * min(height, width))[..., None, None]  # radii -> pixels, so an edge is one pixel wide
    cover = (4 * inside * pixels).sigmoid() * parts.present.sigmoid()[..., None, None]
    for k in range(OBJECTS):
        image = image.lerp(parts.ink[:, k, :, None, None].expand_as(image), cover[:, k, None])
    return image


def enlarge(fields: Tensor, height: int, width: int) -> Tensor:
    """Bicubic interpolation of fields [B, C, h, w], as F.interpolate does it: it is linear along each side, and two
    matrix products go forward and back several times faster than its own kernels on a CPU."""
    rows, cols = (torch.eye(side, device=fields.device, dtype=fields.dtype) for side in fields.shape[2:])
    rows = F.interpolate(rows[None, None], (height, len(rows)), mode="bicubic", align_corners=False)[0, 0]  # [H, h]
    cols = F.interpolate(cols[None, None], (width, len(cols)), mode="bicubic", align_corners=False)[0, 0]  # [W, w]
    return rows @ fields @ cols.T


class LayeredVAE(nn.Module):
    """Encoder and decoder together."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = Encoder()
        self.decoder = Decoder()
