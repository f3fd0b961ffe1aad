"""The options of `fastclipgen train wgan-gp` that other trainings do not have."""

from __future__ import annotations

import argparse

from fastclipgen.cli.parser import number, whole
from fastclipgen.cli.train_data import add_data_arguments

DEFAULTS = {"steps": 1500, "batch": 32, "learning_rate": 3e-4}


def add_arguments(sub: argparse.ArgumentParser) -> None:
    add_data_arguments(sub)
    sub.add_argument(
        "--condition", choices=["clip", "attributes", "both", "none"], default="clip",
        help="what generator and critic are told: CLIP's embedding of a picture's caption, its attributes",
    )  # fmt: skip
    sub.add_argument(
        "--condition-dropout", type=number, default=0.1, metavar="SHARE",
        help="of pictures of which nothing is told; so often parts of a condition are missing too",
    )  # fmt: skip
    sub.add_argument("--latent", type=whole(1), default=100, help="length of the latent")
    sub.add_argument(
        "--channels", type=whole(1), default=16,
        help="of the generator's last map, each before it being twice as wide; 128 is the original's",
    )  # fmt: skip
    sub.add_argument(
        "--critic-channels", type=whole(1), default=16,
        help="of the critic's first map, each after it being twice as wide; 64 is the original's",
    )  # fmt: skip
    sub.add_argument("--critic-steps", type=whole(1), default=5, help="of the critic for each of the generator")
    sub.add_argument(
        "--penalty", type=number, default=10.0, metavar="WEIGHT", help="lambda, of the critic's slopes that are not 1"
    )
    sub.add_argument("--ema", type=number, default=0.999, help="how slowly the average of weights follows")
    sub.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto", help="auto: a GPU where there is one")


def run(args: argparse.Namespace) -> int:
    from fastclipgen.training.wgan_run import train_wgan

    options = {name: value for name, value in vars(args).items() if name not in ("model", "command")}
    train_wgan(options.pop("out"), **options)
    return 0
