"""Training the layered VAE on the shapes world: squared error plus a small weight of the Kullback-Leibler term."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn

from fastclipgen.data.shapes import HELD_OUT_SEED, ShapesDataset
from fastclipgen.data.shapes_render import render
from fastclipgen.data.shapes_scene import Scenes
from fastclipgen.models.layered_vae import OBJECTS, SIDE, LayeredVAE, Parts, draw
from fastclipgen.training.export import save_half, whiten
from fastclipgen.training.loop import TrainOptions
from fastclipgen.training.measures import psnr


def to_tensor(images: np.ndarray) -> Tensor:
    """float32 [n, S, S, 3] -> channels-last tensor [n, 3, S, S]."""
    return torch.from_numpy(images).permute(0, 3, 1, 2)


def pattern_number(scenes: Scenes) -> np.ndarray:
    """int64 [n]: 0 for no pattern, else one number for every kind, pitch (3, 4, 5) and direction that differ."""
    kind, pitch = scenes.facts[:, 8], scenes.pitch.astype(np.int64) - 3
    return np.select([kind == 2, kind == 3, kind == 4], [1 + pitch * 3 + scenes.tilt, 10 + pitch, 13 + pitch], 0)


def supervision(parts: Parts, scenes: Scenes) -> Tensor:
    """How far the decoder's parts are from the scene's own, 0-d: it settles which slot draws which object.

    Without it a spatial transformer must find objects by chance; with it, training takes minutes instead of days.
    """
    facts = torch.from_numpy(scenes.facts)
    here = (facts[:, :1] > torch.arange(OBJECTS)).float()  # [n, K]
    ink, ground = torch.from_numpy(scenes.ink), torch.from_numpy(scenes.ground)
    blend = (facts[:, 8] == 1).float()[:, None]  # a gradient is a ground whose colour varies
    patterned = (facts[:, 8] > 1).float()[:, None]
    change = blend * (ground[:, 1] - ground[:, 0])
    tilt = torch.from_numpy(scenes.tilt)
    share = torch.tensor([[0.0, 1.0], [1.0, 0.0], [0.5, 0.5]])[tilt]  # of the change along x and along y
    truth = torch.stack([ground[:, 0] + 0.5 * change, change * share[:, :1], change * share[:, 1:]], dim=2)
    pose = (parts.centre - torch.from_numpy(scenes.centre)).square().sum(2) * 4
    pose = pose + (parts.log_radius - torch.from_numpy(scenes.radius).log()).square()
    pose = pose + (parts.angle - torch.from_numpy(scenes.angle)).square()
    chosen = torch.from_numpy(pattern_number(scenes))
    shapes = facts[:, [1, 5]].clamp_min(0)
    wrong_shape = F.cross_entropy(parts.outline_choice.flatten(0, 1), shapes.flatten(), reduction="none").view_as(here)
    terms = [
        F.cross_entropy(parts.pattern_choice, chosen) * 0.3,
        (here * wrong_shape).mean() * 0.6,
        (here * pose).mean(),
        F.binary_cross_entropy_with_logits(parts.present, here) * 0.5,
        (here[..., None] * (parts.ink - ink).square()).mean(),
        (parts.ground - truth).square().mean(),
        (patterned * (parts.second - ground[:, 1]).square()).mean(),
    ]
    return torch.stack(terms).sum()


class VAETask:
    """kl_weight: of the KL term in nats, against the mean squared error of a colour; guide: of the supervision."""

    def __init__(self, options: TrainOptions, kl_weight: float = 1e-5, guide: float = 0.05, bf16: bool = True) -> None:
        torch.manual_seed(options.seed)
        self.model = LayeredVAE().to(memory_format=torch.channels_last)
        self.options, self.kl_weight, self.guide, self.bf16 = options, kl_weight, guide, bf16
        self.data = ShapesDataset(options.seed, SIDE)

    def loss(self, step: int) -> tuple[Tensor, dict[str, Tensor]]:
        options = self.options
        scenes = self.data.scenes(step * options.batch + np.arange(options.batch))
        truth = to_tensor(render(scenes, SIDE))
        noise = torch.Generator().manual_seed(options.seed * 1_000_003 + step)
        with torch.autocast("cpu", torch.bfloat16, enabled=self.bf16):
            mean, log_variance = self.model.encoder(truth)
        latents = mean + (0.5 * log_variance).exp() * torch.randn(mean.shape, generator=noise)
        parts = self.model.decoder.parts(latents)
        error = F.mse_loss(draw(parts, SIDE, SIDE), truth)
        kl = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(1).mean()
        guided = supervision(parts, scenes)
        loss = error + self.guide * guided + self.kl_weight * min(1.0, step / max(1, 0.3 * options.steps)) * kl
        return loss, {"error": error.detach(), "kl": kl.detach(), "supervision": guided.detach()}

    @torch.no_grad()
    def evaluate(self, model: nn.Module, pictures: int = 512) -> dict[str, float]:
        """Round trip of held-out pictures (decoded from the mean, float32) at 64 px, and at 128 px for sharpness."""
        assert isinstance(model, LayeredVAE)
        small, large = (ShapesDataset(HELD_OUT_SEED, side) for side in (SIDE, 2 * SIDE))
        at_side, at_double, spread = [], [], []
        for start in range(0, pictures, 128):
            indices = np.arange(start, start + 128)
            truth = to_tensor(small.images(indices))
            mean, _ = model.encoder(truth)
            at_side.append(psnr(model.decoder(mean), truth))
            at_double.append(psnr(model.decoder(mean, 2 * SIDE, 2 * SIDE), to_tensor(large.images(indices))))
            spread.append(mean)
        latents = torch.cat(spread)
        return {
            "psnr_db": float(torch.cat(at_side).mean()),
            "psnr_db_128px": float(torch.cat(at_double).mean()),
            "active_latents": float((latents.std(0) > 0.1).sum()),
            "latent_norm": float(latents.norm(dim=1).mean()),
        }

    @torch.no_grad()
    def export(self, model: nn.Module, path: Path, pictures: int = 8192) -> dict[str, float]:
        """The VAE with the whitening of its latents, from the latents of training pictures."""
        assert isinstance(model, LayeredVAE)
        found = [
            model.encoder(to_tensor(self.data.images(np.arange(start, start + 256))))
            for start in range(0, pictures, 256)
        ]
        means, log_variances = (torch.cat(parts) for parts in zip(*found, strict=True))
        save_half({**model.state_dict(), **whiten(means, log_variances.exp())}, path)
        shipped = LayeredVAE().eval()
        tensors = {key: value.float() for key, value in load_file(path).items()}
        shipped.load_state_dict({key: value for key, value in tensors.items() if not key.startswith("prior_")})
        return self.evaluate(shipped)
