"""The options of `fastclipgen train clip-gen` that other trainings do not have."""

from __future__ import annotations

import argparse
from pathlib import Path

from fastclipgen.cli.parser import number, whole

_OPEN = argparse.SUPPRESS  # left to the preset of --transformer

# What the shipped weights were made with.
DEFAULTS = {"steps": 4500, "batch": 32, "learning_rate": _OPEN}
RATE = "at its peak; tiny: 0.002, others: 5e-4 for every 256 pictures of a batch"


def add_arguments(sub: argparse.ArgumentParser) -> None:
    sub.add_argument(
        "--data", default="shapes",
        help="what to learn from: shapes, shapes:SHARE of easy ones, folder:DIR, coco:DIR, imagenet:DIR or cc:SHARDS",
    )  # fmt: skip
    sub.add_argument(
        "--transformer", choices=["tiny", "gpt2-medium", "gpt2-large"], default="tiny",
        help="layers and width, and what is usual with them",
    )  # fmt: skip
    sub.add_argument("--layers", type=whole(1), default=_OPEN, help="4, 24, 36 by --transformer")
    sub.add_argument("--width", type=whole(1), default=_OPEN, help="a multiple of 64; 192, 1024, 1280 by --transformer")
    sub.add_argument("--size", type=whole(8), default=_OPEN, help="pixels of a picture's side; tiny: 64, others: 256")
    sub.add_argument(
        "--short-side", type=whole(0), default=0, metavar="PIXELS", help="of a picture before the crop; 0: --size"
    )
    sub.add_argument(
        "--pictures", type=whole(0), default=0, metavar="N",
        help="looked at once and kept as tokens; 0: each of them (of shapes 49152); more than there are: more crops",
    )  # fmt: skip
    sub.add_argument("--held-out", type=whole(1), default=1024, metavar="N", help="pictures to measure on, at most")
    sub.add_argument("--cache", type=Path, metavar="DIR", help="where the tokens are kept; None: OUT/cache")
    sub.add_argument(
        "--start", default="random", metavar="PATH", help="weights to begin with, of a transformer of the same geometry"
    )
    sub.add_argument("--vqgan", default="builtin", metavar="PATH|NAME[:YAML]", help="the VQGAN")
    sub.add_argument("--clip", default="builtin", metavar="MODEL", help="the CLIP, as for drawing")
    sub.add_argument("--dropout", type=number, default=_OPEN, help="in the blocks; tiny: 0, others: 0.1")
    sub.add_argument(
        "--condition-noise", type=number, default=_OPEN, metavar="XI",
        help="on the embeddings, as LAFITE has it; tiny: 0.6, others: 0",
    )  # fmt: skip
    sub.add_argument(
        "--condition-dropout", type=number, default=_OPEN, metavar="SHARE",
        help="of pictures without an embedding, for classifier-free guidance; tiny: 0.1, others: 0",
    )  # fmt: skip
    sub.add_argument("--weight-decay", type=number, default=0.01, help="of the linear layers' weights")
    sub.add_argument(
        "--warmup", type=whole(0), default=_OPEN, metavar="STEPS",
        help="with a rising learning rate; tiny: a twentieth of them, others: a tenth",
    )  # fmt: skip
    sub.add_argument("--ema", type=number, default=0.999, help="how slowly the average of weights follows")
    sub.add_argument(
        "--compile", choices=["auto", "on", "off"], default="auto", help="torch.compile; auto: in runs that repay it"
    )
    sub.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto", help="auto: a GPU where there is one")


def run(args: argparse.Namespace) -> int:
    from fastclipgen.training.clip_gen_run import train_clip_gen

    options = {name: value for name, value in vars(args).items() if name not in ("model", "command")}
    train_clip_gen(options.pop("out"), **options)
    return 0
