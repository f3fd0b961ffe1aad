"""Latents of a GAN as parameters: every picture is one that the network could have drawn of random numbers.

The loop is that of cloneofsimo/clipping-CLIP-to-GAN (2021) with what it lacked: frozen noise, norms whose statistics
belong to the weights, and latents that stay as long as random ones are, beyond which a GAN has learned nothing.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from fastclipgen.errors import UserError
from fastclipgen.generators import gan_networks
from fastclipgen.generators.base import Generator, Params, check_number
from fastclipgen.generators.clamp import clamp_with_grad
from fastclipgen.generators.fit import fit
from fastclipgen.generators.gan_networks import FastGans
from fastclipgen.generators.upsampling import bicubic_matrix
from fastclipgen.models.exported import Exported
from fastclipgen.models.fastgan import FastGAN, Noise, settle
from fastclipgen.ops.philox import Stream, normals

CALIBRATION, CANDIDATES, AT_ONCE = 64, 64, 8  # latents drawn for statistics, to begin a fit with, and of them together
Network = FastGans | Exported


class Gan(Generator):
    """{"z": [B, D]}, D of the model. A picture of another size than the network's is the centre of what it draws, cut
    to the shape and resized (bicubic, antialiased).

    Of a FastGAN's checkpoint: `noise` is "frozen" (one for all pictures; "auto"), "fresh" (another for every latent,
    so at every step) or "off". `batch_norm`: norms go by the "running" statistics in the file, "recalibrated" ones, or
    those of each "picture" alone; "auto" is running, recalibrated where the file holds none of its weights. `weights`:
    the moving average "ema" ("auto"), or "g".

    Of any: `shell` is how far, as a part of their length, latents may come to be longer or shorter than random ones
    are; none: any length. `truncation` scales random latents and that length. `clamp`: guides see values cut to 0..1 as
    the picture has them; false: as they are drawn. `fit_steps`, `fit_lr`: of the fit to a start picture, as a GAN has
    no encoder.
    """

    name = "gan"
    default_optimizer = "adam"
    default_lr = 0.05
    default_views_preset = "latest"
    latent = "z"
    weights = "gan"
    weights_settings = ("latent_dim", "gan_range", "trust_gan")

    def __init__(
        self,
        height: int,
        width: int,
        model: Network,
        noise: Literal["auto", "frozen", "fresh", "off"] = "auto",
        batch_norm: Literal["auto", "running", "recalibrated", "picture"] = "auto",
        weights: Literal["auto", "ema", "g"] = "auto",
        shell: float | None = 0.1,
        truncation: float = 1.0,
        clamp: bool = True,
        fit_steps: int = 200,
        fit_lr: float = 0.05,
    ) -> None:
        super().__init__(height, width)
        if shell is not None:
            check_number(self.name, "shell", shell, 0.0, 1.0)
        check_number(self.name, "truncation", truncation, 0.01, 10.0)
        check_number(self.name, "fit_steps", fit_steps, 0)
        check_number(self.name, "fit_lr", fit_lr, 0.0)
        self.shell, self.truncation, self.clamp, self.fit_steps, self.fit_lr = (
            shell, truncation, clamp, fit_steps, fit_lr,
        )  # fmt: skip
        self.noise = "frozen" if noise == "auto" else noise
        if isinstance(model, Exported):
            _refuse_options(noise=noise, batch_norm=batch_norm, weights=weights)
            self.network, self.length = model, model.latent
        else:
            self.network = _chosen(model, weights)
            self.length = self.network.geometry.latent
            for side, plane in self.network.noise(torch.zeros(1, dtype=torch.int64)).items():
                self.register_buffer(f"noise_{side}", plane, persistent=False)  # [1, 2, side, side]
            self._set_statistics(self.network, batch_norm)
        self._set_frame(*self.size_of(model))

    @classmethod
    def check_weights(cls, text: str) -> None:
        gan_networks.check_file(text)

    @classmethod
    def load_weights(
        cls,
        text: str,
        latent_dim: int | None = None,
        gan_range: tuple[float, float] | None = None,
        trust_gan: bool = False,
    ) -> Network:
        """The networks of PATH: a checkpoint of FastGAN, or a program z -> picture that torch.export or TorchScript
        wrote. Raises UserError (gan_networks.load)."""
        return gan_networks.load(text, latent_dim, gan_range, trust_gan)

    @classmethod
    def size_of(cls, model: Network) -> tuple[int, int]:
        """Height and width of what the network itself draws."""
        if isinstance(model, Exported):
            return model.size
        return model.plain.geometry.size, model.plain.geometry.size

    def draw_in(self, dtype: torch.dtype) -> None:
        """A program stays in the precision that it was saved in."""
        if isinstance(self.network, FastGAN):
            self.network.to(dtype)

    def init(self, seeds: Tensor) -> Params:
        """Normal latents."""
        return {"z": self.truncation * normals(seeds, 0, Stream.INIT, self.length)[:, 0]}

    def init_from(self, images: Tensor) -> Params:
        """A fit by Adam, from the nearest of a few random latents."""
        self.check_images(images)
        with torch.no_grad():
            z = self.init(torch.arange(CANDIDATES, device=images.device))["z"]
            parts = [self({"z": part})[:, None] - images for part in z.split(AT_ONCE)]
            errors = torch.cat([part.square().mean((2, 3, 4)) for part in parts])  # [candidates, B]
        start = {"z": z[errors.argmin(0)]}
        return self.project(fit(lambda p: self(self.project(p)), start, images, self.fit_steps, self.fit_lr))

    def forward(self, params: Params) -> Tensor:
        return self.publish(self.canvas(params))

    def canvas(self, params: Params) -> Tensor:
        """The picture; without `clamp` its values are those of the network, about 0..1."""
        z = params["z"]
        if isinstance(self.network, Exported):
            drawn = self.network(z)
        else:
            drawn = self.network(z, self._noise(self.network, z)).float()
        picture = self._framed((drawn + 1) / 2)
        return clamp_with_grad(picture) if self.clamp else picture

    def publish(self, canvas: Tensor) -> Tensor:
        return canvas if self.clamp else canvas.clamp(0, 1)

    def project(self, params: Params) -> Params:
        """Latents that have become much longer or shorter than random ones are scaled to the nearest allowed length."""
        if self.shell is None:
            return params
        z, usual = params["z"], self.truncation * math.sqrt(self.length)
        length = z.norm(dim=1, keepdim=True).clamp_min(1e-6)
        return {"z": z * (length.clamp((1 - self.shell) * usual, (1 + self.shell) * usual) / length)}

    def _noise(self, network: FastGAN, z: Tensor) -> Noise | None:
        if self.noise == "off":
            return None
        if self.noise == "fresh":
            # keyed by the latent's own bits: anew at each step, and the same wherever that latent is drawn again
            low, high = z.detach().contiguous()[:, :2].view(torch.int32).long().unbind(1)
            return network.noise((high << 32) ^ low)
        names = [name for name, _ in self.named_buffers(recurse=False) if name.startswith("noise_")]
        return {int(name[6:]): self.get_buffer(name).expand(len(z), -1, -1, -1) for name in names}

    def _set_statistics(self, network: FastGAN, batch_norm: str) -> None:
        network.normalise_by("picture" if batch_norm == "picture" else "running")
        if batch_norm == "recalibrated" or (batch_norm == "auto" and not network.calibrated):
            z = normals(torch.arange(CALIBRATION), 0, Stream.INIT, self.length)[:, 0]
            settle(network, ((part, self._noise(network, part)) for part in z.split(AT_ONCE)))

    def _set_frame(self, rows: int, cols: int) -> None:
        """What of a drawing of rows x cols pixels is the picture, and the matrices that resize it."""
        scale = min(rows / self.height, cols / self.width)
        high, wide = (max(1, round(side * scale)) for side in (self.height, self.width))
        top, left = (rows - high) // 2, (cols - wide) // 2
        self._cut = slice(top, top + high), slice(left, left + wide)
        self._resized = (high, wide) != (self.height, self.width)
        self.register_buffer("down", bicubic_matrix(self.height, high, antialias=True).float(), persistent=False)
        self.register_buffer("across", bicubic_matrix(self.width, wide, antialias=True).float().T, persistent=False)

    def _framed(self, drawn: Tensor) -> Tensor:
        """[B, 3, rows, cols] -> [B, 3, height, width]."""
        cut = drawn[..., self._cut[0], self._cut[1]]
        return self.get_buffer("down") @ cut @ self.get_buffer("across") if self._resized else cut


def _chosen(model: FastGans, weights: str) -> FastGAN:
    if weights == "ema" and model.average is None and model.plain.calibrated:
        raise UserError(
            "option 'weights' of generator 'gan' asks for the moving average, but this checkpoint holds none; leave it "
            "out, or give an all_*.pth"
        )
    return model.plain if weights == "g" or model.average is None else model.average


def _refuse_options(**options: str) -> None:
    for name, value in options.items():
        if value != "auto":
            raise UserError(
                f"option '{name}' of generator 'gan' is about a FastGAN's checkpoint, got {value} for an exported "
                "program, whose noise, norms and weights are as it was saved; leave it out"
            )
