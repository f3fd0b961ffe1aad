"""The reference: the same job as a plain loop in eager torch, as scripts for it are written.

After the loops of K. Crowson's VQGAN+CLIP notebook and of Direct Ascent Synthesis (arXiv 2502.07753): one picture at a
time, a Python loop over the cutouts, torch.optim, the stack as one tensor per resolution upsampled by F.interpolate.
"plain" leaves CLIP's weights unfrozen and reads the loss every step; "careful" does neither.
"""

from __future__ import annotations

import copy

import torch
import torch.nn.functional as F
from torch import Tensor

from bench.reference_views import PlainViews
from bench.subject import Subject
from fastclipgen.engine.step import Guide
from fastclipgen.generators.base import Params
from fastclipgen.generators.stack import Stack
from fastclipgen.guidance.constraints import total
from fastclipgen.guidance.targets import Targets

OPTIMIZERS: dict[str, type[torch.optim.Optimizer]] = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "sgd": torch.optim.SGD,
    "rmsprop": torch.optim.RMSprop,
    "adadelta": torch.optim.Adadelta,
    "adagrad": torch.optim.Adagrad,
}


class ReferenceRun:
    """Picture number `picture` of the subject, alone. careful: frozen weights, and no loss read on the host."""

    batch = 1

    def __init__(self, subject: Subject, picture: int = 0, careful: bool = False) -> None:
        self.subject, self.careful, self.step = subject, careful, 0
        recipe, device = subject.recipe, subject.device
        self.generator = recipe.generator
        self.task = subject.task.rows(torch.tensor([picture], device=device))
        self.eyes = [guide.perceptor for guide in recipe.guides]
        if not careful:
            self.eyes = [copy.deepcopy(eye) for eye in self.eyes]
            for eye in self.eyes:
                eye.module.requires_grad_(True)
        self.views = [
            PlainViews(guide.spec, guide.perceptor.image_size, picture, device) for guide in recipe.guides
        ]  # fmt: skip
        self.params = {key: value.detach().requires_grad_() for key, value in self._start().items()}
        self.optimizer = OPTIMIZERS[recipe.optimizer.name](list(self.params.values()), lr=subject.job.config.learning_rate)  # pyright: ignore[reportCallIssue]
        self.losses: list[float] = []

    def advance(self, steps: int) -> None:
        for _ in range(steps):
            for group in self.optimizer.param_groups:
                group["lr"] = self.rates[min(self.step, len(self.rates) - 1)]
            self.optimizer.zero_grad()
            image = self._canvas()
            loss = image.new_zeros(())
            for index, guide in enumerate(self.subject.recipe.guides):
                loss = loss + guide.weight * self._guided(index, guide, image)
            if self.subject.recipe.constraints:
                loss = loss + total(self.subject.recipe.constraints, image, image).sum()
            loss.backward()
            self.optimizer.step()
            with torch.no_grad():
                for key, value in self.generator.project(dict(self.params)).items():
                    self.params[key].copy_(value)
            if not self.careful:
                self.losses.append(loss.item())
            self.step += 1

    @torch.no_grad()
    def images(self) -> Tensor:
        """The picture so far, [1, 3, H, W] in 0..1."""
        return self.generator.publish(self._canvas())
