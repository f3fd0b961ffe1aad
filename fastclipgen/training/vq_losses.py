"""What a VQGAN is trained by: how far pictures are from their reconstructions, and how well these pass for pictures.

Esser, Rombach, Ommer, "Taming Transformers for High-Resolution Image Synthesis", arXiv 2012.09841, sections 3.1 and A;
the hinge losses of Lim & Ye, arXiv 1705.02894. Pure functions; pictures are in -1..1.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fastclipgen.errors import UserError
from fastclipgen.training import processes

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


def open_perceptual(kind: str, weights: Path | None, device: torch.device) -> Perceptual | None:
    """The perceptual distance [n] of pictures [n, 3, S, S] in -1..1, of the kind "lpips", or None for "none".

    LPIPS (Zhang et al., arXiv 1801.03924, version 0.1 over VGG16) of the lpips package. weights: a checkpoint of the
    whole network, VGG16 and the linear layers over it, under the names of the package or of clip-gen's
    vgg16_lpips.pt. Raises UserError where the package, the file or one of its weights is missing.
    """
    if kind == "none":
        return None
    if weights is None:
        raise UserError(
            "--perceptual lpips needs the weights of VGG16 and of LPIPS in one file; name it with "
            "--perceptual-weights PATH, or train with --perceptual none"
        )
    try:
        import lpips
    except ImportError as error:
        raise UserError("--perceptual lpips needs the lpips package: run pip install 'fastclipgen[train]'") from error
    from fastclipgen.weights.checkpoint import read_tensors

    network: Any = lpips.LPIPS(net="vgg", pretrained=False, pnet_rand=True, verbose=False)
    given = {_lpips_name(name): value for name, value in read_tensors(weights, "LPIPS").items()}
    expected = network.state_dict()
    # the package's file has the linear layers twice, as lin0... and as lins.0...
    given |= {f"lins.{k[3]}{k[4:]}": v for k, v in given.items() if k.startswith("lin") and k[3].isdigit()}
    missing = sorted(expected.keys() - given.keys() - {"scaling_layer.shift", "scaling_layer.scale"})
    if missing:
        raise UserError(
            f"the LPIPS weights in '{weights}' lack '{missing[0]}' and {len(missing) - 1} more; give one file with "
            "VGG16 (net.slice1.0.weight ...) and the linear layers (lin0.model.1.weight ...)"
        )
    network.load_state_dict({k: given.get(k, v) for k, v in expected.items()})
    network.eval().requires_grad_(False).to(device)
    return lambda ours, theirs: network(ours, theirs).flatten()


def _lpips_name(name: str) -> str:
    return name.removeprefix("module.").removeprefix("perceptual_loss.")
