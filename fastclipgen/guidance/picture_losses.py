"""Losses on pictures themselves, `(images [B,3,H,W], start [B,3,H,W], **options) -> [B]`.

Each is a mean over the picture, so that a weight means the same at every size; it is differentiable, acts on each
picture alone, and waits for nothing on the host. `colours` [K,3] is a tensor on the pictures' device, other options are
plain. constraints.py gives them names, weights and options.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

SMOOTHED = 6e-4  # differences well below a grey level; a root has no slope at 0
RANGE_MARGIN = 0.02  # about 5 of 255: nearer to black or white than this, clamps and sigmoids lose their gradient
CLIPPED = 0.5  # the most that a place adds to clipit's "clipped" smoothness


def tv(images: Tensor, start: Tensor, *, squared: bool = False) -> Tensor:
    """Total variation: mean absolute difference of vertical neighbours plus that of horizontal ones; smooths. squared:
    of the differences' squares."""
    down = images[..., 1:, :] - images[..., :-1, :]
    right = images[..., 1:] - images[..., :-1]
    down, right = (apart.square() if squared else apart.abs() for apart in (down, right))
    return _sum(down) / max(down[0].numel(), 1) + _sum(right) / max(right[0].numel(), 1)


def colour_tv(images: Tensor, start: Tensor) -> Tensor:
    """Vectorial total variation: mean length of each pixel's differences to the pixel below and the one to the right,
    over all channels, as much as `tv` for a grey edge along an axis. Channels that change together cost less than
    channels that change apart, so outlines get no fringes in other colours (Bresson & Chan, "Fast dual minimization of
    the vectorial total variation norm", 2008)."""
    padded = F.pad(images, (0, 1, 0, 1), mode="replicate")
    down, right = padded[..., 1:, :-1] - images, padded[..., :-1, 1:] - images
    squares = (down.square() + right.square()).mean(1)
    return _root(squares).mean((1, 2))


def l1(images: Tensor, start: Tensor) -> Tensor:
    """Mean absolute difference to the start picture."""
    return (images - start).abs().mean((1, 2, 3))


def l2(images: Tensor, start: Tensor) -> Tensor:
    """Mean squared difference to the start picture."""
    return (images - start).square().mean((1, 2, 3))


def saturation(images: Tensor, start: Tensor) -> Tensor:
    """Mean absolute distance of the channels from their mean; greys the picture (weight < 0: makes it colourful)."""
    return (images - images.mean(1, keepdim=True)).abs().mean((1, 2, 3))


def value_range(images: Tensor, start: Tensor) -> Tensor:
    """Mean distance of the values from RANGE_MARGIN..1-RANGE_MARGIN; keeps them off the ends, and inside 0..1."""
    return (F.relu(RANGE_MARGIN - images) + F.relu(images - (1 - RANGE_MARGIN))).mean((1, 2, 3))


def smoothness(images: Tensor, start: Tensor, *, type: str = "default") -> Tensor:
    """Mean steepness s: the lengths of the three channels' gradients by central differences, added up (clipit's
    enforce_smoothness). type "clipped": of min(s, CLIPPED), which leaves sharp edges alone; "log": of log(1 + s)."""
    padded = F.pad(images, (1, 1, 1, 1), mode="replicate")
    right = (padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]) / 2
    down = (padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]) / 2
    steep = _root(right.square() + down.square()).sum(1)
    if type == "clipped":
        steep = steep.clamp_max(CLIPPED)
    elif type == "log":
        steep = torch.log1p(steep)
    return steep.mean((1, 2))


def colourfulness(images: Tensor, start: Tensor) -> Tensor:
    """Minus the colourfulness of Hasler and Suesstrunk ("Measuring colorfulness in natural images", 2003), so that a
    positive weight makes the picture colourful (clipit's enforce_saturation)."""
    red, green, blue = images.unbind(1)
    opponents = torch.stack((red - green, (red + green) / 2 - blue), 1).flatten(2)  # [B, 2, H*W]
    mean = opponents.mean(2)
    variance = (opponents - mean[..., None]).square().mean(2)
    return -(_root(variance.sum(1)) + 0.3 * _root(mean.square().sum(1)))


def palette(images: Tensor, start: Tensor, *, colours: Tensor, squared: bool = False) -> Tensor:
    """Mean distance of the pixels to the nearest colour of a palette. squared: of the distances' squares."""
    with torch.no_grad():  # which one it is has no slope; added channel by channel, the same alone and in a batch
        apart = sum((images[:, None, c] - colours[:, c].view(1, -1, 1, 1)).square() for c in range(3))
        nearest = torch.as_tensor(apart).argmin(1)  # [B, H, W]
    squares = (images - colours.to(images.dtype)[nearest].movedim(-1, 1)).square().sum(1)
    return (squares if squared else _root(squares)).mean((1, 2))


def symmetry(images: Tensor, start: Tensor, *, axis: str = "horizontal") -> Tensor:
    """Mean squared difference to the picture mirrored left-right ("horizontal"), top-bottom ("vertical"), or the sum of
    both ("both")."""
    sides = {"horizontal": (3,), "vertical": (2,), "both": (2, 3)}[axis]
    return torch.stack([(images - images.flip(side)).square().mean((1, 2, 3)) for side in sides]).sum(0)


def edge(images: Tensor, start: Tensor, *, colours: Tensor, margin: tuple[float, ...] = (5.0,)) -> Tensor:
    """Mean squared distance to a colour in a frame along the sides. margin: its width in per cent of the picture's
    width or height, for all sides or for left, top, right, bottom."""
    height, width = images.shape[2:]
    left, top, right, bottom = (share / 100 for share in (margin if len(margin) == 4 else margin * 4))
    x0, y0 = min(round(left * width), width), min(round(top * height), height)
    x1, y1 = max(width - round(right * width), x0), max(height - round(bottom * height), y0)
    apart = (images - _flat(colours, images)).square()
    inside = apart[..., y0:y1, x0:x1]
    pixels = height * width - (y1 - y0) * (x1 - x0)
    return (_sum(apart) - _sum(inside)) / (3 * max(pixels, 1))


def gaussian(images: Tensor, start: Tensor, *, colours: Tensor, std: float = 25.0) -> Tensor:
    """Mean absolute distance to a colour, more of it the farther a pixel is from the centre: times 1 - exp(-r**2 / 2),
    r the distance in units of `std` per cent of each side. Leaves a motif in the middle of a plain ground."""
    (height, width), like = images.shape[2:], {"device": images.device, "dtype": images.dtype}
    y = (torch.arange(height, **like) - (height - 1) / 2) / (height * std / 100)
    x = (torch.arange(width, **like) - (width - 1) / 2) / (width * std / 100)
    outside = 1 - torch.exp(-0.5 * (y[:, None].square() + x.square()))
    return ((images - _flat(colours, images)).abs() * outside).mean((1, 2, 3))


def _flat(colours: Tensor, like: Tensor) -> Tensor:
    """The first colour as [1, 3, 1, 1]."""
    return colours[0].to(like.dtype).view(1, 3, 1, 1)


def _root(squares: Tensor) -> Tensor:
    """The root, with a slope of 0 at 0."""
    return (squares + SMOOTHED**2).sqrt() - SMOOTHED


def _sum(values: Tensor) -> Tensor:
    """Over everything but the batch."""
    return values.sum((1, 2, 3))
