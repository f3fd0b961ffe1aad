"""`fastclipgen train MODEL`: the options of the trainings. The work is in fastclipgen.training."""

from __future__ import annotations

import argparse
from pathlib import Path

from fastclipgen.cli import train_clip_gen, train_cvae, train_cvae_gan, train_fastgan, train_vqgan, train_wgan
from fastclipgen.cli.parser import number, whole

# What the shipped weights were made with; every field of training.task.TrainOptions that differs between the models.
DEFAULTS = {
    "vae": {"steps": 8000, "batch": 128, "learning_rate": 2e-3},
    "clip": {"steps": 3600, "batch": 128, "learning_rate": 3e-3},
    "cvae": train_cvae.DEFAULTS,
    "cvae-gan": train_cvae_gan.DEFAULTS,
    "wgan-gp": train_wgan.DEFAULTS,
    "vqgan": train_vqgan.DEFAULTS,
    "clip-gen": train_clip_gen.DEFAULTS,
    "fastgan": train_fastgan.DEFAULTS,
}

_WITH_DEFAULTS = argparse.ArgumentDefaultsHelpFormatter


def add_arguments(parser: argparse.ArgumentParser) -> None:
    models = parser.add_subparsers(dest="model", required=True, metavar="MODEL")
    sub = models.add_parser("clip", help="the tiny CLIP that guides", formatter_class=_WITH_DEFAULTS)
    sub.add_argument("--data", choices=["shapes"], default="shapes", help="what to learn from")
    add_common(sub, "clip", least=8)
    text = "improve the model of a finished run against what it rates too high: pictures of the VAE, ascents"
    sub.add_argument("--refine", type=Path, metavar="CHECKPOINT", help=text)
    text = "a VAE that draws: the tiny one that ships, or one of any pictures"
    sub = models.add_parser("vae", help=text, formatter_class=_WITH_DEFAULTS)
    add_common(sub, "vae", least=2)
    train_cvae.add_vae_arguments(sub)
    sub = models.add_parser("cvae", help="a VAE under attributes and captions", formatter_class=_WITH_DEFAULTS)
    add_common(sub, "cvae", least=2)
    train_cvae.add_arguments(sub)
    text = "a CVAE that also has to deceive a discriminator"
    sub = models.add_parser("cvae-gan", help=text, formatter_class=_WITH_DEFAULTS)
    add_common(sub, "cvae-gan", least=2)
    train_cvae_gan.add_arguments(sub)
    text = "a Wasserstein GAN under attributes and captions"
    sub = models.add_parser("wgan-gp", help=text, formatter_class=_WITH_DEFAULTS)
    add_common(sub, "wgan-gp", least=2, precision=False)  # second derivatives gain nothing by bf16
    train_wgan.add_arguments(sub)
    for name, text, options in (
        ("vqgan", "a VQGAN: pictures as tokens", train_vqgan),
        ("clip-gen", "CLIP-GEN's transformer: tokens from a CLIP embedding", train_clip_gen),
        ("fastgan", "a FastGAN: pictures from random numbers", train_fastgan),
    ):
        sub = models.add_parser(name, help=text, formatter_class=_WITH_DEFAULTS)
        add_common(sub, name, least=1)
        options.add_arguments(sub)


def add_common(sub: argparse.ArgumentParser, name: str, least: int, precision: bool = True) -> None:
    """The options that every training has; least: the smallest batch; precision: whether there is a choice."""
    sub.add_argument("--out", type=Path, default=Path("runs") / name, help="folder of checkpoint and metrics")
    sub.add_argument("--steps", type=whole(1), default=DEFAULTS[name]["steps"])
    sub.add_argument("--batch", type=whole(least), default=DEFAULTS[name]["batch"], help="pictures a step")
    rate = train_clip_gen.RATE if name == "clip-gen" else "at its peak"
    sub.add_argument("--learning-rate", type=number, default=DEFAULTS[name]["learning_rate"], help=rate)
    sub.add_argument("--seed", type=whole(0), default=0)
    sub.add_argument("--threads", type=whole(0), default=0, help="processor threads; 0: all")
    if precision:
        text = "auto: bf16 where the device multiplies it"
        sub.add_argument("--precision", choices=["auto", "fp32", "bf16"], default="auto", help=text)
    sub.add_argument("--evaluate-every", type=whole(1), default=500, metavar="STEPS", help="held-out pictures")
    sub.add_argument("--save-every", type=whole(1), default=250, metavar="STEPS", help="a checkpoint")
    sub.add_argument("--tensorboard", action="store_true", help="also write tensorboard events (extra [train])")
    sub.add_argument("--fresh", action="store_true", help="start again even if the folder holds a checkpoint")
    sub.add_argument("--quiet", action="store_true", help="print no progress")


def run(args: argparse.Namespace) -> int:
    others = {
        "vqgan": train_vqgan, "clip-gen": train_clip_gen, "cvae-gan": train_cvae_gan, "wgan-gp": train_wgan,
        "fastgan": train_fastgan,
    }  # fmt: skip
    if args.model in others:
        return others[args.model].run(args)
    if args.model == "cvae" or (args.model == "vae" and not train_cvae.layered(args, _common("vae"))):
        return train_cvae.run(args)
    from fastclipgen.outputs.atomic import writing_errors
    from fastclipgen.training.run import train

    with writing_errors(args.out):
        args.out.mkdir(parents=True, exist_ok=True)
    train(**{name: value for name, value in vars(args).items() if name not in ("data", "network")})
    return 0


def _common(name: str) -> set[str]:
    """The options that every training has, by their names."""
    parser = argparse.ArgumentParser()
    add_common(parser, name, least=1)
    return set(vars(parser.parse_args([])))
