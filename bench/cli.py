"""`fastclipgen bench SUITE`: the options of every suite, and what a suite does with its report. Loads no torch.

`python -m bench.SUITE` is the same from a checkout.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from fastclipgen.cli.parser import Parser, number, whole
from fastclipgen.config.presets import NAMES as PRESETS
from fastclipgen.errors import UserError

SUITES = {
    "ops": "every op: reference, reference compiled, every backend, against what the device can do",
    "loops": "whole steps against the loops that people ran, and whether pictures are as good",
    "ladder": "what each technique brings, one after the other",
    "sampling": "CLIP-GEN's tokens: cached against a full forward for each",
    "vqgan": "a VQGAN's decoder and its gradient, against eager torch",
    "cvae": "a CVAE's training step: its condition folded into a bias, against tiled",
    "captions": "embeddings of captions in a cache, against one at a time",
    "gan": "latents of a GAN, eight in one batch against one after the other",
    "clipig": "epochs of a YAML experiment, against the loop of the program whose grammar it is",
    "batch": "prompts as one batch file, against one call or one command for each",
    "presets": "what the quality presets cost, in a step and in a picture",
    "everything": "all of the above, and a short table",
    "profile": "where the time of a run goes",
    "publish": "write README.md from the results",
}
RED = 1  # exit code when tests are red


def add_arguments(parser: argparse.ArgumentParser) -> None:
    suites = parser.add_subparsers(dest="suite", required=True, metavar="SUITE")
    for name, text in SUITES.items():
        options_of(name, suites.add_parser(name, help=text, description=text))


def run(args: argparse.Namespace) -> int:
    return guarded(lambda: importlib.import_module(f"{__package__}.{args.suite}").run(args))


def main(suite: str, work: Callable[[argparse.Namespace], int], argv: Sequence[str] | None = None) -> int:
    """`python -m bench.SUITE`: `work` is the suite's `run`. Returns the exit code."""
    parser = Parser(prog=f"python -m bench.{suite}", description=SUITES[suite])
    options_of(suite, parser)
    try:
        args = parser.parse(sys.argv[1:] if argv is None else argv)
        return guarded(lambda: work(args))
    except UserError as error:
        print(f"bench.{suite}: error: {error}", file=sys.stderr)
        return 2


def options_of(suite: str, parser: argparse.ArgumentParser) -> None:
    """Gives the parser the options of a suite."""
    _OPTIONS[suite](parser)


def guarded(work: Callable[[], int]) -> int:
    """The exit code of `work`, RED with one sentence when the tests are red."""
    from .guard import RedTests

    try:
        return work()
    except RedTests as error:
        print(f"bench: {error}", file=sys.stderr)
        return RED


def add_settings(parser: argparse.ArgumentParser, ladder: bool = False) -> None:
    """The options that choose what is run; what is left out is the suite's own choice. ladder: without those that its
    rungs decide."""
    add = parser.add_argument
    add("--device", default="auto", help="auto, cpu, cuda or cuda:i")
    add("--clip", action="append", metavar="NAME", help="as of fastclipgen, or random:ARCHITECTURE; may be repeated")
    add("--size", type=whole(1), help="side of the pictures in pixels")
    add("--views", type=whole(1), help="cutouts of each picture")
    add("--precision", help="of the engine: auto, fp32, bf16, fp16")
    if ladder:
        return
    add("--generator", help="as of fastclipgen")
    add("--cutouts", help="preset of the views")
    add("--optimizer", help="as of fastclipgen")
    add("--compile", choices=["auto", "on", "off"], help="torch.compile for the engine's step, as of fastclipgen")


def settings(args: argparse.Namespace) -> dict[str, Any]:
    """The settings that the options of `add_settings` ask for."""
    names = ("device", "clip", "generator", "views", "cutouts", "optimizer", "precision", "compile")
    given = {name: value for name in names if (value := getattr(args, name, None)) is not None}
    return given | ({} if args.size is None else {"width": args.size, "height": args.size})


