"""The options of `fastclipgen train clip-gen` that other trainings do not have."""

from __future__ import annotations

import argparse
from pathlib import Path

from fastclipgen.cli.parser import number, whole

# What the shipped weights were made with.
DEFAULTS = {"steps": 4000, "batch": 64, "learning_rate": 2e-3}


def add_arguments(sub: argparse.ArgumentParser) -> None:
    sub.add_argument(
        "--data", default="shapes", help="what to learn from: shapes, folder:DIR, coco:DIR, imagenet:DIR or cc:SHARDS"
    )
    sub.add_argument("--size", type=whole(8), default=64, help="pixels of a picture's side")
    sub.add_argument(
        "--short-side", type=whole(0), default=0, metavar="PIXELS", help="of a picture before the crop; 0: --size"
    )
    sub.add_argument(
        "--pictures", type=whole(0), default=0, metavar="N",
        help="looked at once and kept as tokens; 0: each of them (of shapes 65536); more than there are: more crops",
    )  # fmt: skip
    sub.add_argument("--held-out", type=whole(1), default=1024, metavar="N", help="pictures to measure on, at most")
    sub.add_argument("--cache", type=Path, metavar="DIR", help="where the tokens are kept; default: OUT/cache")
    sub.add_argument("--vqgan", default="builtin", metavar="PATH[:YAML]", help="the VQGAN, or 'builtin'")
    sub.add_argument("--clip", default="builtin", metavar="MODEL", help="the CLIP, as for drawing")
    sub.add_argument(
        "--transformer", choices=["tiny", "gpt2-medium", "gpt2-large"], default="tiny", help="its layers and width"
    )
    sub.add_argument("--layers", type=whole(0), default=0, help="0: those of --transformer")
    sub.add_argument("--width", type=whole(0), default=0, help="a multiple of 64; 0: that of --transformer")
    sub.add_argument("--dropout", type=number, default=0.0, help="in the blocks; CLIP-GEN has 0.1")
    sub.add_argument(
        "--condition-noise", type=number, default=0.75, metavar="XI", help="on the embeddings, as LAFITE; 0: none"
    )
    sub.add_argument(
        "--condition-dropout", type=number, default=0.1, metavar="SHARE",
        help="of pictures without an embedding, for classifier-free guidance; 0: none",
    )  # fmt: skip
    sub.add_argument("--weight-decay", type=number, default=0.01, help="of the linear layers' weights")
    sub.add_argument("--warmup", type=whole(0), default=200, metavar="STEPS", help="with a rising learning rate")
    sub.add_argument("--ema", type=number, default=0.999, help="how slowly the average of weights follows")
    sub.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto", help="auto: a GPU where there is one")


def run(args: argparse.Namespace) -> int:
    from fastclipgen.training.clip_gen_run import train_clip_gen

    options = {name: value for name, value in vars(args).items() if name not in ("model", "command")}
    train_clip_gen(options.pop("out"), **options)
    return 0
