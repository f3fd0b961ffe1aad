"""Training a FastGAN: a generator, and a discriminator that also paints again what it is shown.

Liu et al., arXiv 2101.04775; pictures are changed by DiffAugment before the discriminator sees them. Its step comes
first, then the generator's, on the same drawn pictures. Pictures come from any source (data/source.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from fastclipgen.data.source import Source
from fastclipgen.engine.compiled import Compiled, use_cache_folder
from fastclipgen.guidance.targets import encode_views, resized
from fastclipgen.models.fastgan import FastGAN, Geometry, Noise, settle
from fastclipgen.models.fastgan_dialects import build
from fastclipgen.models.fastgan_discriminator import Discriminator, Painted, quarter_of
from fastclipgen.models.fastgan_discriminator import Geometry as JudgeGeometry
from fastclipgen.ops.philox import Stream, normals
from fastclipgen.outputs.grid import contact_sheet
from fastclipgen.perceptors.base import FrozenPerceptor
from fastclipgen.training.adversarial import frozen
from fastclipgen.training.diff_augment import NUMBERS, diff_augment
from fastclipgen.training.discriminator import begin_as_dcgan
from fastclipgen.training.export import save_half
from fastclipgen.training.measures import kernel_distance
from fastclipgen.training.projected_judge import ProjectedJudge
from fastclipgen.training.task import Best, Partner, Recipe, TrainOptions
from fastclipgen.training.vq_losses import Perceptual
from fastclipgen.training.vqgan import as_input

BETAS = (0.5, 0.999)
HELD_OUT = 512  # pictures for the metrics, and as many drawn ones
SHOWN = 8  # columns of the sheet: a row of true pictures above ROWS_SHOWN of drawn ones
ROWS_SHOWN = 4
ROWS = 64  # pictures at a time when nothing is learned
SETTLING = 16  # batches that tell the norms of averaged weights what to expect


@dataclass(frozen=True)
class FastGANOptions:
    """What is trained besides TrainOptions; plain values, kept in the checkpoint.

    judge_channels: base width of the discriminator; its decoders have half of it. augment: parts of
    diff_augment.POLICIES. flip: true pictures are mirrored half of the time. reconstruction: weight of the decoders'
    errors. projected: weight of a second discriminator, a ProjectedJudge. perceptual: named for the checkpoint.
    """

    geometry: Geometry
    judge_channels: int = 64
    augment: tuple[str, ...] = ()
    flip: bool = False
    reconstruction: float = 1.0
    projected: float = 0.0
    perceptual: str = "none"


class FastGANTask:
    """A generator that learns the pictures of `source` on `device`, in bfloat16 where `bf16` says so.

    eye: the CLIP in whose embeddings drawn pictures are compared with held-out ones, and by whose layers a projected
    discriminator sees. perceptual: a distance besides L1 for what the decoders paint. compiled: both networks by
    torch.compile.
    """

    def __init__(
        self,
        options: TrainOptions,
        chosen: FastGANOptions,
        source: Source,
        eye: FrozenPerceptor,
        *,
        perceptual: Perceptual | None = None,
        device: torch.device | None = None,
        bf16: bool = False,
        compiled: bool = False,
    ) -> None:
        torch.manual_seed(options.seed)
        self.options, self.chosen, self.source, self.eye = options, chosen, source, eye
        self.perceptual, self.bf16, self.device = perceptual, bf16, device or torch.device("cpu")
        self.model = FastGAN(chosen.geometry)
        self.discriminator = Discriminator(
            JudgeGeometry(chosen.geometry.size, chosen.judge_channels, decoder=max(1, chosen.judge_channels // 2))
        )
        self.projected = ProjectedJudge(eye).to(self.device) if chosen.projected else None
        for network in (self.model, self.discriminator):
            begin_as_dcgan(network)
            for layer in [m for m in network.modules() if isinstance(m, (nn.Conv2d, nn.ConvTranspose2d))]:
                spectral_norm(layer)
            network.to(self.device)
            if compiled:  # alone, gates and norms are slower so
                network.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        self._both: Callable[..., tuple[Tensor, Tensor]] = self.model.both
        self._judge: Callable[..., tuple[Tensor, Painted | None]] = self.discriminator.forward
        if compiled:
            use_cache_folder()
            self._both, self._judge = Compiled(self._both), Compiled(self._judge)
        self._judges = nn.ModuleList(j for j in (self.discriminator, self.projected) if j is not None)
        partner = Partner(self._judges, BETAS, loss=self.discriminator_loss)
        settings = asdict(chosen) | {"size": source.size, **source.identity()}
        best = Best("kernel_distance", largest=False)
        self.recipe = Recipe(BETAS, None, {"discriminator": partner}, best, self.sheet, settings)
        self._drawn: tuple[Tensor, Tensor] | None = None
        self._true: Tensor | None = None

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16)

    def discriminator_loss(self, step: int, turn: int) -> tuple[Tensor, dict[str, Tensor]]:
        """The discriminator's loss: true pictures above about 1, drawn ones below about -1, and how far the true ones
        are from those painted again."""
        images = self.pictures(step)
        big = diff_augment(images, self.chosen.augment, self._uniform(len(images), NUMBERS))
        small = F.interpolate(big, size=self.model.geometry.small, mode="area")
        quarter = torch.full((), step % 4, dtype=torch.int64, device=self.device)
        large, little = self._drawn = self.draw(step)
        with self._autocast():
            told, painted = self._judge(big, small, quarter)
            imagined, _ = self._judge(*self._changed((large.detach(), little.detach())))
        assert painted is not None
        wanted = self._smoothed(told)
        true = F.relu(wanted - told.float()).mean()
        drawn = F.relu(self._smoothed(imagined) + imagined.float()).mean()
        values: dict[str, Tensor] = {}
        if self.projected is not None:
            values["projected"] = self._told_apart(self.projected, big, large.detach())
        copied = self._copied(painted, small, quarter_of(big, quarter))
        loss = true + drawn + self.chosen.reconstruction * copied
        if values:
            loss = loss + self.chosen.projected * values["projected"]
        values |= {"true": true, "drawn": drawn, "painted": copied}
        return loss, {name: value.detach() for name, value in values.items()}

    def loss(self, step: int) -> tuple[Tensor, dict[str, Tensor]]:
        """The generator's: minus what the discriminator, after its step, says of the pictures that were drawn in it."""
        assert self._drawn is not None, "the discriminator's turn comes first"
        pictures, self._drawn = self._drawn, None
        changed = self._changed(pictures)
        with frozen(self._judges), self._autocast():
            told, _ = self._judge(*changed)
            more = [] if self.projected is None else self.projected(changed[0])
        loss = -told.float().mean()
        for logits in more:
            loss = loss - self.chosen.projected * logits.float().mean()
        return loss, {}

    def _told_apart(self, judge: ProjectedJudge, true: Tensor, drawn: Tensor) -> Tensor:
        """The hinge loss of a projected discriminator, the sum over its depths. true: after DiffAugment."""
        with self._autocast():
            kinds = judge(true), judge(self._changed((drawn, drawn))[0])
        return sum(
            (
                F.relu(1 - told.float()).mean() + F.relu(1 + imagined.float()).mean()
                for told, imagined in zip(*kinds, strict=True)
            ),
            true.new_zeros(()),
        )

    def pictures(self, step: int) -> Tensor:
        """The true pictures of a step, float32 [n, 3, S, S] in -1..1."""
        images = as_input(self.source.batch(step, range(self.options.batch)).to(self.device))
        if not self.chosen.flip:
            return images
        mirrored = self._uniform(len(images), 1) < 0.5
        return torch.where(mirrored[..., None, None], images.flip(3), images)

    def draw(self, step: int) -> tuple[Tensor, Tensor]:
        """The pictures that the generator draws in a step, large and small, with their graph."""
        batch = self.options.batch
        z = torch.randn(batch, self.chosen.geometry.latent, device=self.device)
        noise = self.model.noise(torch.arange(batch, device=self.device), step)
        with self._autocast():
            return self._both(z, noise)

    def _uniform(self, *shape: int) -> Tensor:
        """Random numbers of the step (training/steps.py)."""
        return torch.rand(*shape, device=self.device)

    def _changed(self, pictures: tuple[Tensor, Tensor]) -> list[Tensor]:
        """Drawn pictures after DiffAugment, the small ones changed as the large ones."""
        draws = self._uniform(len(pictures[0]), NUMBERS)
        return [diff_augment(x.float(), self.chosen.augment, draws) for x in pictures]

    def _smoothed(self, logits: Tensor) -> Tensor:
        """What logits are held to: a new number in 0.8..1 for each."""
        return 0.8 + 0.2 * self._uniform(*logits.shape)

    def _copied(self, painted: Painted, small: Tensor, quarter: Tensor) -> Tensor:
        """Sum over the three decoders of the mean distance to what each should have painted, 0-d."""
        quarter = F.interpolate(quarter, size=small.shape[-1], mode="bilinear", align_corners=False)
        total = small.new_zeros(())
        for copy, truth in ((painted.big, small), (painted.small, small), (painted.quarter, quarter)):
            total = total + (copy.float() - truth).abs().mean()
            if self.perceptual is not None:
                with self._autocast():
                    total = total + self.perceptual(copy.float(), truth).float().mean()
        return total

    @torch.no_grad()
    def ready(self, model: nn.Module) -> FastGAN:
        """Averaged weights as they are used: without spectral norm, and with statistics of their own."""
        own = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
        settled = build(own, "the average")
        settle(settled, settling(settled, self.device))
        return settled

    @torch.no_grad()
    def evaluate(self, model: nn.Module) -> dict[str, float]:
        """How far drawn pictures are from held-out ones in the embeddings of a CLIP, and how much less they differ from
        each other (1: as much)."""
        if self._true is None:
            self._true = self._seen(as_input(p) for p in self.source.held_out(HELD_OUT).split(ROWS))
        drawn = self._seen(samples(self._usable(model), HELD_OUT))
        spread = [1 - (x @ x.T).mean() for x in (drawn, self._true)]
        return {"kernel_distance": float(kernel_distance(drawn, self._true)), "diversity": float(spread[0] / spread[1])}

    def _usable(self, model: nn.Module) -> FastGAN:
        """A generator to draw with: a finished one as it is, one in training made ready."""
        in_training = any(name.endswith(".original") for name, _ in model.named_parameters())
        return self.ready(model) if in_training else cast(FastGAN, model)

    def _seen(self, pictures: Iterator[Tensor]) -> Tensor:
        """Embeddings [n, E] of length 1 of pictures in -1..1."""
        size = self.eye.image_size
        return torch.cat([encode_views(self.eye, resized((p.to(self.eye.device) + 1) / 2, size)) for p in pictures])

    @torch.no_grad()
    def sheet(self, model: nn.Module) -> np.ndarray:
        """A row of held-out pictures above rows of drawn ones, always of the same latents; uint8 [H, W, 3]."""
        true = as_input(self.source.held_out(SHOWN))
        drawn = torch.cat([p.cpu() for p in samples(self._usable(model), SHOWN * ROWS_SHOWN)])
        both = torch.cat([true, drawn]).add(1).mul(127.5).round().clamp(0, 255).byte()
        return contact_sheet([p.permute(1, 2, 0).numpy() for p in both], columns=len(true), padding=2)

    def export(self, model: nn.Module, path: Path) -> dict[str, float]:
        """The finished weights in fp16, which fastgan_dialects.build reads."""
        save_half({name: value.cpu() for name, value in self.ready(model).state_dict().items()}, path)
        return self.evaluate(build(load_file(path), f"'{path}'").to(self.device))


def latents(model: FastGAN, step: int, count: int, device: torch.device) -> tuple[Tensor, Noise]:
    """Latents [count, Z] and noise that are always the same for a step."""
    seeds = torch.arange(count, device=device)
    return normals(seeds, step, Stream.INIT, model.geometry.latent)[:, 0], model.noise(seeds, step)


def settling(model: FastGAN, device: torch.device) -> Iterator[tuple[Tensor, Noise]]:
    """Batches to recalibrate a generator with."""
    for step in range(SETTLING):
        yield latents(model.to(device), step + 1, ROWS, device)


def samples(model: FastGAN, count: int) -> Iterator[Tensor]:
    """Pictures of the first `count` seeds with their frozen noise, [n, 3, S, S], at most ROWS at a time."""
    device = model.to_big.weight.device
    z, noise = latents(model, 0, count, device)
    for rows in torch.arange(count, device=device).split(ROWS):
        yield model(z[rows], {side: part[rows] for side, part in noise.items()})
