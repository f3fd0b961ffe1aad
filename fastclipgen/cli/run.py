"""`fastclipgen run FILE... [key.path=value ...]`: experiments in CLIPig's YAML. The work is in experiments/."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from fastclipgen.cli.parser import whole
from fastclipgen.errors import UserError

if TYPE_CHECKING:
    from fastclipgen.experiments.experiment import Experiment


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "draws what YAML files say; several are merged, '-' is standard input, and a picture that an experiment made "
        "stands for its file; key.path=value sets a value of it anew. Beside NAME.png its complete file is written as "
        "NAME.yaml, unless there is a NAME.yaml already, such as the one that was run: nothing is overwritten, and the "
        "picture holds its file too ('fastclipgen run NAME.png')"
    )
    add = parser.add_argument
    add("files", nargs="*", metavar="FILE|KEY=VALUE", help="a YAML file, or a value such as targets.0.weight=2")
    add("-o", "--output", metavar="PATH", help="file to write, or folder with '/' at the end; never overwrites")
    add("-lr", "--learnrate", metavar="RATE", help="times the optimiser's own")
    add(
        "-opt", "--optimizer", metavar="NAME", help="adam, sgd, sparse_adam, adadelta, rmsprob, rmsprop, adamw, adagrad"
    )
    add("-e", "--epochs", type=whole(1), help="steps of the optimiser")
    add("-r", "--resolution", nargs="+", metavar="PIXELS", help="width and height, or one number for both")
    text = "how often the picture is saved: seconds if written with a point, else epochs; 0: only at the end"
    add("-s", "--snapshot-interval", metavar="INTERVAL", help=text)
    add("-d", "--device", metavar="NAME", help="auto, cpu, cuda, cuda:1")
    add("--seed", type=whole(0), help="of the first picture")
    add("--repeat", type=whole(1), default=1, metavar="N", help="run so often, each time with the next seeds")
    add("--print-config", action="store_true", help="print the complete file, with all defaults, and draw nothing")
    add("-v", "--verbose", type=whole(0), metavar="LEVEL", help="0: say nothing, 1: progress, 2: and statistics")
    add("--json", action="store_true", help="print one JSON line per event on stdout")


def run(args: argparse.Namespace) -> int:
    from fastclipgen.experiments.dump import dump
    from fastclipgen.experiments.reading import read_experiment

    files, overrides = _sorted(args)
    if not files:
        raise UserError("expected a YAML file, got none; try fastclipgen run FILE.yaml, or '-' for standard input")
    experiment = read_experiment(files, overrides)
    if args.print_config:
        print(dump(experiment), end="")
        return 0
    from fastclipgen.cli.run_session import RunSession  # loads torch

    code = 0
    for number in range(args.repeat):
        once = _repeated(experiment, number)
        code = RunSession(once, args, _template(args.output, experiment.output, files[-1])).run()
        if code:
            break
    return code


def _repeated(experiment: Experiment, number: int) -> Experiment:
    """The experiment with the seeds of its repetition `number`, in its source too."""
    from fastclipgen.experiments.fields import holding, made

    seed = (experiment.seed or 0) + number * experiment.batch
    source = experiment.source
    if source is not None:
        source = holding({**source.value, "seed": made(seed, source)}, source)
    return replace(experiment, seed=seed, source=source)


def _sorted(args: argparse.Namespace) -> tuple[list[str], list[str]]:
    """The files, and the overrides that the other arguments amount to."""
    sizes = [text for text in args.resolution or [] if text.isdecimal()]
    # argparse gives what follows the sizes to them too
    rest = [*args.files, *(text for text in args.resolution or [] if not text.isdecimal())]
    files = [text for text in rest if "=" not in text or Path(text).exists()]
    overrides = [text for text in rest if text not in files]
    if args.resolution is not None and len(sizes) not in (1, 2):
        raise UserError(f"expected one or two whole numbers of pixels for --resolution, got {len(sizes)}")
    if sizes:
        overrides.append(f"resolution=[{', '.join(sizes)}]")
    for name in ("learnrate", "optimizer", "epochs", "snapshot_interval", "device", "seed", "verbose"):
        if getattr(args, name) is not None:
            overrides.append(f"{name}={getattr(args, name)}")
    return files, overrides


def _template(asked: str | None, output: str, file: str) -> str:
    """The template of the pictures' names: what was asked for, else the file's `output`, else its own name."""
    stem = "output" if file == "-" else Path(file).stem.replace("{", "{{").replace("}", "}}") or "output"
    for given in (asked, output):
        if given:
            return f"{given}{stem}.png" if given.endswith("/") or Path(given).expanduser().is_dir() else given
    return f"./{stem}.png"
