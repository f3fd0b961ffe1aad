"""An image tower that is never trained, in a form that is quicker to look through: the same function up to rounding.

Knows nothing of where the tower comes from. A tower of a kind that it does not know is left as it is.
"""

from __future__ import annotations

import torch
from open_clip.modified_resnet import Bottleneck, ModifiedResNet
from open_clip.transformer import VisionTransformer
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval


def simplify(tower: nn.Module) -> None:
    """Prepares a loaded tower in place; call it in eval mode and in float32, before it takes another precision.

    A ResNet of open_clip gets its batch norms folded into the convolutions before them and its weights laid out with
    channels last. With running statistics a batch norm is an affine map, so the function is the same; left as it is,
    its backward keeps a second copy of every activation, and reads it, for a gradient of weights that nobody wants.

    A vision transformer of open_clip takes views that come as patches already (`patch_side`): its first convolution is
    a matrix product then, and its backward writes the gradient where the cutouts read it.
    """
    if isinstance(tower, VisionTransformer) and _cuts_patches(tower.conv1):
        tower.conv1 = PatchProjection(tower.conv1)  # pyright: ignore[reportAttributeAccessIssue]
    if isinstance(tower, ModifiedResNet):
        for module in tower.modules():
            if isinstance(module, (ModifiedResNet, Bottleneck)):
                for k in (1, 2, 3):
                    _fold(module, f"conv{k}", f"bn{k}")
            if isinstance(module, Bottleneck) and module.downsample is not None:
                _fold(module.downsample, "0", "1")
        tower.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]


class PatchProjection(nn.Module):
    """The convolution that turns patches into tokens, for views [M, 3, S, S] or patches [M, P, 3*p*p] of them."""

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.weight, self.bias, self.side = conv.weight, conv.bias, conv.stride[0]

    def forward(self, views: Tensor) -> Tensor:
        """[M, width, rows, columns] of tokens; of patches, rows times columns is P and only that product counts."""
        if views.ndim == 4:
            return functional.conv2d(views, self.weight, self.bias, stride=self.side)
        return functional.linear(views, self.weight.flatten(1), self.bias).mT[..., None, :]


def patch_side(tower: nn.Module) -> int:
    """The side of the square patches that a simplified tower takes instead of views; 0 where it takes views only."""
    conv = getattr(tower, "conv1", None)
    return conv.side if isinstance(conv, PatchProjection) else 0


def _cuts_patches(conv: nn.Module) -> bool:
    return (
        isinstance(conv, nn.Conv2d)
        and conv.kernel_size == conv.stride == (conv.stride[0],) * 2
        and (conv.padding, conv.groups, conv.in_channels) == ((0, 0), 1, 3)
    )


def _fold(parent: nn.Module, conv: str, norm: str) -> None:
    folded = fuse_conv_bn_eval(parent.get_submodule(conv), parent.get_submodule(norm))  # pyright: ignore
    setattr(parent, conv, folded)
    setattr(parent, norm, nn.Identity())
