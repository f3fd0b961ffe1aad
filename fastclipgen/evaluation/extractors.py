"""What is taken from each picture: embeddings of a CLIP, its spectrum, a small copy. Knows neither files nor caches."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from fastclipgen.evaluation.spectrum import RINGS, ring_power
from fastclipgen.guidance.targets import encode_views
from fastclipgen.models.fingerprint import fingerprint
from fastclipgen.outputs.load import fit
from fastclipgen.perceptors.base import FrozenPerceptor

SMALL = 32  # pixels a side of the copies by which pictures are compared
_VERSION = 1  # of everything here: another number is another cache


class Extractor(Protocol):
    """Features of pictures, in two parts, of which the first runs on threads."""

    @property
    def key(self) -> str:
        """What the features follow from, but for the picture."""
        ...

    def look(self, picture: Tensor) -> Tensor:
        """What is needed of a picture float32 [3, H, W] in 0..1; of one shape for all. Raises UserError."""
        ...

    def embed(self, looks: Tensor) -> Tensor:
        """`look`s [n, ...] -> features float32 [n, D] on the CPU."""
        ...


class ClipFeatures:
    """The embeddings of a CLIP, of length 1. It sees the centre square of a picture, as it was trained to."""

    def __init__(self, eye: FrozenPerceptor) -> None:
        self.eye = eye
        self.key = f"clip {_VERSION} {eye.name} {eye.image_size} {eye.mean} {eye.std} {fingerprint(eye.module)}"

    def look(self, picture: Tensor) -> Tensor:
        return fit(picture, self.eye.image_size, self.eye.image_size)

    @torch.no_grad()
    def embed(self, looks: Tensor) -> Tensor:
        return encode_views(self.eye, looks.to(self.eye.device)).cpu()


class Spectra:
    """`spectrum.ring_power`, as one row; `rings` gives it back its shape."""

    key = f"rings {_VERSION} {RINGS}"

    def look(self, picture: Tensor) -> Tensor:
        return ring_power(picture).float()

    def embed(self, looks: Tensor) -> Tensor:
        return looks.flatten(1)

    @staticmethod
    def rings(features: Tensor) -> Tensor:
        """Features [N, D] -> [N, 2, RINGS + 1]."""
        return features.view(len(features), 2, -1)


class Small:
    """The centre square in SMALL x SMALL pixels, [n, 3 * SMALL * SMALL] in 0..1."""

    key = f"small {_VERSION} {SMALL}"

    def look(self, picture: Tensor) -> Tensor:
        return fit(picture, SMALL, SMALL)

    def embed(self, looks: Tensor) -> Tensor:
        return looks.flatten(1)
