"""The options of `fastclipgen train cvae-gan`: those of `train cvae`, and of the game with the discriminator."""

from __future__ import annotations

import argparse

from fastclipgen.cli import train_cvae
from fastclipgen.cli.parser import number, whole

DEFAULTS = {"steps": 1600, "batch": 32, "learning_rate": 1e-3}


def add_arguments(sub: argparse.ArgumentParser) -> None:
    train_cvae.add_arguments(sub)
    sub.add_argument("--pixels", type=number, default=1.0, metavar="WEIGHT", help="of --error in the reconstruction")
    sub.add_argument(
        "--features", type=number, default=0.1, metavar="WEIGHT",
        help="of the difference in the discriminator's features, against their size; alone (--pixels 0) as in VAE/GAN",
    )  # fmt: skip
    sub.add_argument(
        "--gamma", type=number, default=1.0, metavar="WEIGHT",
        help="of the reconstruction for the decoder, against the discriminator's opinion; 1: both pull as strongly",
    )  # fmt: skip
    sub.add_argument(
        "--discriminator-channels", type=whole(1), default=16, help="of its first map; 32 is the original's"
    )
    sub.add_argument(
        "--rests-below", type=number, default=0.5, metavar="LOSS",
        help="the discriminator learns nothing while its loss is lower, 1.39 being that of guesses; 0: learns always",
    )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    from fastclipgen.training.cvae_gan_run import train_cvae_gan

    options = {name: value for name, value in vars(args).items() if name not in ("model", "command")}
    train_cvae_gan(options.pop("out"), **options)
    return 0
