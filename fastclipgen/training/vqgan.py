"""Training a VQGAN: reconstructions, a codebook, and if wanted a perceptual distance and a discriminator.

After Esser, Rombach, Ommer, arXiv 2012.09841. Pictures come from any source (data/source.py); the losses are in
vq_losses.py, the codes' learning in codebook.py.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from fastclipgen.data.source import Source
from fastclipgen.engine.compiled import Compiled, use_cache_folder
from fastclipgen.models.vqgan import VQGAN, Geometry
from fastclipgen.models.vqgan_dialects import build
from fastclipgen.outputs.grid import contact_sheet
from fastclipgen.training import processes
from fastclipgen.training.adversarial import frozen
from fastclipgen.training.codebook import CodeOptions, CodeTrainer
from fastclipgen.training.discriminator import PatchDiscriminator
from fastclipgen.training.export import save_half
from fastclipgen.training.measures import psnr
from fastclipgen.training.pyramid import begin_as_pyramid
from fastclipgen.training.task import Best, Partner, Recipe, TrainOptions
from fastclipgen.training.vq_losses import Perceptual, adaptive_weight, hinge_of_discriminator

HELD_OUT = 256  # pictures for the metrics
SHOWN = 8  # pictures on the sheet
ROWS = 64  # pictures at a time when nothing is learned


@dataclass(frozen=True)
class VQGANOptions:
    """What is trained besides TrainOptions; all of it plain values, kept in the checkpoint."""

    geometry: Geometry
    codes: CodeOptions
    adversarial: float = 0.0  # weight of the discriminator's opinion, times the adaptive one; 0: no discriminator
    discriminator_start: int = 0  # the step from which it takes part
    discriminator_channels: int = 64
    discriminator_layers: int = 3
    start: str = "pyramid"  # what the weights begin as; or "random"
    perceptual: str = "none"  # named for the checkpoint; the distance itself is given to the task


class VQGANTask:
    """A VQGAN that learns the pictures of `source` on `device`, in bfloat16 where `bf16` says so.

    compiled: by torch.compile, which takes minutes at first and makes a step several times as fast on a CPU.
    """

    def __init__(
        self,
        options: TrainOptions,
        chosen: VQGANOptions,
        source: Source,
        *,
        perceptual: Perceptual | None = None,
        device: torch.device | None = None,
        bf16: bool = False,
        compiled: bool = False,
    ) -> None:
        torch.manual_seed(options.seed)
        self.options, self.chosen, self.source, self.perceptual, self.bf16 = options, chosen, source, perceptual, bf16
        self.device = device or torch.device("cpu")
        self.model = VQGAN(chosen.geometry)
        if chosen.start == "pyramid":
            begin_as_pyramid(self.model)
        self.model.to(self.device)
        self._encode, self._features = self.model.encode, self._to_features
        if compiled:
            use_cache_folder()
            self.model.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
            self._encode, self._features = Compiled(self._encode), Compiled(self._features)
        self.codes = CodeTrainer(
            cast(nn.Parameter, self.model.quantize.embedding.weight), chosen.codes, options.seed
        ).to(self.device)
        self.discriminator: PatchDiscriminator | None = None
        partners = {"codes": Partner(self.codes)}
        if chosen.adversarial:
            self.discriminator = PatchDiscriminator(chosen.discriminator_channels, chosen.discriminator_layers)
            self.discriminator.to(self.device)
            partners["discriminator"] = Partner(self.discriminator)
        settings = asdict(chosen) | {"size": source.size, **source.identity()}
        betas = (0.5, 0.9) if chosen.adversarial else (0.9, 0.99)  # a game wants short memories
        self.recipe = Recipe(betas, None, partners, Best("psnr_db"), self.sheet, settings)
        self.places = processes.places(options.batch)

    def pictures(self, step: int) -> Tensor:
        """This process's share of the batch of a step, float32 [n, 3, S, S] in -1..1."""
        return as_input(self.source.batch(step, self.places).to(self.device))

    def _to_features(self, codes: Tensor) -> Tensor:
        """All of the decoder but its last layer, which the adaptive weight looks at."""
        return self.model.decoder.features(self.model.to_decoder(codes))

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16)

    def loss(self, step: int) -> tuple[Tensor, dict[str, Tensor]]:
        images = self.pictures(step)
        with self._autocast():
            z = self._encode(images)
        found = self.codes.quantize(z.float().movedim(1, -1), step)
        with self._autocast():
            copies = self.model.decoder.conv_out(self._features(found.codes.movedim(-1, 1))).float()
        error = (copies - images).abs().mean()
        values = {"l1": error, "codebook": found.loss}
        reconstruction = error
        if self.perceptual is not None:
            with self._autocast():
                values["perceptual"] = self.perceptual(copies, images).float().mean()
            reconstruction = reconstruction + values["perceptual"]
        loss = reconstruction + found.loss
        if self.discriminator is not None and step >= self.chosen.discriminator_start:
            told, weighed = self._adversarial(self.discriminator, images, copies, reconstruction)
            loss = loss + weighed + told
            values |= {"adversarial": weighed, "discriminator": told}
        return loss, {name: value.detach() for name, value in values.items()}

    def _adversarial(
        self, discriminator: PatchDiscriminator, images: Tensor, copies: Tensor, reconstruction: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The discriminator's own loss, and its opinion of the copies as the model's loss."""
        with self._autocast():
            with frozen(discriminator):
                opinion = -discriminator(copies).float().mean()
            told = hinge_of_discriminator(discriminator(images).float(), discriminator(copies.detach()).float())
        weight = adaptive_weight(reconstruction, opinion, cast(nn.Parameter, self.model.decoder.conv_out.weight))
        return told, self.chosen.adversarial * weight * opinion

    @torch.no_grad()
    def evaluate(self, model: nn.Module) -> dict[str, float]:
        """Held-out pictures through the codes and back, in float32; how many codes they use, and the perplexity."""
        assert isinstance(model, VQGAN)
        quality, used = [], []
        for pictures in self.source.held_out(HELD_OUT).split(ROWS):
            images, indices, copies = self._round_trip(model, pictures)
            quality.append(psnr((copies + 1) / 2, (images + 1) / 2))
            used.append(indices.flatten())
        shares = torch.cat(used).bincount(minlength=len(model.codebook)).double()
        shares = shares / shares.sum()
        return {
            "psnr_db": float(torch.cat(quality).mean()),
            "codes_used": float((shares > 0).double().mean()),
            "perplexity": float(torch.special.entr(shares).sum().exp()),
        }

    def _round_trip(self, model: VQGAN, pictures: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """uint8 pictures -> the same as input, their codes, and what these decode to, [n, 3, S, S] in about -1..1."""
        device = model.codebook.device
        images = as_input(pictures.to(device))
        indices = model.choose(model.encode(images))
        return images, indices, model.decode(model.codes(indices)).float()

    @torch.no_grad()
    def sheet(self, model: nn.Module) -> np.ndarray:
        """Held-out pictures above their reconstructions, uint8 [H, W, 3]."""
        assert isinstance(model, VQGAN)
        images, _, copies = self._round_trip(model, self.source.held_out(SHOWN))
        both = torch.cat([images, copies]).add(1).mul(127.5).round().clamp(0, 255).byte()
        return contact_sheet([p.permute(1, 2, 0).cpu().numpy() for p in both], columns=len(images), padding=2)

    def export(self, model: nn.Module, path: Path) -> dict[str, float]:
        """The weights in fp16 under the names of taming-transformers, as `--vqgan` reads them."""
        save_half({name: value.cpu() for name, value in model.state_dict().items()}, path)
        return self.evaluate(build(load_file(path), f"'{path}'").to(self.device))


def as_input(pictures: Tensor) -> Tensor:
    """uint8 pictures as a VQGAN takes them, float32 in -1..1."""
    return pictures.float() / 127.5 - 1
