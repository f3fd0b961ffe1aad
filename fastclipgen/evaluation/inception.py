"""Inception's features, for FID: through torchmetrics and torch-fidelity, where both and the weights are there.

Nothing is downloaded: what stands on a server today may be something else tomorrow, and a figure has to mean the same.
"""

from __future__ import annotations

import importlib
from pathlib import Path

import torch
from torch import Tensor

from fastclipgen.errors import UserError
from fastclipgen.outputs.load import fit
from fastclipgen.weights.checkpoint import Advice, check_checkpoint
from fastclipgen.weights.files import hash_of

SIDE = 299  # pixels that Inception sees
WEIGHTS = "weights-inception-2015-12-05-6726825d.pth"
"""torch-fidelity's name of the file: the Inception of the original FID, converted."""
HASH = "6726825d"  # that of the file's content begins so, as its name says
_ADVICE = Advice(nothing=f"get '{WEIGHTS}' of torch-fidelity")


class InceptionFeatures:
    """The 2048 features of FID's Inception. A picture's centre square is resized with antialiasing, without which the
    distance measures the resizing (Parmar et al. 2022, arXiv 2104.11222). weights: None for torch's own folder.

    Raises UserError where torchmetrics, torch-fidelity or the weights are missing.
    """

    def __init__(self, weights: Path | None, device: torch.device) -> None:
        file = weights or Path(torch.hub.get_dir(), "checkpoints", WEIGHTS)
        try:
            importlib.import_module("torch_fidelity")
            fid = importlib.import_module("torchmetrics.image.fid")
        except ImportError as error:
            raise UserError(
                f"FID needs the package '{error.name}'; run 'pip install fastclipgen[eval]', or leave --fid out: CMMD "
                "needs nothing more"
            ) from error
        if not file.is_file():
            raise UserError(
                f"FID needs Inception's weights in '{file}', and there are none; get '{WEIGHTS}' of torch-fidelity and "
                "name it with --inception, or leave --fid out: CMMD needs nothing more"
            )
        found = hash_of(file)
        if not found.startswith(HASH):
            raise UserError(
                f"'{file}' is not the Inception of FID, whose hash begins with {HASH} and not {found[:8]}; figures by "
                f"another one mean nothing; get '{WEIGHTS}' of torch-fidelity"
            )
        check_checkpoint(file, "the Inception of FID", _ADVICE)  # torch-fidelity would run whatever is in it
        made = fid.FrechetInceptionDistance(feature=2048, feature_extractor_weights_path=str(file))
        self._network, self._device = made.inception.to(device).eval(), device
        self.key = f"inception 1 {found}"

    def look(self, picture: Tensor) -> Tensor:
        return (fit(picture, SIDE, SIDE) * 255).round().to(torch.uint8)

    @torch.no_grad()
    def embed(self, looks: Tensor) -> Tensor:
        return self._network(looks.to(self._device)).float().cpu().view(len(looks), -1)
