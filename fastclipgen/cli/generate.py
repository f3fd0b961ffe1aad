"""`fastclipgen PROMPT...`: options -> settings -> pictures in files. The work is in fastclipgen.api and outputs."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from fastclipgen.cli.edit_options import add_edit_arguments
from fastclipgen.cli.guidance_options import add_guidance_arguments
from fastclipgen.cli.parser import number, span, whole
from fastclipgen.errors import UserError

if TYPE_CHECKING:
    from fastclipgen.config.run import RunConfig

DEFAULT_OUTPUT = "outputs/{slug}-{seed}.png"


def size(text: str) -> tuple[int, int]:
    """WxH or one side -> (width, height)."""
    from fastclipgen.config.texts import parse_size

    try:
        return parse_size(text)
    except UserError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def add_setting_arguments(parser: argparse.ArgumentParser, prompts: bool = True) -> None:
    """What decides the pictures; shared with `warmup` and `batch`, which takes no `prompts` but a file of them."""
    add = parser.add_argument
    if prompts:
        add(
            "prompts",
            nargs="*",
            metavar="PROMPT",
            help="one picture each; `|` joins prompts in one; TEXT[:WEIGHT[:STOP]]",
        )
    group = parser.add_argument_group("what to draw")
    add = group.add_argument
    add("--negative", action="append", default=[], metavar="PROMPT", help="move away from this, in all pictures")
    add("--image-prompt", action="append", default=[], metavar="PATH[:WEIGHT[:STOP]]", help="come close to a picture")
    add("--init", metavar="PATH", help="start from a picture")
    add("--init-over", metavar="PATH:OPACITY", help="lay this picture over it, with an opacity from 0 to 1")
    text = "start from noise of the picture's own: pixels (also called snow), perlin, gradient, white"
    add("--init-noise", metavar="KIND", help=text)
    text = "with --init and --init-noise: opacity of the picture over the noise, 0 to 1; default 200/255"
    add("--init-alpha", type=number, metavar="OPACITY", help=text)
    add("--mask", metavar="PATH", help="change the start picture only where this one is white")
    add("--size", type=size, metavar="WxH", help="in pixels; default: what suits the generator")
    add("--seed", type=whole(), help="of the first picture, the next have seed + 1, ...; default: random, and printed")
    add("-n", "--count", type=whole(), default=1, help="pictures per prompt")
    group = parser.add_argument_group("how")
    add = group.add_argument
    text = "draft, normal, better or best: how much time and memory a picture may take; other options come first"
    add("--preset", metavar="NAME", help=text)
    add("--steps", type=whole(), help="0 saves the start; default: what suits the generator, as for all below")
    add(
        "--generator",
        default="auto",
        metavar="NAME",
        help="auto, vae, stack, pixels, fourier, siren, vqgan, autoencoder, gan, cvae, wgan, clip-gen",
    )
    add(
        "--vqgan",
        metavar="PATH|NAME[:YAML]",
        help="weights of generators vqgan and clip-gen: a file, or a name of `fastclipgen download --list`",
    )
    add(
        "--autoencoder",
        metavar="PATH",
        help="weights of generator autoencoder: a decoder of the TAESD family, or its folder",
    )
    text = "weights of generator cvae: a file of `fastclipgen train cvae`, or builtin"
    add("--cvae", metavar="PATH|builtin", help=text)
    add("--wgan", metavar="PATH", help="weights of generator wgan: a file of `fastclipgen train wgan-gp`")
    _add_gan_arguments(add)
    add("-g", "--generator-option", action="append", default=[], metavar="KEY=VALUE", help="its options, one each time")
    add("--clip", action="append", default=[], metavar="NAME[:TAG|:PATH][@WEIGHT]", help="may be given several times")
    add("--views", type=whole(), help="cutouts of each picture per step and CLIP")
    text = "so many times these views in a step, batch after batch through the CLIP; default 1"
    add("--batches", type=whole(), default=1, help=text)
    text = "original, updated, nrupdated, updatedpooling, latest, clipit, pixray, das, crops, gentle, signed, plain"
    add("--cutouts", default="auto", metavar="PRESET", help=f"how views are drawn: {text}")
    text = "codes of Ji, Sh, Gn, Pe, Ro, Af, Er, Re, for --cutouts latest or nrupdated; default: Af,Pe,Ji,Er"
    add("--augments", type=lambda codes: codes.split(","), metavar="CODE[,CODE]", help=text)
    add("--loss", default="auto", metavar="KIND", help="cosine, spherical, l1 or l2 (of unit vectors)")
    add("--prompt-sum", action="store_true", help="add prompt losses up instead of averaging them")
    text = (
        "tv, colour_tv, l1, l2, saturation, range, smoothness, colourfulness, palette, symmetry, edge, gaussian; all "
        "take anneal=STEPS"
    )
    add("--constraint", action="append", metavar="NAME[:WEIGHT[:OPTION]]", help=text)
    add("--optimizer", default="auto", metavar="NAME", help="adam, adamw, sgd, rmsprop, adadelta, adagrad")
    add("--learning-rate", "--lr", type=number, metavar="RATE", help="of the first step after the warm-up")
    text = "pulls parameters to 0, as torch's optimisers do; default: the optimiser's own, 0.01 for adamw, else 0"
    add("--weight-decay", type=number, metavar="RATE", help=text)
    add("--schedule", default="auto", metavar="KIND[:VALUES]", help="constant, linear, cosine, drops")
    add("--warmup", type=number, default=0.0, metavar="FRACTION", help="of the steps")
    text = "end a picture that gets no better: after 12 steps without a lower loss the rate drops to a tenth, so often"
    add("--auto-stop", type=whole(), metavar="DROPS", help=text)
    add("--starts", type=whole(), help="random starts that are scored before the first step")
    add("--tracks", type=whole(), help="how many of the best starts are optimised; the best one is published")
    add("--finalists", type=whole(), help="how many of the tracks go on after a quarter of the steps")
    add("--ema", type=number, default=0.0, metavar="DECAY", help="publish a moving average of the parameters")
    add("--keep-best", action="store_true", help="publish the step with the lowest loss instead of the last")
    add_guidance_arguments(parser)
    add_edit_arguments(parser)
    _add_sampling_arguments(parser)
    group = parser.add_argument_group("where it runs")
    add = group.add_argument
    add("--device", default="auto", metavar="NAME", help="auto, cpu, cuda, cuda:1, mps")
    add("--precision", default="auto", metavar="TYPE", help="of the CLIP's image side: auto, fp32, bf16, fp16")
    add("--backend", default="auto", metavar="NAME", help="of the kernels: auto, reference, cpp, cuda, triton")
    add("--deterministic", action="store_true", help="bit-equal pictures whatever they are batched with; slower")
    add("--compile", default="auto", metavar="WHEN", help="torch.compile for the step: auto (where it pays), on, off")
    add("--rows", type=whole(), help="samples that clip-gen draws together; default: what memory allows")
    add("--memory", default="auto", metavar="SIZE", help="what a step may take: auto (what is free), 6GiB, 500MiB")


def _add_gan_arguments(add: Callable[..., Any]) -> None:
    text = "weights of generator gan: a FastGAN's checkpoint, a generator saved by torch.export or TorchScript, builtin"
    add("--gan", metavar="PATH", help=text)
    text = "length of the latents of an exported generator, where its file does not say"
    add("--latent-dim", type=whole(), metavar="N", help=text)
    text = "values that an exported generator draws; default -1,1"
    add("--range", dest="gan_range", type=span, metavar="LOW,HIGH", help=text)
    text = "open an exported generator, a program that may do whatever its maker wanted (docs/gan.md)"
    add("--trust-gan", action="store_true", help=text)
    text = "clipping-clip-to-gan: its loop, where other options do not say otherwise (docs/gan.md)"
    add("--compat", metavar="NAME", help=text)


def _add_sampling_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("generator clip-gen (docs/clip-gen.md)").add_argument
    text = "weights of generator clip-gen: its transformer, with the --vqgan it was trained with"
    add("--clip-gen", metavar="PATH|NAME", help=text)
    add("--candidates", type=whole(), help="samples of each picture, which CLIP ranks; default 32")
    add("--keep", type=whole(), help="how many of the best candidates are pictures; default 1")
    add("--refine", type=whole(), metavar="STEPS", help="go on from the kept samples by VQGAN+CLIP; default 0")
    add("--top-k", type=whole(), help="draw only so many of the likeliest tokens; default 500; 0: all")
    add("--top-p", type=number, help="draw only the likeliest tokens of this joint probability; default 0.95; 1: all")
    add("--temperature", type=number, help="0: always the likeliest token; default 1")
    add("--guidance", type=number, help="classifier-free guidance, where the transformer was trained for it; default 1")
    text = (
        "how texts become embeddings as of pictures: none, shift, procrustes or knn, a file of 'fastclipgen bridge', "
        "or builtin, the default with the built-in weights"
    )
    add("--text-to-image", default="auto", metavar="HOW", help=text)
    add(
        "--gallery",
        metavar="FOLDER",
        help="of pictures (and NAME.txt beside them) that shift, procrustes and knn learn from",
    )
    text = "what candidates are compared with: text (the default), or condition, what the transformer was told of it"
    add("--rank-by", choices=["text", "condition"], help=text)
    text = "how many shifted views of a candidate are compared, 1 (the default) to 9"
    add("--rank-views", type=whole(1), metavar="N", help=text)
    text = "as the demo of clip-gen: 64 candidates of which 8 are kept, ranked as CLIP saw them there"
    add("--compat-clip-gen", action="store_true", help=text)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_setting_arguments(parser)
    add_output_arguments(parser)


def add_output_arguments(parser: argparse.ArgumentParser) -> None:
    """What becomes of the pictures; shared with `rerun`. What is not given is None, so that an option which would have
    no effect can be refused."""
    group = parser.add_argument_group("output (the path of every written file is printed on stdout)")
    add = group.add_argument
    text = f"default {DEFAULT_OUTPUT}; .png, .jpg or .webp; never overwrites"
    add("-o", "--output", metavar="TEMPLATE", help=text)
    add("--quality", type=whole(), help="of JPEG and WebP, 1..100; default 95")
    add("--no-metadata", action="store_true", help="store no settings in the pictures")
    add("--save-every", type=whole(), metavar="STEPS", help="also save the picture, without settings, so often")
    add("--video", metavar="TEMPLATE", help="a film of the run, .mp4, .gif or .webp, one for each picture")
    add("--frames", type=whole(), help="of the film, at most; default 120, or one for each zoom")
    add("--fps", type=number, help="of the film; default 15")
    add("--grid", metavar="TEMPLATE", help="also one sheet of all pictures with their prompts")
    speech = group.add_mutually_exclusive_group()
    speech.add_argument("--quiet", action="store_true", help="print nothing but errors, not even paths")
    speech.add_argument("--json", action="store_true", help="print one JSON line per event on stdout")


def values_of(args: argparse.Namespace) -> dict[str, Any]:
    """The settings that the options ask for, as values for config.run.make_config. Raises UserError."""
    from fastclipgen.config.run import WEIGHTS, RunConfig
    from fastclipgen.config.sampling import CLIP_GEN

    values: dict[str, Any] = {name: getattr(args, name) for name in RunConfig.model_fields if hasattr(args, name)}
    values |= {"image_prompts": args.image_prompt, "constraints": args.constraint}
    if args.size:
        values["width"], values["height"] = args.size
    if args.generator_option:
        weights = [name for name in WEIGHTS if getattr(args, name)]
        generator = weights[0] if weights and args.generator in ("auto", CLIP_GEN) else args.generator
        if generator == CLIP_GEN:  # the options of what refines
            generator = "vqgan"
        if generator == "auto":
            raise UserError("generator options need to know the generator; add --generator NAME")
        from fastclipgen.generators.registry import parse_options

        values["generator_options"] = parse_options(generator, args.generator_option)
    return values


def config_of(args: argparse.Namespace) -> RunConfig:
    """The settings that the options ask for. Raises UserError."""
    from fastclipgen.config.run import make_config

    return make_config(values_of(args))


def run(args: argparse.Namespace) -> int:
    return run_config(config_of(args), args)


def run_config(config: RunConfig, args: argparse.Namespace, notices: Sequence[str] = (), end: int | None = None) -> int:
    """Make the pictures of `config` and write what the output options ask for. `end`: stop after so many steps."""
    from fastclipgen.cli.session import Session  # loads torch

    return Session(config, args, notices, end).run()
