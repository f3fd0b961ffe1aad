"""The options of `fastclipgen train cvae`, and of `train vae` for its convolutional network."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from fastclipgen.cli.parser import number, whole
from fastclipgen.cli.train_data import add_data_arguments
from fastclipgen.errors import UserError

# The built-in model has a beta that falls, besides: assets/shapes_cvae.md.
DEFAULTS = {"steps": 8000, "batch": 32, "learning_rate": 1e-3}


def add_arguments(sub: argparse.ArgumentParser, conditional: bool = True) -> None:
    """conditional: False for `train vae`, where nothing is a default, so that what was given is known."""

    def add(name: str, default: Any, **how: Any) -> None:
        sub.add_argument(f"--{name}", default=default if conditional else argparse.SUPPRESS, **how)

    if conditional:
        add_data_arguments(sub)
        sub.add_argument(
            "--condition", choices=["clip", "attributes", "both"], default="clip",
            help="what is told of a picture: CLIP's embedding of its caption, its attributes",
        )  # fmt: skip
        sub.add_argument(
            "--condition-dropout", type=number, default=0.1, metavar="SHARE",
            help="of pictures of which nothing is told; so often parts of a condition are missing too",
        )  # fmt: skip
    else:
        add("size", None, type=whole(8), help="pixels of a picture's side")
    add(
        "channels", (24, 48, 96, 160), type=_numbers, metavar="N,N,...",
        help="of the encoder's maps, each half as wide as the one before; 64,128,256,512 is the original's",
    )  # fmt: skip
    add("latent", 64, type=whole(1), help="length of the latent; 128 is the original's")
    add(
        "decoder", "upsampled", choices=["upsampled", "transposed"],
        help="enlarge by repetition and convolve, or by transposed convolutions as the original does",
    )  # fmt: skip
    add("range", "0..1", choices=["0..1", "-1..1"], help="of the pictures inside: sigmoid or tanh at the end")
    add("error", "l1", choices=["l1", "l2"], help="between a picture and its reconstruction")
    add("edges", 1.0, type=number, metavar="WEIGHT", help="of the error between slopes of both; against blur")
    add("reduction", "mean", choices=["mean", "sum"], help="of errors over a picture's values; sum is the original's")
    add(
        "beta", None, type=number, metavar="WEIGHT",
        help="of the Kullback-Leibler term in nats; None: 5e-4 with mean, 1 with sum",
    )  # fmt: skip
    add(
        "beta-first", 0.0, type=number, metavar="WEIGHT",
        help="that weight at first; above --beta it teaches the decoder to listen to the condition before the latent",
    )  # fmt: skip
    add("anneal", 0.3, type=number, metavar="SHARE", help="of the steps in which it gets from there to --beta")
    add("start", "random", metavar="PATH", help="weights to begin with, of a CVAE of the same geometry")
    add("perceptual", "none", choices=["none", "lpips"], help="a distance besides the error")
    add("perceptual-weights", None, type=Path, metavar="PATH", help="VGG16 and LPIPS weights (extra [train])")
    add("ema", 0.999, type=number, help="how slowly the average of weights follows")
    text = "torch.compile; auto: in runs that repay it"
    add("compile", "auto", choices=["auto", "on", "off"], help=text)
    add("device", "auto", choices=["auto", "cpu", "cuda"], help="auto: a GPU where there is one")


def add_vae_arguments(sub: argparse.ArgumentParser) -> None:
    """The options of `train vae` beyond those of every training."""
    sub.add_argument(
        "--data", default="shapes",
        help="what to learn from: shapes, shapes:SHARE, folder:DIR, coco:DIR, imagenet:DIR, cc:SHARDS or celeba:DIR",
    )  # fmt: skip
    sub.add_argument(
        "--network", choices=["auto", "layered", "conv"], default="auto",
        help="layered: the one that ships, which knows what a shape world is made of; conv: that of `train cvae` "
        "without a condition, for any pictures; auto: layered for --data shapes, else conv",
    )  # fmt: skip
    options = sub.add_argument_group("network conv, with the defaults of `train cvae`")
    add_arguments(options, conditional=False)  # pyright: ignore[reportArgumentType]


def run(args: argparse.Namespace) -> int:
    from fastclipgen.training.cvae_run import train_cvae

    options = {name: value for name, value in vars(args).items() if name not in ("command", "network")}
    train_cvae(options.pop("out"), **options)
    return 0


def layered(args: argparse.Namespace, known: set[str]) -> bool:
    """Whether `train vae` trains the layered network. Raises UserError for what this does not have.

    known: the names of options that every training has.
    """
    chosen = args.network == "layered" or (args.network == "auto" and args.data == "shapes")
    if not chosen:
        return False
    if args.data != "shapes":
        raise UserError(
            f"--network layered knows the shapes world alone, got --data {args.data}; use --data shapes or "
            "--network conv"
        )
    if beyond := sorted(set(vars(args)) - known - {"network", "data", "model", "command"}):
        raise UserError(f"--{beyond[0].replace('_', '-')} is of --network conv; add that, or leave it out")
    return True


def _numbers(text: str) -> tuple[int, ...]:
    """An argument type: whole numbers of 1 or more with commas between them."""
    convert = whole(1)
    return tuple(convert(part) for part in text.split(","))
