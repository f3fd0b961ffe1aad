"""Tiny autoencoders between pictures and the latents of diffusion models: the TAESD family, without a codebook.

Ollin Boer Bohan, github.com/madebyollin/taesd (TAESD, TAESDXL, TAESD3, TAEF1, TAEF2 ...). A member differs from the
others in the channels of its latents and in whether blocks at the coarse end have a pool branch. All of that is read
from the weights, whose names are the places of the layers in one sequence. Knows nothing of files.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fastclipgen.errors import UserError
from fastclipgen.models.fill import fill

POOL_GROUPS = 4  # of the pool branch's norm
REACH = 3.0  # latents beyond it are squashed by the decoder
Tensors = Mapping[str, Tensor]


class Block(nn.Module):
    """ReLU(x + three 3x3 convolutions with ReLU between them), [B, C, h, w]. With a pool
    branch, x gets a GroupNorm branch of 1x1 convolutions added first: what lets distant places know of each other."""

    def __init__(self, channels: int, pooled: int = 0) -> None:
        super().__init__()
        convs = [nn.Conv2d(channels, channels, 3, padding=1) for _ in range(3)]
        self.conv = nn.Sequential(convs[0], nn.ReLU(), convs[1], nn.ReLU(), convs[2])
        if pooled:
            self.pool = nn.Sequential(
                nn.Conv2d(channels, pooled, 1, bias=False),
                nn.GroupNorm(POOL_GROUPS, pooled),
                nn.ReLU(),
                nn.Conv2d(pooled, channels, 1, bias=False),
            )

    def forward(self, x: Tensor) -> Tensor:
        if hasattr(self, "pool"):
            x = x + self.pool(x)
        return F.relu(x + self.conv(x))


class Network(nn.Module):
    """The layers of one direction under their own numbers; those without weights are not among them."""

    def __init__(self, layers: Mapping[str, nn.Module]) -> None:
        super().__init__()
        self.order = list(layers)
        for number, layer in layers.items():
            self.add_module(number, layer)

    def layers(self) -> list[nn.Module]:
        return [self.get_submodule(number) for number in self.order]

    @property
    def factor(self) -> int:
        """Pixels along the side of one place of the latents: each convolution without bias changes the size by 2."""
        return 2 ** sum(_resizes(layer) for layer in self.layers())


class Encoder(Network):
    """Pictures [B, 3, H, W] in 0..1, H and W multiples of `factor` -> latents [B, C, H/f, W/f]."""

    def forward(self, images: Tensor) -> Tensor:
        x = images
        for layer in self.layers():
            x = layer(x)
        return x

    @property
    def channels(self) -> int:
        """Of the latents."""
        return self.layers()[-1].weight.shape[0]  # pyright: ignore


class Decoder(Network):
    """Latents [B, C, h, w] -> pictures [B, 3, h*f, w*f], about 0..1 (not clamped)."""

    def forward(self, latents: Tensor) -> Tensor:
        first, *others = self.layers()
        held = (REACH * torch.tanh(latents / REACH)).to(first.weight.dtype)  # pyright: ignore[reportCallIssue,reportArgumentType]
        x = F.relu(first(held))
        for layer in others:
            if _resizes(layer):
                x = F.interpolate(x, scale_factor=2.0, mode="nearest")
            x = layer(x)
        return x

    @property
    def channels(self) -> int:
        """Of the latents."""
        return self.layers()[0].weight.shape[1]  # pyright: ignore


def build_encoder(tensors: Tensors, label: str) -> Encoder:
    """An encoder with these weights in float32 and eval mode, without gradients. Raises UserError where the tensors are
    no encoder of the family; `label` names where they are from."""
    encoder = Encoder(_layers(tensors, 2, label))
    _check_ends(encoder, "encoder", label, inside=3)
    fill(encoder, tensors, f"the encoder in {label}")
    return encoder.eval().requires_grad_(False)


def build_decoder(tensors: Tensors, label: str) -> Decoder:
    """A decoder, as `build_encoder`."""
    decoder = Decoder(_layers(tensors, 1, label))
    _check_ends(decoder, "decoder", label, outside=3)
    fill(decoder, tensors, f"the decoder in {label}")
    return decoder.eval().requires_grad_(False)


def _resizes(layer: nn.Module) -> bool:
    return isinstance(layer, nn.Conv2d) and layer.bias is None


def _layers(tensors: Tensors, stride: int, label: str) -> dict[str, nn.Module]:
    """The layers that the names and shapes tell, by number; convolutions that resize have this stride."""
    numbers = {name.partition(".")[0] for name in tensors}
    if not numbers or not all(number.isdecimal() for number in numbers):
        odd = next((name for name in tensors if not name.partition(".")[0].isdecimal()), "no tensor")
        raise UserError(
            f"{label} should hold an autoencoder of the TAESD family, whose tensors are named by number ('1.weight'), "
            f"got '{odd}'; give taesd_decoder.pth or one of its kin"
        )
    layers: dict[str, nn.Module] = {}
    with torch.device("meta"):
        for number in sorted(numbers, key=int):
            conv, pool = tensors.get(f"{number}.weight"), tensors.get(f"{number}.pool.0.weight")
            if conv is not None and conv.ndim == 4:
                plain = f"{number}.bias" in tensors
                outside, inside = conv.shape[:2]
                layers[number] = nn.Conv2d(inside, outside, 3, 1 if plain else stride, padding=1, bias=plain)
            elif f"{number}.conv.0.weight" in tensors:
                pooled = 0 if pool is None else len(pool)
                layers[number] = Block(len(tensors[f"{number}.conv.0.weight"]), pooled)
            else:
                raise UserError(f"{label} holds layer {number}, which is unknown to the TAESD family; fetch it again")
    return layers


def _check_ends(network: Network, kind: str, label: str, inside: int = 0, outside: int = 0) -> None:
    """Raises UserError unless the first layer takes, or the last one makes, so many channels."""
    first, last = network.layers()[0], network.layers()[-1]
    if not (
        isinstance(first, nn.Conv2d)
        and isinstance(last, nn.Conv2d)
        and inside in (0, first.in_channels)
        and outside in (0, last.out_channels)
    ):
        raise UserError(f"{label} holds no {kind} of RGB pictures of the TAESD family; is it its other half?")
