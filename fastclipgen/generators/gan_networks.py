"""What `--gan` names -> networks that map latents to pictures: FastGAN's weights, or a program of the user's.

Knows nothing of how latents are optimised.
"""

from __future__ import annotations

from pathlib import Path

from torch import nn

from fastclipgen.assets import asset
from fastclipgen.errors import UserError
from fastclipgen.models.exported import Exported, as_exported, stated_latent
from fastclipgen.models.fastgan import FastGAN
from fastclipgen.models.fastgan_dialects import build
from fastclipgen.weights.checkpoint import Advice, read_tensors
from fastclipgen.weights.names import file_of
from fastclipgen.weights.programs import kind_of_program, load_program

BUILTIN = "builtin"  # instead of a path: the FastGAN of the shapes world that ships
WEIGHTS = "shapes_fastgan.safetensors"
RANGE = (-1.0, 1.0)  # of what a program draws, where nobody says otherwise


class FastGans(nn.Module):
    """The generators of one checkpoint: `plain`, of the weights under its key g, or all that it has, and, where it
    holds their moving average too, `average`."""

    def __init__(self, plain: FastGAN, average: FastGAN | None) -> None:
        super().__init__()
        self.plain, self.average = plain, average


def check_file(text: str) -> None:
    """Raises UserError where the setting `gan` names no file; reads none."""
    _file(text)


def load(
    text: str, latent_dim: int | None, gan_range: tuple[float, float] | None, trust_gan: bool
) -> FastGans | Exported:
    """The networks in the file that the setting `gan` names, on the CPU in float32, frozen.

    The other settings are about programs (weights/programs.py) and are refused for a checkpoint, which says itself what
    it is. Raises UserError.
    """
    file = _file(text)
    if kind_of_program(file) is not None:
        return _program(file, latent_dim, gan_range or RANGE, trust_gan)
    given = {"latent_dim": latent_dim is not None, "gan_range": gan_range is not None, "trust_gan": trust_gan}
    if unfit := [name for name, chosen in given.items() if chosen]:
        raise UserError(
            f"the setting '{unfit[0]}' is for programs of torch.export or TorchScript, but '{file}' is a checkpoint; "
            "leave it out"
        )
    tensors = read_tensors(file, "the GAN", Advice(nothing="give the checkpoint of a FastGAN, such as all_100000.pth"))
    averaged = any(name.startswith("g_ema.") for name in tensors)
    average = build(tensors, f"'{file}'") if averaged else None
    return FastGans(build(tensors, f"'{file}'", average=False), average)


def _program(file: Path, latent_dim: int | None, values: tuple[float, float], trusted: bool) -> Exported:
    program = load_program(file, "the GAN", trusted, "--trust-gan")
    latent = latent_dim or stated_latent(program)
    if latent is None:
        raise UserError(f"'{file}' does not say how long its latents are; add --latent-dim, such as --latent-dim 512")
    return as_exported(program, f"the program '{file}'", latent, *values)


def _file(text: str) -> Path:
    if text != BUILTIN:
        return file_of(text, "gan")
    try:
        return asset(WEIGHTS)
    except UserError:
        raise UserError(
            "no GAN ships with this version; give one with --gan, a FastGAN's checkpoint such as all_100000.pth or an "
            "exported generator"
        ) from None
