"""The options of `fastclipgen train vqgan` that other trainings do not have."""

from __future__ import annotations

import argparse
from pathlib import Path

from fastclipgen.cli.parser import number, whole

# What the shipped weights were made with.
DEFAULTS = {"steps": 2000, "batch": 16, "learning_rate": 5e-4}


def add_arguments(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--data", default="shapes", help="what to learn from")
    sub.add_argument("--size", type=whole(8), default=64, help="pixels of a picture's side")
    sub.add_argument("--channels", type=whole(8), default=24, help="of the finest level, a multiple of 8")
    sub.add_argument(
        "--multipliers", type=_numbers, default=(1, 2, 4), metavar="M,M,...",
        help="of --channels, level by level; every level after the first halves the picture",
    )  # fmt: skip
    sub.add_argument("--blocks", type=whole(1), default=1, help="residual blocks of a level; one more in the decoder")
    sub.add_argument(
        "--attention", type=_numbers, default=(), metavar="LEVEL,...", help="levels with attention; 0 is the finest"
    )
    sub.add_argument("--z-channels", type=whole(1), default=64, help="channels between the networks and the codes")
    sub.add_argument("--embed", type=whole(1), default=8, help="length of a code")
    sub.add_argument("--codes", type=whole(2), default=1024, help="codes in the codebook")
    sub.add_argument(
        "--codebook", choices=["ema", "gradient"], default="ema", help="how codes learn: moving averages or gradient"
    )
    sub.add_argument("--commitment", type=number, default=0.25, help="beta, the pull of the encoder to the codes")
    sub.add_argument(
        "--restart-every", type=whole(0), default=25, metavar="STEPS", help="dead codes begin anew; 0: never"
    )
    sub.add_argument(
        "--codes-from", type=whole(0), metavar="STEP", help="when quantising begins; None: after 15 %% of the steps"
    )
    sub.add_argument(
        "--start", choices=["auto", "pyramid", "random"], default="auto",
        help="what the weights begin as; a pyramid passes colours on from the first step; auto: that where --channels "
        "is a multiple of 3",
    )  # fmt: skip
    sub.add_argument("--perceptual", choices=["none", "lpips"], default="none", help="a distance besides L1")
    sub.add_argument(
        "--perceptual-weights", type=Path, metavar="PATH", help="VGG16 and LPIPS weights in one file (extra [train])"
    )
    sub.add_argument(
        "--adversarial", type=number, default=0.0, metavar="WEIGHT",
        help="of a patch discriminator's loss, adaptive; 0: none, 0.8 is usual",
    )  # fmt: skip
    sub.add_argument("--discriminator-start", type=whole(0), default=0, metavar="STEP", help="when it joins in")
    sub.add_argument("--ema", type=number, default=0.999, help="how slowly the average of weights follows")
    sub.add_argument(
        "--compile", choices=["auto", "on", "off"], default="auto", help="torch.compile; auto: in runs that repay it"
    )
    sub.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto", help="auto: a GPU where there is one")


def run(args: argparse.Namespace) -> int:
    from fastclipgen.models.vqgan import Geometry
    from fastclipgen.training.vqgan_run import train_vqgan

    options = {name: value for name, value in vars(args).items() if name not in ("model", "command")}
    parts = ("channels", "multipliers", "blocks", "attention", "z_channels", "embed", "codes")
    geometry = Geometry(**{name: options.pop(name) for name in parts})
    train_vqgan(options.pop("out"), geometry=geometry, **options)
    return 0


def _numbers(text: str) -> tuple[int, ...]:
    """An argument type: whole numbers with commas between them, or nothing."""
    convert = whole(0)
    return tuple(convert(part) for part in text.split(",") if part.strip())
