"""The options of `fastclipgen train fastgan` that other trainings do not have."""

from __future__ import annotations

import argparse
from pathlib import Path

from fastclipgen.cli.parser import number, whole

# With --projected 1 what the built-in one is made with: assets/shapes_fastgan.md.
DEFAULTS = {"steps": 6000, "batch": 16, "learning_rate": 4e-4}


def add_arguments(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--data", default="shapes", help="what to learn from")
    sub.add_argument("--size", type=whole(32), default=64, help="pixels of a picture's side: 32, 64 ... 1024")
    sub.add_argument(
        "--channels", type=whole(8), default=12, help="base of the generator's widths; 64 in the published ones"
    )
    sub.add_argument("--latent", type=whole(1), default=64, help="numbers that make a picture; 256 in the published")
    sub.add_argument("--judge-channels", type=whole(8), default=12, help="base of the discriminator's widths; 64")
    sub.add_argument(
        "--augment", default="auto", metavar="PART,...",
        help="DiffAugment: color, translation, cutout, or none; auto: the first two where pictures come again",
    )  # fmt: skip
    sub.add_argument("--flip", action="store_true", help="mirror true pictures half of the time")
    sub.add_argument(
        "--reconstruction", type=number, default=1.0, metavar="WEIGHT",
        help="of what the discriminator's decoders paint; with lpips 8 is that of the original",
    )  # fmt: skip
    sub.add_argument(
        "--projected", type=number, default=0.0, metavar="WEIGHT",
        help="of a second discriminator, which sees by the layers of the built-in CLIP (Projected GANs)",
    )  # fmt: skip
    sub.add_argument("--perceptual", choices=["none", "lpips"], default="none", help="a distance besides L1 for that")
    sub.add_argument(
        "--perceptual-weights", type=Path, metavar="PATH", help="VGG16 and LPIPS weights in one file (extra [train])"
    )
    sub.add_argument("--ema", type=number, default=0.999, help="how slowly the average of weights follows")
    sub.add_argument(
        "--compile", choices=["auto", "on", "off"], default="auto", help="torch.compile; auto: in runs that repay it"
    )
    sub.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto", help="auto: a GPU where there is one")


def run(args: argparse.Namespace) -> int:
    from fastclipgen.training.fastgan_run import train_fastgan

    options = {name: value for name, value in vars(args).items() if name not in ("model", "command")}
    train_fastgan(options.pop("out"), **options)
    return 0
