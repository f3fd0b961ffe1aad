"""`fastclipgen train MODEL`: the options of the trainings. The work is in fastclipgen.training."""

from __future__ import annotations

import argparse
from pathlib import Path

from fastclipgen.cli import train_clip_gen, train_fastgan, train_vqgan
from fastclipgen.cli.parser import number, whole

# What the shipped weights were made with; every field of training.task.TrainOptions that differs between the models.
DEFAULTS = {
    "vae": {"steps": 8000, "batch": 128, "learning_rate": 2e-3},
    "clip": {"steps": 3600, "batch": 128, "learning_rate": 3e-3},
    "vqgan": train_vqgan.DEFAULTS,
    "clip-gen": train_clip_gen.DEFAULTS,
    "fastgan": train_fastgan.DEFAULTS,
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    models = parser.add_subparsers(dest="model", required=True, metavar="MODEL")
    for name, text in {"clip": "the tiny CLIP that guides", "vae": "the tiny VAE that draws"}.items():
        sub = models.add_parser(name, help=text, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
        sub.add_argument("--data", choices=["shapes"], default="shapes", help="what to learn from")
        add_common(sub, name, least=8)
        if name == "clip":
            text = "improve the model of a finished run against what it rates too high: pictures of the VAE, ascents"
            sub.add_argument("--refine", type=Path, metavar="CHECKPOINT", help=text)
    for name, text, options in (
        ("vqgan", "a VQGAN: pictures as tokens", train_vqgan),
        ("clip-gen", "CLIP-GEN's transformer: tokens from a CLIP embedding", train_clip_gen),
        ("fastgan", "a FastGAN: pictures from random numbers", train_fastgan),
    ):
        sub = models.add_parser(name, help=text, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
        add_common(sub, name, least=1)
        options.add_arguments(sub)


def add_common(sub: argparse.ArgumentParser, name: str, least: int) -> None:
    """The options that every training has; least: the smallest batch."""
    sub.add_argument("--out", type=Path, default=Path("runs") / name, help="folder of checkpoint and metrics")
    sub.add_argument("--steps", type=whole(1), default=DEFAULTS[name]["steps"])
    sub.add_argument("--batch", type=whole(least), default=DEFAULTS[name]["batch"], help="pictures a step")
    rate = train_clip_gen.RATE if name == "clip-gen" else "at its peak"
    sub.add_argument("--learning-rate", type=number, default=DEFAULTS[name]["learning_rate"], help=rate)
    sub.add_argument("--seed", type=whole(0), default=0)
    sub.add_argument("--threads", type=whole(0), default=0, help="processor threads; 0: all")
    sub.add_argument(
        "--precision",
        choices=["auto", "fp32", "bf16"],
        default="auto",
        help="auto: bf16 where the device multiplies it",
    )
    sub.add_argument("--evaluate-every", type=whole(1), default=500, metavar="STEPS", help="held-out pictures")
    sub.add_argument("--save-every", type=whole(1), default=250, metavar="STEPS", help="a checkpoint")
    sub.add_argument("--tensorboard", action="store_true", help="also write tensorboard events (extra [train])")
    sub.add_argument("--fresh", action="store_true", help="start again even if the folder holds a checkpoint")
    sub.add_argument("--quiet", action="store_true", help="print no progress")


def run(args: argparse.Namespace) -> int:
    others = {"vqgan": train_vqgan, "clip-gen": train_clip_gen, "fastgan": train_fastgan}
    if args.model in others:
        return others[args.model].run(args)
    from fastclipgen.outputs.atomic import writing_errors
    from fastclipgen.training.run import train

    with writing_errors(args.out):
        args.out.mkdir(parents=True, exist_ok=True)
    train(**{name: value for name, value in vars(args).items() if name != "data"})
    return 0
