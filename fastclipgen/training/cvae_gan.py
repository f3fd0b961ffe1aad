"""Training a CVAE whose copies are compared by what a discriminator sees, and whose pictures have to pass for real.

VAE/GAN: Larsen et al., "Autoencoding beyond pixels using a learned similarity metric", arXiv 1512.09300. One step moves
three players, each by its own loss: the encoder by divergence and reconstruction, the decoder by reconstruction and the
discriminator's opinion of copies and drawn pictures, the discriminator by telling these from pictures.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fastclipgen.training.adversarial import frozen
from fastclipgen.training.cvae import CVAEOptions, CVAETask, Told
from fastclipgen.training.feature_discriminator import FeatureDiscriminator
from fastclipgen.training.task import Partner, TrainOptions
from fastclipgen.training.vq_losses import adaptive_weight


@dataclass(frozen=True)
class Game:
    """Plain values, kept in the checkpoint. pixels, features: weights of both parts of the reconstruction, by colours
    and by the discriminator's features. gamma: how much more the reconstruction counts for the decoder than the
    discriminator's opinion; with 1 both pull as strongly at its last layer. discriminator_channels: of its first map.
    rests_below: it learns nothing from a step in which its loss, 2 ln 2 = 1.39 for guesses, is below this."""

    pixels: float = 1.0
    features: float = 0.1
    gamma: float = 1.0
    discriminator_channels: int = 16
    rests_below: float = 0.5


class CVAEGANTask(CVAETask):
    """A CVAE's task with a discriminator beside it; what `compiled` says holds for the encoder alone, for a step goes
    back through the decoder twice."""

    def __init__(self, options: TrainOptions, chosen: CVAEOptions, told: Told, *, game: Game, **others: Any) -> None:
        super().__init__(options, chosen, told, **others)
        self.game = game
        self._decode = self.model.decode
        geometry = chosen.geometry
        self.discriminator = FeatureDiscriminator(geometry.side, geometry.condition, game.discriminator_channels).to(
            self.device
        )
        self.recipe.betas = (0.5, 0.9)  # a game wants short memories
        self.recipe.partners["discriminator"] = Partner(self.discriminator)
        self.recipe.settings |= asdict(game)

    def loss(self, step: int) -> tuple[Tensor, dict[str, Tensor]]:
        game = self.game
        images, condition = self.batch(step)
        z, kl = self.posterior(images, condition)
        cut = z.detach().requires_grad_()  # the decoder's losses end here; what is the encoder's is handed over below
        copies, drawn = self.drawn(cut, condition), self.drawn(_alike(cut.detach()), condition)
        shown = torch.cat([images, copies, drawn])
        with frozen(self.discriminator):
            logits, features = self._judged(shown, condition)
        theirs, ours, _ = features.chunk(3)
        wanted = theirs.detach()
        values = {"features": (ours - wanted).square().mean() / wanted.square().mean()}
        by_pixels, parts = self.reconstruction(copies, images)
        size = images[0].numel() if self.chosen.reduction == "sum" else 1
        reconstruction = game.pixels * by_pixels + game.features * size * values["features"]
        opinion = F.softplus(-logits[len(images) :]).mean()
        weight = adaptive_weight(reconstruction, opinion, _last_kernel(self.model.decoder))
        (pull,) = torch.autograd.grad(reconstruction, cut, retain_graph=True)
        encoder = self.pressure(step) * kl + (pull * (z - cut.detach())).sum()  # of value 0, with the pull as gradient
        decoder = game.gamma * reconstruction + weight * opinion
        told = self._told(shown.detach(), condition)
        values |= {**parts, "kl": kl, "opinion": opinion, "weight": weight, "discriminator": told}
        learns = (told.detach() >= game.rests_below).to(told.dtype)
        return encoder + decoder + learns * told, {name: value.detach() for name, value in values.items()}

    def _judged(self, shown: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        """Logits and features of pictures, copies and drawn ones, one after the other."""
        with self._autocast():
            logits, features = self.discriminator(shown, condition.repeat(3, 1))
        return logits.float(), features.float()

    def _told(self, shown: Tensor, condition: Tensor) -> Tensor:
        """The discriminator's loss: cross-entropy over pictures, and over copies and drawn ones together."""
        real, *others = self._judged(shown, condition)[0].chunk(3)
        return F.softplus(-real).mean() + F.softplus(torch.cat(others)).mean()


def _alike(z: Tensor) -> Tensor:
    """Random latents of the normal distribution that has the mean and covariance of these, [B, D]: what is drawn from
    after training, when it is known where all latents lie. Uses torch's generator."""
    mean = z.mean(0)
    mixed = torch.randn(len(z), len(z)).to(z) @ (z - mean)
    return mean + mixed / max(1, len(z) - 1) ** 0.5


def _last_kernel(decoder: nn.Module) -> nn.Parameter:
    return [parameter for parameter in decoder.parameters() if parameter.ndim == 4][-1]
