"""How a VQGAN begins to learn: as a pyramid, which halves the picture by averages and doubles it by repetition.

Begun at random it needs thousands of steps to find out that colours are to be passed on, the more so as every norm
takes means and contrasts away. So the weights begin near those of a network that passes them on by itself: convolutions
near the identity (Zagoruyko & Komodakis, "DiracNets", arXiv 1706.00388), residual branches that add nothing (Goyal et
al., arXiv 1706.02677, section 5.1), and channels in threes: a feature, its opposite, and one at random. Before the last
norm of either network the third becomes a constant, large enough to keep the norm from changing much; behind it a
feature is SiLU(f) - SiLU(-f), and nothing reads the constants yet: they would be steps of a bias a hundredfold.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fastclipgen.models.vqgan import VQGAN
from fastclipgen.models.vqgan_layers import Attention, Block, Downsample, Upsample

CONSTANT = 3.0  # against colours in -1..1
NOISE = 0.1  # of the usual random weights, what is left of them
GAIN = 1.5  # undoes a norm over (f, -f, CONSTANT), whose deviation is about that where f is a colour


@torch.no_grad()
def begin_as_pyramid(model: VQGAN) -> None:
    """Changes the random weights of a new VQGAN in place; the codebook stays as it is.

    Its channels have to be a multiple of 3, so that every group of a norm holds whole threes.
    """
    for layer in model.modules():
        if isinstance(layer, Block):
            _nothing(layer.conv2)
            if hasattr(layer, "nin_shortcut"):
                _pass_on(layer.nin_shortcut, _centre(layer.nin_shortcut))
        elif isinstance(layer, Attention):
            _nothing(layer.proj_out)
        elif isinstance(layer, Downsample):
            average = torch.zeros(3, 3)
            average[:2, :2] = 0.25
            _pass_on(layer.conv, average)
        elif isinstance(layer, Upsample):
            _pass_on(layer.conv, _centre(layer.conv))
    _open(model.encoder.conv_in, 1.0)
    _close(model.encoder.mid.block_2, model.encoder.norm_out, model.encoder.conv_out)
    for conv in (model.quant_conv, model.post_quant_conv):
        conv.bias.zero_()  # pyright: ignore[reportOptionalMemberAccess]
        conv.weight.mul_(NOISE)
        _add_identity(conv.weight, _centre(conv))
    _open(model.decoder.conv_in, NOISE)
    _close(
        model.decoder.up[0].get_submodule(f"block.{model.geometry.blocks}"),
        model.decoder.norm_out,
        model.decoder.conv_out,
    )


def _centre(conv: nn.Conv2d) -> Tensor:
    """The kernel of the identity."""
    side = conv.kernel_size[0]
    kernel = torch.zeros(side, side)
    kernel[side // 2, side // 2] = 1
    return kernel


def _add_identity(weight: Tensor, kernel: Tensor) -> None:
    both = torch.arange(min(weight.shape[:2]), device=weight.device)
    weight[both, both] += kernel.to(weight.device)


def _nothing(conv: nn.Module) -> None:
    assert isinstance(conv, nn.Conv2d)
    nn.init.zeros_(conv.weight)
    nn.init.zeros_(conv.bias)  # pyright: ignore[reportArgumentType]


def _pass_on(conv: nn.Module, kernel: Tensor) -> None:
    """Threes to threes: what there was goes on, and what there is more of begins as random features."""
    assert isinstance(conv, nn.Conv2d)
    weight = conv.weight
    weight[: weight.shape[1]] *= NOISE
    _add_identity(weight, kernel)
    nn.init.zeros_(conv.bias)  # pyright: ignore[reportArgumentType]


def _open(conv: nn.Conv2d, noise: float) -> None:
    """Features to threes; what there is more of begins as random features, `noise` times the usual ones."""
    weight = conv.weight
    weight *= noise
    nn.init.zeros_(conv.bias)  # pyright: ignore[reportArgumentType]
    for feature in range(min(weight.shape[1], len(weight) // 3)):
        weight[3 * feature] *= NOISE / noise
        weight[3 * feature, feature] += _centre(conv).to(weight.device)
        weight[3 * feature + 1] = -weight[3 * feature]


def _close(block: nn.Module, norm: nn.GroupNorm, conv: nn.Conv2d) -> None:
    """Threes to features: through the last block, a norm with SiLU, and a convolution."""
    assert isinstance(block, Block)
    assert block.conv2.bias is not None
    block.conv2.bias[2::3] = CONSTANT
    norm.bias.fill_(CONSTANT / 3 / GAIN)  # the mean that the norm takes away, so that SiLU sees f and -f
    norm.bias[2::3] = 0
    norm.weight[2::3] = 0
    weight = conv.weight
    weight *= NOISE
    nn.init.zeros_(conv.bias)  # pyright: ignore[reportArgumentType]
    kernel = GAIN * _centre(conv).to(weight.device)
    for feature in range(min(len(weight), weight.shape[1] // 3)):
        weight[feature, 3 * feature] = kernel
        weight[feature, 3 * feature + 1] = -kernel
