"""The reference: the same job as a plain loop in eager torch, as scripts for it are written.

After the loops of K. Crowson's VQGAN+CLIP notebook and of Direct Ascent Synthesis (arXiv 2502.07753): one picture at a
time, a Python loop over the cutouts, torch.optim, the stack as one tensor per resolution upsampled by F.interpolate.
"plain" leaves CLIP's weights unfrozen and reads the loss every step; "careful" does neither.
"""

from __future__ import annotations

import copy
from typing import Any

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
        self.mean = [torch.tensor(eye.mean, device=device).view(1, 3, 1, 1) for eye in self.eyes]
        self.std = [torch.tensor(eye.std, device=device).view(1, 3, 1, 1) for eye in self.eyes]
        self.views = [PlainViews(guide.spec, guide.perceptor.image_size, picture, device) for guide in recipe.guides]
        self.params = {key: value.detach().requires_grad_() for key, value in self._start().items()}
        self.rates: list[float] = subject.rates.tolist()
        optimizer: Any = OPTIMIZERS[recipe.optimizer.name]
        self.optimizer: torch.optim.Optimizer = optimizer(list(self.params.values()), lr=self.rates[0])
        self.weights: list[float] = self.task.targets[0].weights[0].tolist()  # the same for every perceptor
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
                for key, value in self.generator.project(self.params).items():
                    self.params[key].copy_(value)
            if not self.careful:
                self.losses.append(loss.item())
            self.step += 1

    @torch.no_grad()
    def images(self) -> Tensor:
        """The picture so far, [1, 3, H, W] in 0..1."""
        return self.generator.publish(self._canvas())

    def _start(self) -> Params:
        """The generator's own start; of a stack one plane of zeros for every resolution, in whichever form it is."""
        if isinstance(self.generator, Stack):
            pairs = enumerate(self.generator.pairs)
            return {f"p_{index}": torch.zeros(1, 3, *pair, device=self.subject.device) for index, pair in pairs}
        return self.generator.init(self.task.seeds)

    def _canvas(self) -> Tensor:
        if not isinstance(self.generator, Stack):
            return self.generator.canvas(self.params)
        size = self.generator.canvas_size
        planes = [F.interpolate(p, size, mode="bicubic", align_corners=False) for p in self.params.values()]
        return 0.5 + 0.5 * torch.tanh(torch.stack(planes).sum(0))

    def _guided(self, index: int, guide: Guide, image: Tensor) -> Tensor:
        """The prompts' loss of one perceptor: a scalar."""
        drawer, eye = self.views[index], self.eyes[index]
        padded = drawer.pad(image)
        views = torch.cat([drawer.draw(padded) for _ in range(guide.views)])
        embeddings = F.normalize(eye.encode_image((views - self.mean[index]) / self.std[index]), dim=-1)
        return self._prompts(embeddings, self.task.targets[index])

    def _prompts(self, embeddings: Tensor, targets: Targets) -> Tensor:
        """Weighted distance of views [N, E] to each prompt; the subject's prompts have no stops."""
        recipe, loss = self.subject.recipe, embeddings.new_zeros(())
        for target, weight in zip(targets.embeddings[0], self.weights, strict=True):
            if recipe.loss == "cosine":
                distance = 1 - embeddings @ target
            elif recipe.loss == "l1":
                distance = (embeddings - target).abs().sum(-1)
            else:
                distance = (embeddings - target).norm(dim=-1)
                if recipe.loss == "spherical":
                    distance = distance.div(2).arcsin().pow(2).mul(2)
            loss = loss + weight * distance.mean()
        return loss / len(self.weights) if recipe.prompt_mean else loss
