"""What a VQGAN is trained by: how far pictures are from their reconstructions, and how well these pass for pictures.

Esser, Rombach, Ommer, "Taming Transformers for High-Resolution Image Synthesis", arXiv 2012.09841, sections 3.1 and A;
the hinge losses of Lim & Ye, arXiv 1705.02894. Pure functions; pictures are in -1..1.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fastclipgen.errors import UserError
from fastclipgen.training import processes
from fastclipgen.weights.checkpoint import read_tensors

MOST = 1e4  # of the adaptive weight


def hinge_of_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """0-d: how far a discriminator's logits (any shapes) are from 1 or more for pictures, -1 or less for copies."""
    return 0.5 * (F.relu(1 - real).mean() + F.relu(1 + fake).mean())


def adaptive_weight(reconstruction: Tensor, adversarial: Tensor, last: nn.Parameter) -> Tensor:
    """By what the adversarial loss has to be multiplied to pull at the weights of the decoder's last layer as strongly
    as the reconstruction loss does: |grad reconstruction| / (|grad adversarial| + 1e-4), 0..1e4, without a gradient.

    Both losses are 0-d with their graphs, which are kept. Among several processes: of the gradients' means.
    """
    gradients = [torch.autograd.grad(loss, last, retain_graph=True)[0] for loss in (reconstruction, adversarial)]
    processes.average(gradients)
    wanted, there = (gradient.float().norm() for gradient in gradients)
    return (wanted / (there + 1e-4)).clamp(0, MOST).detach()


Perceptual = Callable[[Tensor, Tensor], Tensor]

_SLICES = (3, 8, 15, 22)  # numbers of VGG16's layers with which LPIPS's parts of it end


def open_perceptual(kind: str, weights: Path | None, device: torch.device) -> Perceptual | None:
    """The perceptual distance [n] of pictures [n, 3, S, S] in -1..1, of the kind "lpips", or None for "none".

    LPIPS (Zhang et al., arXiv 1801.03924, version 0.1 over VGG16) of the lpips package, which brings the linear layers.
    weights: a checkpoint of VGG16 as torchvision names it (features.0.weight ...), or of the whole network as the
    package and clip-gen's vgg16_lpips.pt do (net.slice1.0.weight ..., lin0.model.1.weight ...). Raises UserError where
    the package, the file or a layer of VGG16 is missing.
    """
    if kind == "none":
        return None
    if weights is None:
        raise UserError(
            "--perceptual lpips needs the weights of VGG16; name their file with --perceptual-weights PATH, or train "
            "with --perceptual none"
        )
    tensors = read_tensors(weights, "VGG16")
    try:
        import lpips  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise UserError("--perceptual lpips needs the lpips package: run pip install 'fastclipgen[train]'") from error
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the package calls torchvision in an old way
        network: Any = lpips.LPIPS(net="vgg", pretrained=True, pnet_rand=True, verbose=False)
    expected = network.state_dict()
    given = {name: value for key, value in tensors.items() if (name := lpips_name(key)) in expected}
    missing = sorted(name for name in expected if name.startswith("net.") and name not in given)
    if missing:
        raise UserError(
            f"'{weights}' lacks layers of VGG16, '{missing[0]}' among {len(missing)}; give torchvision's VGG16 "
            "(features.0.weight ...) or a whole LPIPS (net.slice1.0.weight ...)"
        )
    # the package holds the linear layers twice, as lin0 and as lins.0, one tensor
    for name in [name for name in given if name.startswith("lin") and not name.startswith("lins.")]:
        given[f"lins.{name[3:]}"] = given[name]
    network.load_state_dict(expected | given)
    network.eval().requires_grad_(False).to(device)
    return lambda ours, theirs: network(ours, theirs).flatten()


def lpips_name(name: str) -> str:
    """The name that LPIPS has for a weight of torchvision's VGG16; others are left as they are."""
    parts = name.split(".")
    if parts[0] != "features" or not parts[1].isdigit():
        return name
    number = int(parts[1])
    return f"net.slice{1 + sum(number > last for last in _SLICES)}.{number}.{parts[2]}"
