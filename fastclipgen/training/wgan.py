"""Training a Wasserstein GAN with a gradient penalty, under attributes, a CLIP embedding, both or nothing.

Arjovsky et al., arXiv 1701.07875; Gulrajani et al., arXiv 1704.00028. The critic's distance between pictures and drawn
pictures takes several steps up before the generator's one down: a partner with a loss of its own (training/task.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from fastclipgen.guidance.targets import encode_views, resized
from fastclipgen.models.about import About
from fastclipgen.models.recalibrate import recalibrate
from fastclipgen.models.wgan import Critic, Generator, Geometry
from fastclipgen.models.wgan_dialects import KEY, build
from fastclipgen.outputs.grid import contact_sheet
from fastclipgen.perceptors.base import FrozenPerceptor
from fastclipgen.training.adversarial import frozen, gradient_penalty
from fastclipgen.training.conditions import Conditions
from fastclipgen.training.cvae import Told, dropped, whole_condition
from fastclipgen.training.export import save_half
from fastclipgen.training.measures import kernel_distance
from fastclipgen.training.task import Best, Partner, Recipe, TrainOptions
from fastclipgen.training.vqgan import as_input

HELD_OUT = 256  # pictures for the metrics
SHOWN, TRIES = 8, 3  # columns of the sheet, and drawn pictures in each
ROWS = 64  # pictures at a time when nothing is learned
SETTLING = 16  # batches that tell the norms of averaged weights what to expect


@dataclass(frozen=True)
class WGANOptions:
    """What is trained besides TrainOptions; plain values, kept in the checkpoint. penalty: weight of the gradient
    penalty; critic_steps: of the critic for each of the generator; dropout: see training.cvae.dropped."""

    geometry: Geometry
    penalty: float = 10.0
    critic_steps: int = 5
    dropout: float = 0.1


class WGANTask:
    """A generator that learns the pictures of `told` on `device`, and its critic.

    eye: the CLIP that measures, the same as the conditions' where these are embeddings. names, clip: of the attributes
    and of the conditions' CLIP ("" without one), for the file.
    """

    def __init__(
        self,
        options: TrainOptions,
        chosen: WGANOptions,
        told: Told,
        eye: FrozenPerceptor,
        *,
        names: tuple[str, ...] = (),
        clip: str = "",
        device: torch.device | None = None,
    ) -> None:
        torch.manual_seed(options.seed)
        self.options, self.chosen, self.told, self.eye = options, chosen, told, eye
        self.about = About(chosen.geometry, names, clip)
        self.device = device or torch.device("cpu")
        self.model = Generator(chosen.geometry).to(self.device)
        self.critic = Critic(chosen.geometry).to(self.device)
        betas = (0.0, 0.9)
        critic = Partner(self.critic, betas, loss=self.critic_loss, turns=chosen.critic_steps)
        settings = asdict(chosen) | {"attributes": list(names), "clip": clip, **told.identity()}
        best = Best("kernel_distance", largest=False)
        self.recipe = Recipe(betas, None, {"critic": critic}, best, self.sheet, settings)
        self._read: tuple[int, tuple[Tensor, Conditions]] | None = None

    def batch(self, step: int, turn: int) -> tuple[Tensor, Tensor]:
        """Pictures [B, 3, S, S] in -1..1 of a turn of a step, new ones for every turn, and conditions [B, C], some of
        them dropped by torch's generator."""
        number = step * self.chosen.critic_steps + turn
        if self._read is None or self._read[0] != number:  # the generator's step takes conditions of the last turn
            self._read = number, self.told.batch(number, range(self.options.batch))
        pictures, told = self._read[1]
        condition = whole_condition(self.model, dropped(told, self.chosen.dropout), self.device)
        return as_input(pictures.to(self.device)), condition

    def noise(self, count: int, generator: torch.Generator | None = None) -> Tensor:
        """Latents [count, D]."""
        return torch.randn(count, self.chosen.geometry.latent, generator=generator).to(self.device)

    def critic_loss(self, step: int, turn: int) -> tuple[Tensor, dict[str, Tensor]]:
        """Minus the gap between the scores of pictures and of drawn ones, and the penalty at points between them."""
        real, condition = self.batch(step, turn)
        with torch.no_grad():
            drawn = self.model(self.noise(len(real)), condition)
        scores = self.critic(torch.cat([real, drawn]), torch.cat([condition, condition])).view(2, -1).mean(1)
        gap = scores[0] - scores[1]
        share = torch.rand(len(real), 1, 1, 1).to(self.device)
        penalty = gradient_penalty(lambda points: self.critic(points, condition), torch.lerp(drawn, real, share))
        values = {"gap": gap.detach(), "penalty": penalty.detach()}
        return self.chosen.penalty * penalty - gap, values

    def loss(self, step: int) -> tuple[Tensor, dict[str, Tensor]]:
        """Minus the mean score of drawn pictures."""
        _, condition = self.batch(step, self.chosen.critic_steps - 1)
        with frozen(self.critic):
            return -self.critic(self.model(self.noise(len(condition)), condition), condition).mean(), {}

    @torch.no_grad()
    def evaluate(self, model: nn.Module) -> dict[str, float]:
        """The critic's gap between held-out pictures and those drawn under their conditions; the distance between both
        in the features of the CLIP (measures.kernel_distance); where texts are embedded, the mean cosine of drawn
        pictures, and of the true ones, to them."""
        return self._measure(self.settled(model))

    def _measure(self, model: Generator) -> dict[str, float]:
        same = torch.Generator().manual_seed(0)
        scores, features, cosines = [], [], []
        for real, condition, embeddings in self._held_out(HELD_OUT):
            both = torch.stack([real, model(self.noise(len(real), same), condition)])  # [2, n, 3, S, S]
            scores.append(self.critic(both.flatten(0, 1), condition.repeat(2, 1)).view(2, -1))
            seen = self._features(both.flatten(0, 1)).view(2, len(real), -1)
            features.append(seen)
            if self.about.clip:
                cosines.append((seen * embeddings).sum(-1))
        gap = torch.cat(scores, 1).mean(1)
        found = {
            "gap": float(gap[0] - gap[1]),
            "kernel_distance": float(kernel_distance(*torch.cat(features, 1))),
        }
        if cosines:
            truth, ours = torch.cat(cosines, 1).mean(1).tolist()
            found |= {"similarity": ours, "similarity_of_truth": truth}
        return found

    @torch.no_grad()
    def settled(self, model: nn.Module) -> Generator:
        """A copy of averaged weights in eval mode whose batch norms expect what these weights give, not what the live
        ones gave."""
        copy = deepcopy(model).eval()
        assert isinstance(copy, Generator)
        same = torch.Generator().manual_seed(1)
        told = (self.told.batch(number, range(self.options.batch))[1] for number in range(SETTLING))
        recalibrate(copy, ((self.noise(len(t.attributes), same), whole_condition(copy, t, self.device)) for t in told))
        return copy

    @torch.no_grad()
    def sheet(self, model: nn.Module) -> np.ndarray:
        """Held-out pictures, and below each some that were drawn under its condition, uint8 [H, W, 3]."""
        settled = self.settled(model)
        real, condition, _ = next(self._held_out(SHOWN))
        same = torch.Generator().manual_seed(0)
        rows = [real, *(settled(self.noise(len(real), same), condition) for _ in range(TRIES))]
        shown = torch.cat(rows).add(1).mul(127.5).round().clamp(0, 255).byte()
        return contact_sheet([p.permute(1, 2, 0).cpu().numpy() for p in shown], columns=len(real), padding=2)

    @torch.no_grad()
    def export(self, model: nn.Module, path: Path) -> dict[str, float]:
        """The generator's weights in fp16, its norms settled, with what it is in the file's head."""
        tensors = self.settled(model).state_dict()
        save_half({name: value.cpu() for name, value in tensors.items()}, path, self.about.metadata(KEY))
        return self._measure(build(load_file(path), self.about, f"'{path}'").to(self.device))

    def _features(self, images: Tensor) -> Tensor:
        """Pictures [n, 3, S, S] in -1..1 -> unit vectors [n, E] of the CLIP."""
        shares = images.add(1).div(2).clamp(0, 1)
        return torch.cat([encode_views(self.eye, resized(part, self.eye.image_size)) for part in shares.split(ROWS)])

    def _held_out(self, count: int) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Held-out pictures in -1..1, their conditions, and these' embeddings [n, E], ROWS at a time."""
        pictures, told = self.told.held_out(count)
        for first in range(0, len(pictures), ROWS):
            part = Conditions(*(one[first : first + ROWS] for one in told))
            real = as_input(pictures[first : first + ROWS].to(self.device))
            yield real, whole_condition(self.model, part, self.device), part.embeddings.to(self.device)
