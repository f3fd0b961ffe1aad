"""An image tower that is never trained, in a form that is quicker to look through: the same function up to rounding.

Knows nothing of where the tower comes from. A tower of a kind that it does not know is left as it is.
"""

from __future__ import annotations

import torch
from open_clip.modified_resnet import Bottleneck, ModifiedResNet
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


def simplify(tower: nn.Module) -> None:
    """Prepares a loaded tower in place; call it in eval mode and in float32, before it takes another precision.

    A ResNet of open_clip gets its batch norms folded into the convolutions before them and its weights laid out with
    channels last. With running statistics a batch norm is an affine map, so the function is the same; left as it is,
    its backward keeps a second copy of every activation, and reads it, for a gradient of weights that nobody wants.
    """
    if isinstance(tower, ModifiedResNet):
        for module in tower.modules():
            if isinstance(module, (ModifiedResNet, Bottleneck)):
                for k in (1, 2, 3):
                    _fold(module, f"conv{k}", f"bn{k}")
            if isinstance(module, Bottleneck) and module.downsample is not None:
                _fold(module.downsample, "0", "1")
        tower.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]


def _fold(parent: nn.Module, conv: str, norm: str) -> None:
    folded = fuse_conv_bn_eval(parent.get_submodule(conv), parent.get_submodule(norm))  # pyright: ignore
    setattr(parent, conv, folded)
    setattr(parent, norm, nn.Identity())
