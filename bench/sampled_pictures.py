"""A whole CLIP-GEN request in the sampling bench: tokens of many candidates, their pictures, and the best by CLIP.

All networks have random weights, on which times do not depend.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from fastclipgen.clip_gen.networks import join
from fastclipgen.models import vqgan
from fastclipgen.models.transformer import Transformer
from fastclipgen.perceptors import resolve
from fastclipgen.perceptors.base import FrozenPerceptor
from fastclipgen.sampling.choice import Choice
from fastclipgen.sampling.rerank import Ranked, rerank
from fastclipgen.sampling.sampler import Sampler

from .random_clip import PREFIX, random_perceptor
from .random_vqgan import random_vqgan
from .schema import SampledPictures
from .timing import ratio, spread

KEEP = 8  # of clip-gen's demo
DECODED = 16  # pictures at once, as the job plans them where memory is no matter


class Sampled:
    """A step samples, decodes and ranks all candidates of one text, as a job does, with the seeds of a new picture."""

    def __init__(self, model: Transformer, decoder: vqgan.Geometry, clip: str, candidates: int) -> None:
        device, dtype = model.positions.device, model.positions.dtype
        self.networks = join(model, random_vqgan(decoder, device, dtype))
        self.eye = _perceptor(clip, device, dtype)
        self.batch = candidates
        self.sampler = Sampler(model, candidates, Choice(), graph=device.type == "cuda")
        draw = torch.Generator().manual_seed(0)
        unit = torch.nn.functional.normalize
        self.condition = unit(torch.randn(1, model.geometry.condition, generator=draw), dim=-1).to(device, dtype)
        self.text = unit(torch.randn(1, self.eye.embed_dim, generator=draw), dim=-1).to(device)
        self.seeds = torch.zeros(1, dtype=torch.int64, device=device)
        self.keep = min(KEEP, candidates)
        self.ranked: Ranked | None = None

    def advance(self, steps: int) -> None:
        for _ in range(steps):
            self.seeds += 1
            tokens = self.sampler.sample(self.condition, self.seeds, self.batch)
            self.ranked = rerank(self.networks.decode, self.eye, self.text, tokens, self.keep, batch=DECODED)


def _perceptor(name: str, device: torch.device, dtype: torch.dtype) -> FrozenPerceptor:
    if not name.startswith(PREFIX):
        return resolve([name], device, dtype, lambda line: None)[0].perceptor
    made = random_perceptor(name, 0)
    return made.to(device, dtype)


def pictures_row(run: Any, whole: Sequence[float], tokens: Sequence[float], cuda: bool) -> SampledPictures:
    """What the report says of a run of Sampled. whole, tokens: seconds per picture, of it and of its tokens alone."""
    return SampledPictures(
        candidates=run.batch,
        keep=run.keep,
        side=run.networks.side,
        clip=run.eye.name,
        seconds=spread([run.batch * seconds for seconds in whole]) if cuda else None,
        tokens=ratio(tokens, whole),
    )