def _timing_options(parser: argparse.ArgumentParser, repeats: int, block: float) -> None:
    add = parser.add_argument
    add("--repeats", type=whole(1), default=repeats, help=f"blocks of every competitor; default {repeats}")
    add("--block-seconds", type=positive, default=block, help=f"about how long a block lasts; default {block}")
    _report_options(parser)


def _report_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--results", type=Path, metavar="FOLDER", help="write FOLDER/VERSION/SUITE--DEVICE.json")
    add("--commit", metavar="HASH", help="of the sources that are measured, where git cannot tell")
    add("--unchecked", action="store_true", help="do not run the tests first; prints only")


def positive(text: str) -> float:
    """An argument type: a number above 0."""
    value = number(text)
    if not value > 0:
        raise argparse.ArgumentTypeError(f"expected a number above 0, got {text}")
    return value


def _batches(parser: argparse.ArgumentParser, text: str) -> None:
    parser.add_argument(
        "--batches", type=whole(1), nargs="+", metavar="N", help=f"pictures in one step; default {text}"
    )


def _ops(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--device", default="auto", help="auto, cpu, cuda or cuda:i")
    add("--op", action="append", metavar="NAME", help="only this op; may be repeated")
    _batches(parser, "1 on a CPU, 1 and 32 on a GPU")
    add("--small", action="store_true", help="shapes of a toy, to see that everything runs")
    add("--no-compile", action="store_true", help="leave out the reference under torch.compile")
    add("--minutes", type=positive, help="begin no case after this time, and compile until half of it")
    _timing_options(parser, 9, 0.1)


def _loops(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--case", action="append", metavar="NAME", help="demo, das, rb, vqgan or crowson; may be repeated; default: all"
    )
    add_settings(parser)
    _batches(parser, "each case's own")
    add("--quality-steps", type=whole(1), help="steps before the pictures are compared; default: each case's own")
    add("--quality-pictures", type=whole(1), help="pictures that are compared; default: each case's own")
    add("--minutes", type=positive, help="begin no case after this time")
    _timing_options(parser, 9, 0.5)


def _ladder(parser: argparse.ArgumentParser) -> None:
    add_settings(parser, ladder=True)
    parser.add_argument("--no-compile", action="store_true", help="leave out torch.compile")
    parser.add_argument("--batch", type=whole(2), default=8, help="pictures in the last rung's step; default 8")
    parser.add_argument("--quality-steps", type=whole(1), default=20, help="steps before losses are compared")
    _timing_options(parser, 9, 0.5)


def _sampling(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--device", default="auto", help="auto, cpu, cuda or cuda:i")
    add("--precision", default="auto", help="of the transformer: auto, fp32, bf16, fp16")
    text = "of the transformer: small, or medium as gpt_coco.pt; default: medium on a GPU, on a CPU it takes minutes"
    add("--size", choices=["small", "medium"], help=text)
    add("--candidates", type=whole(1), help="pictures at a time; default 16 on a CPU, 64 on a GPU")
    text = "full forward at every N-th position only, times N; default 1, or 64 for medium"
    add("--every", type=whole(1), metavar="N", help=text)
    add("--compiled", action="store_true", help="draw tokens under torch.compile too")
    add("--pictures", action="store_true", help="decode and rank too, which a GPU always does")
    add("--clip", default="random:ViT-B-32", metavar="NAME", help="that ranks; default random:ViT-B-32")
    add("--repeats", type=whole(1), default=3, help="batches of every competitor; default 3")
    _report_options(parser)


def _vqgan(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--device", default="auto", help="auto, cpu, cuda or cuda:i")
    add("--precision", default="auto", help="of the package's decoder: auto, fp32, bf16, fp16")
    add("--model", default="f16-16384", help="geometry: f16-16384 or tiny; default f16-16384")
    add("--side", type=whole(16), help="of the picture in pixels; default 512 on a GPU, 128 on a CPU")
    add("--compiled", action="store_true", help="under torch.compile too")
    _timing_options(parser, 5, 0.2)


def _cvae(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--device", default="auto", help="auto, cpu, cuda or cuda:i")
    add("--precision", choices=["auto", "fp32", "bf16"], default="auto", help="of the package's step")
    add("--model", choices=["original", "tiny"], default="original", help="geometry; default original")
    add("--batch", type=whole(2), default=32, help="pictures a step; default 32")
    _timing_options(parser, 5, 0.2)


def _captions(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--device", default="auto", help="auto, cpu, cuda or cuda:i")
    add("--clip", default="builtin", metavar="NAME", help="as of fastclipgen, or random:ARCHITECTURE; default builtin")
    add("--captions", type=whole(1), default=500, metavar="N", help="of so many pictures; default 500")
    add("--alike", type=whole(1), default=2, metavar="N", help="pictures that have the same caption; default 2")
    _timing_options(parser, 5, 0.2)


def _gan(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--device", default="auto", help="auto, cpu, cuda or cuda:i")
    text = "of the network's pictures: 32, 64, ... 1024; default 64"
    add("--side", type=int, default=64, choices=[32 << level for level in range(6)], help=text)
    add("--base", type=whole(8), default=16, help="of the network's widths, 64 in published ones; default 16")
    add("--latent", type=whole(2), default=64, help="numbers that make a picture; default 64")
    add("--batch", type=whole(2), default=8, help="latents in one step; default 8")
    add("--compile", choices=["auto", "on", "off"], default="auto", help="as of fastclipgen")
    _timing_options(parser, 9, 0.3)


def _clipig(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--device", default="auto", help="auto, cpu, cuda or cuda:i")
    add("--clip", default="builtin", metavar="NAME", help="as of fastclipgen, or random:ARCHITECTURE; default builtin")
    add("--side", type=whole(16), default=512, help="of the picture in pixels; default 512")
    add("--frames", type=whole(1), default=5, help="of an epoch; default 5")
    add("--compile", action="store_true", help="measure the engine under torch.compile too")
    _timing_options(parser, 9, 0.3)


def _batch(parser: argparse.ArgumentParser) -> None:
    add_settings(parser)
    add = parser.add_argument
    add("--prompts", type=whole(1), default=16, metavar="N", help="of the shapes world; default 16")
    add("--steps", type=whole(1), default=100, help="of every picture; default 100")
    add("--commands", type=whole(0), default=4, metavar="N", help="calls of the command line; default 4")
    add("--repeats", type=whole(1), default=3, help="turns of every competitor; default 3")
    _report_options(parser)


def _presets(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--device", default="auto", help="auto, cpu, cuda or cuda:i")
    add("--preset", action="append", metavar="NAME", choices=PRESETS, help="only this one; may be repeated")
    add("--shrink", type=whole(1), metavar="N", help="sides divided by N, views by N * N; default 1, on a CPU 4")
    add("--precision", default="auto", help="of the engine: auto, fp32, bf16, fp16")
    add("--compile", choices=["auto", "on", "off"], default="auto", help="as of fastclipgen")
    _timing_options(parser, 5, 0.2)


def _everything(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:i")
    parser.add_argument("--short", action="store_true", help="fewer and shorter blocks: some minutes on a GPU")
    parser.add_argument("--minutes", type=positive, help="begin nothing after this time")
    _report_options(parser)


def _profile(parser: argparse.ArgumentParser) -> None:
    add_settings(parser)
    add = parser.add_argument
    add("--prompt", default="a red circle on a blue background", help="of the picture")
    add("--steps", type=whole(0), default=500, help="of the whole run; 0 leaves it out")
    add("--batch", type=whole(1), help="rows of a profiled step; the tracks of one picture if not given")
    add("--profiled-steps", type=whole(1), default=20, help="whose shares are measured; default 20")


def _publish(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if it would change something")


_OPTIONS: dict[str, Callable[[argparse.ArgumentParser], None]] = {
    "ops": _ops,
    "loops": _loops,
    "ladder": _ladder,
    "sampling": _sampling,
    "vqgan": _vqgan,
    "cvae": _cvae,
    "captions": _captions,
    "gan": _gan,
    "clipig": _clipig,
    "batch": _batch,
    "presets": _presets,
    "everything": _everything,
    "profile": _profile,
    "publish": _publish,
}
