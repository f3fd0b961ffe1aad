"""The reference: the same job as a plain loop in eager torch, as scripts for it are written.

After the loops of K. Crowson's notebook (R-A), nerdyrodent's VQGAN-CLIP (R-B), on pixels or through a VQGAN, and of
Direct Ascent Synthesis (arXiv 2502.07753): one picture at a time, views drawn as theirs, torch.optim, the stack as one
tensor per resolution upsampled by F.interpolate. `habits` say how wasteful a loop is.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from fastclipgen.engine.recipe import Guide
from fastclipgen.generators.base import Params
from fastclipgen.generators.stack import Stack
from fastclipgen.generators.vqgan import Vqgan
from fastclipgen.guidance.constraints import total
from fastclipgen.guidance.targets import Targets
from fastclipgen.perceptors.base import FrozenPerceptor

from .habits import FAIR, Habits
from .reference_views import Views, view_drawer
from .reference_vqgan import PlainVqgan
from .subject import Subject

OPTIMIZERS: dict[str, type[torch.optim.Optimizer]] = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "sgd": torch.optim.SGD,
    "rmsprop": torch.optim.RMSprop,
    "adadelta": torch.optim.Adadelta,
    "adagrad": torch.optim.Adagrad,
}


class ReferenceRun:
    """Picture number `picture` of the subject, alone. views: how those of each CLIP are drawn; default: as the loop
    does that the preset comes from."""

    batch = 1

    def __init__(
        self, subject: Subject, picture: int = 0, habits: Habits = FAIR, views: list[Views] | None = None
    ) -> None:
        self.subject, self.habits, self.step = subject, habits, 0
        recipe, device = subject.recipe, subject.device
        self.generator = recipe.generator
        self.task = subject.task.rows(torch.tensor([picture], device=device))
        self.eyes = [_eye(guide, habits) for guide in recipe.guides]
        self.mean = [torch.tensor(eye.mean, device=device).view(1, 3, 1, 1) for eye in self.eyes]
        self.std = [torch.tensor(eye.std, device=device).view(1, 3, 1, 1) for eye in self.eyes]
        self.views = views or [
            view_drawer(guide.spec, guide.perceptor.image_size, picture, device) for guide in recipe.guides
        ]
        self.vqgan: PlainVqgan | None = None
        if isinstance(self.generator, Vqgan):
            own = next(self.generator.model.decoder.parameters()).dtype
            self.vqgan = PlainVqgan(self.generator, habits.dtype or own, careful=habits.dtype is None)
        self.params = {key: value.detach().requires_grad_() for key, value in self._start().items()}
        self.rates: list[float] = subject.rates.tolist()
        optimizer: Any = OPTIMIZERS[recipe.optimizer.name]
        self.optimizer: torch.optim.Optimizer = optimizer(list(self.params.values()), lr=self.rates[0])
        self.weights: list[float] = self.task.targets[0].weights[0].tolist()  # the same for every perceptor
        self.losses: list[float] = []
        self.shown: Tensor | None = None

    def advance(self, steps: int) -> None:
        habits = self.habits
        for _ in range(steps):
            for group in self.optimizer.param_groups:
                group["lr"] = self.rates[min(self.step, len(self.rates) - 1)]
            self.optimizer.zero_grad()
            image = self._canvas()
            terms = self._terms(image)
            if habits.backward_per_clip:
                for left, term in zip(range(len(terms) - 1, -1, -1), terms, strict=True):
                    term.backward(retain_graph=left > 0)
            else:
                torch.stack(terms).sum().backward()
            self.optimizer.step()
            with torch.no_grad():
                for key, value in self.generator.project(self.params).items():
                    self.params[key].copy_(value)
            if habits.read_every and self.step % habits.read_every == 0:
                self.losses.append(sum(term.item() for term in terms))
            if habits.picture_to_host:
                self.shown = image.detach().cpu()
            self.step += 1

    @torch.no_grad()
    def images(self) -> Tensor:
        """The picture so far, [1, 3, H, W] in 0..1."""
        return self.generator.publish(self._canvas())

    def _terms(self, image: Tensor) -> list[Tensor]:
        """What adds up to the loss: a scalar for every CLIP, and one for the constraints."""
        recipe = self.subject.recipe
        terms = [guide.weight * self._guided(index, guide, image) for index, guide in enumerate(recipe.guides)]
        if recipe.constraints:
            terms.append(total(recipe.constraints, image, image).sum())
        return terms

    def _start(self) -> Params:
        """The generator's own start; of a stack one plane of zeros for every resolution, in whichever form it is."""
        if isinstance(self.generator, Stack):
            pairs = enumerate(self.generator.pairs)
            return {f"p_{index}": torch.zeros(1, 3, *pair, device=self.subject.device) for index, pair in pairs}
        return self.subject.start(self.task)

    def _canvas(self) -> Tensor:
        if self.vqgan is not None:
            return self.vqgan.draw(self.params)
        if not isinstance(self.generator, Stack):
            return self.generator.canvas(self.params)
        size = self.generator.canvas_size
        raw = torch.zeros(1, 3, *size, device=self.subject.device)
        for plane in self.params.values():
            raw = raw + F.interpolate(plane, size, mode="bicubic", align_corners=False)
        return 0.5 + 0.5 * torch.tanh(raw)

    def _guided(self, index: int, guide: Guide, image: Tensor) -> Tensor:
        """The prompts' loss of one perceptor: a scalar."""
        eye = self.eyes[index]
        views = self.views[index].draw(image, guide.views)
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


def _eye(guide: Guide, habits: Habits) -> FrozenPerceptor:
    """The guide's perceptor, or a copy of it where the loop is to change it."""
    eye = guide.perceptor
    dtype = habits.dtype or eye.dtype
    if habits.frozen and dtype == eye.dtype:
        return eye
    eye = copy.deepcopy(eye).to(eye.device, dtype)
    eye.module.requires_grad_(not habits.frozen)
    return eye
