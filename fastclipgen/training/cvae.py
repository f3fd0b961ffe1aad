"""Training a CVAE: reconstructions under a condition, a Kullback-Leibler term that sets in slowly, dropped conditions.

Kingma & Welling, arXiv 1312.6114; annealing as Bowman et al., arXiv 1511.06349, or down instead of up; conditions are
dropped as in classifier-free guidance (Ho & Salimans, arXiv 2207.12598), so that the model knows pictures of which
nothing is said.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from fastclipgen.data.source import Source
from fastclipgen.engine.compiled import Compiled, use_cache_folder
from fastclipgen.models.about import About
from fastclipgen.models.cvae import ClipCVAE, Geometry, divergence, sample
from fastclipgen.models.cvae_dialects import KEY, build
from fastclipgen.models.fingerprint import fingerprint
from fastclipgen.models.wgan import Generator
from fastclipgen.outputs.grid import contact_sheet
from fastclipgen.training import processes
from fastclipgen.training.conditions import Conditions
from fastclipgen.training.export import save_half, whiten
from fastclipgen.training.measures import psnr
from fastclipgen.training.picture_errors import error_of
from fastclipgen.training.task import Best, Recipe, TrainOptions
from fastclipgen.training.vq_losses import Perceptual

HELD_OUT = 256  # pictures for the metrics
SHOWN = 8  # pictures on the sheet
ROWS = 64  # pictures at a time when nothing is learned
WHITENED = 4096  # training pictures whose latents say where latents lie
QUIET = -4.0  # log variance of posteriors at first: little noise, so that there is something to learn from


class Told(Protocol):
    """Pictures with conditions: training.conditions.Conditioned, or Untold."""

    def identity(self) -> dict[str, Any]: ...

    def batch(self, step: int, places: range) -> tuple[Tensor, Conditions]: ...

    def held_out(self, count: int) -> tuple[Tensor, Conditions]: ...


class Untold:
    """Pictures of any source, of which nothing is told."""

    def __init__(self, source: Source) -> None:
        self.source = source

    def identity(self) -> dict[str, Any]:
        return {**self.source.identity(), "size": self.source.size}

    def batch(self, step: int, places: range) -> tuple[Tensor, Conditions]:
        return _untold(self.source.batch(step, places))

    def held_out(self, count: int) -> tuple[Tensor, Conditions]:
        return _untold(self.source.held_out(count))


@dataclass(frozen=True)
class CVAEOptions:
    """What is trained besides TrainOptions; all of it plain values, kept in the checkpoint.

    error, edges: as of picture_errors.error_of. reduction: "mean", over a picture's values, or "sum". beta: weight of
    the divergence in nats, which gets there from `beta_first` over the first share `anneal` of the steps. dropout: see
    `dropped`.
    """

    geometry: Geometry
    error: str = "l2"
    edges: float = 0.0
    reduction: str = "mean"
    beta: float = 5e-4
    beta_first: float = 0.0
    anneal: float = 0.3
    dropout: float = 0.1
    perceptual: str = "none"  # named for the checkpoint; the distance itself is given to the task


class CVAETask:
    """A CVAE that learns the pictures of `told` on `device`, in bfloat16 where `bf16` says so.

    names, clip: of the attributes and of the CLIP, for the file. start: weights to begin with, of the same geometry.
    compiled: by torch.compile.
    """

    def __init__(
        self,
        options: TrainOptions,
        chosen: CVAEOptions,
        told: Told,
        *,
        names: tuple[str, ...] = (),
        clip: str = "",
        perceptual: Perceptual | None = None,
        start: ClipCVAE | None = None,
        device: torch.device | None = None,
        bf16: bool = False,
        compiled: bool = False,
    ) -> None:
        torch.manual_seed(options.seed)
        self.options, self.chosen, self.told, self.perceptual, self.bf16 = options, chosen, told, perceptual, bf16
        # as long as a vector of normal numbers, or the latent beside it would drown it
        self.about = About(chosen.geometry, names, clip, math.sqrt(max(1, chosen.geometry.embedding)))
        self.device = device or torch.device("cpu")
        self.model = ClipCVAE(chosen.geometry)
        nn.init.constant_(self.model.fc_logvar.bias, QUIET)
        if start is not None:
            self.model.load_state_dict(start.state_dict())
        self.model.to(self.device, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        self._encode, self._decode = self.model.encode, self.model.decode
        if compiled:
            use_cache_folder()
            self._encode, self._decode = Compiled(self._encode), Compiled(self._decode)
        settings = asdict(chosen) | {"attributes": list(names), "clip": clip, **told.identity()}
        if start is not None:
            settings["start"] = fingerprint(start)
        self.recipe = Recipe((0.9, 0.99), None, {}, Best("psnr_db"), self.sheet, settings)
        self.places = processes.places(options.batch)

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16)

    def condition(self, told: Conditions) -> Tensor:
        """What the model takes of what is told of n pictures, [n, C]."""
        return whole_condition(self.model, told._replace(embeddings=self.about.length * told.embeddings), self.device)

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        """Pictures of a step in 0..1, and their conditions, some of them dropped by torch's generator."""
        pictures, told = self.told.batch(step, self.places)
        return as_shares(pictures).to(self.device), self.condition(dropped(told, self.chosen.dropout))

    def posterior(self, images: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        """Latents [B, D], drawn by torch's generator, and the mean of their divergences, 0-d."""
        noise = torch.randn(len(images), self.chosen.geometry.latent).to(self.device)
        with self._autocast():
            mean, log_variance = self._encode(images, condition)
        mean, log_variance = mean.float(), log_variance.float().clamp(-20, 10)
        return sample(mean, log_variance, noise), divergence(mean, log_variance).mean()

    def drawn(self, z: Tensor, condition: Tensor) -> Tensor:
        """What the decoder makes of latents, in 0..1."""
        with self._autocast():
            return self._decode(z, condition)

    def reconstruction(self, copies: Tensor, images: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """How far copies are from pictures, 0-d, and what that is made of."""
        error = error_of(copies, images, self.chosen.error, self.chosen.edges).mean()
        values = {"error": error}
        if self.perceptual is not None:
            with self._autocast():
                values["perceptual"] = self.perceptual(2 * copies - 1, 2 * images - 1).float().mean()
            error = error + values["perceptual"]
        return error * (images[0].numel() if self.chosen.reduction == "sum" else 1), values

    def pressure(self, step: int) -> float:
        """The weight of the divergence at a step: straight from 0, in equal ratios from any other beginning."""
        first, last = self.chosen.beta_first, self.chosen.beta
        way = min(1.0, (step + 1) / max(1.0, self.chosen.anneal * self.options.steps))
        return first * (last / first) ** way if first and last else first + (last - first) * way

    def loss(self, step: int) -> tuple[Tensor, dict[str, Tensor]]:
        images, condition = self.batch(step)
        z, kl = self.posterior(images, condition)
        loss, values = self.reconstruction(self.drawn(z, condition), images)
        return loss + self.pressure(step) * kl, {name: value.detach() for name, value in {**values, "kl": kl}.items()}

    @torch.no_grad()
    def evaluate(self, model: nn.Module) -> dict[str, float]:
        """Held-out pictures to the means of their latents and back, in float32, with their condition and (psnr_untold)
        without any; the divergence; latents that tell pictures apart."""
        assert isinstance(model, ClipCVAE)
        told_db, untold_db, divergences, means = [], [], [], []
        for images, condition in self._held_out(HELD_OUT):
            mean, log_variance = model.encode(images, condition)
            nothing = torch.zeros_like(condition)
            told_db.append(psnr(model.decode(mean, condition), images))
            untold_db.append(psnr(model.decode(model.encode(images, nothing)[0], nothing), images))
            divergences.append(divergence(mean, log_variance))
            means.append(mean)
        return {
            "psnr_db": float(torch.cat(told_db).mean()),
            "psnr_untold_db": float(torch.cat(untold_db).mean()),
            "kl": float(torch.cat(divergences).mean()),
            "active_latents": float((torch.cat(means).std(0, correction=0) > 0.1).sum()),
        }

    @torch.no_grad()
    def sheet(self, model: nn.Module) -> np.ndarray:
        """Held-out pictures, below them their reconstructions, and below these others that were sampled under the same
        conditions, uint8 [H, W, 3]."""
        assert isinstance(model, ClipCVAE)
        images, condition = next(self._held_out(HELD_OUT))
        mean, log_variance = model.encode(images, condition)
        prior = whiten(mean, log_variance.exp())
        images, condition = images[:SHOWN], condition[:SHOWN]
        noise = torch.randn(len(images), self.chosen.geometry.latent, generator=torch.Generator().manual_seed(0))
        mean, factor = (prior[name].to(self.device) for name in ("prior_mean", "prior_factor"))
        rows = [
            images,
            model.decode(model.encode(images, condition)[0], condition),
            model.decode(mean + noise.to(self.device) @ factor.T, condition),
        ]
        shown = torch.cat(rows).mul(255).round().clamp(0, 255).byte()
        return contact_sheet([p.permute(1, 2, 0).cpu().numpy() for p in shown], columns=len(images), padding=2)

    @torch.no_grad()
    def export(self, model: nn.Module, path: Path) -> dict[str, float]:
        """The weights in fp16, with where the latents of training pictures lie, as `--cvae` reads them."""
        assert isinstance(model, ClipCVAE)
        steps = -(-min(WHITENED, 64 * self.options.batch) // self.options.batch)
        found = []
        for step in range(steps):
            pictures, told = self.told.batch(step, self.places)
            found.append(model.encode(as_shares(pictures).to(self.device), self.condition(told)))
        means, log_variances = (torch.cat(parts) for parts in zip(*found, strict=True))
        tensors = {**model.state_dict(), **whiten(means, log_variances.exp())}
        save_half({name: value.cpu() for name, value in tensors.items()}, path, self.about.metadata(KEY))
        written = {name: value.float() for name, value in load_file(path).items()}
        return self.evaluate(build(written, self.about, f"'{path}'").to(self.device))

    def _held_out(self, count: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Held-out pictures in 0..1 and their conditions, ROWS at a time."""
        pictures, told = self.told.held_out(count)
        for first in range(0, len(pictures), ROWS):
            part = Conditions(*(one[first : first + ROWS] for one in told))
            yield as_shares(pictures[first : first + ROWS]).to(self.device), self.condition(part)


def as_shares(pictures: Tensor) -> Tensor:
    """uint8 pictures as a CVAE takes them, float32 in 0..1."""
    return pictures.float() / 255


def whole_condition(model: ClipCVAE | Generator, told: Conditions, device: torch.device) -> Tensor:
    """What the model takes of what is told of n pictures, of which it may know less: [n, C]."""
    g = model.geometry
    attributes = told.attributes if g.attributes else None
    embeddings = told.embeddings if g.embedding else None
    return model.conditions(len(told.attributes), attributes, embeddings).to(device)


def dropped(told: Conditions, share: float) -> Conditions:
    """Conditions of which parts are not known: for this share of pictures all of it, for the same share of the others
    the embedding, again for that share all attributes, and of the rest single attributes. Draws from torch's generator;
    unknown attributes are NaN, an unknown embedding 0."""
    if not share:
        return told
    attributes, embeddings = told
    whole, text, facts = (torch.rand(len(attributes), 3) < share).unbind(1)
    single = torch.rand(attributes.shape) < share
    attributes = attributes.masked_fill((whole | facts)[:, None] | single, float("nan"))
    return Conditions(attributes, embeddings * (~(whole | text))[:, None])


def _untold(pictures: Tensor) -> tuple[Tensor, Conditions]:
    nothing = torch.zeros(len(pictures), 0)
    return pictures, Conditions(nothing, nothing)
