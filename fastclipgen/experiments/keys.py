"""Every key of an experiment's file: what it takes, what it is by default, and what it means.

The reader, the JSON Schema and docs/yaml.md are made of these declarations and of those of transforms and constraints.
A key without a value (`weight:`) counts as left out.
"""

from __future__ import annotations

from typing import Any, get_args

from fastclipgen.config.run import MAX_SEED, MAX_SIDE, RunConfig
from fastclipgen.experiments.experiment import NOISE, PATTERNS
from fastclipgen.generators.registry import names as generator_names
from fastclipgen.recipes.conversion import Parameter
from fastclipgen.recipes.options import Option, numbers, word
from fastclipgen.recipes.variables import CONSTRAINT, FEATURE, RESOLUTION, TIME

MOMENT = Parameter((int, float), groups=TIME)
"""Of `start` and `end`, which `frame_time.read_time` reads: 100 is an epoch, 1.0 and 50% are fractions of the run."""
_NONE: frozenset[str] = frozenset()


def _whole(help: str, default: int | None) -> Option:
    return numbers(help, default, whole=True, nullable=default is None, groups=_NONE)


def _text(help: str, default: str | None = None) -> Option:
    return Option(Parameter((str,), nullable=default is None), default, help)


def _switch(help: str, default: bool) -> Option:
    return Option(Parameter((bool,)), default, help)


START = Option(MOMENT, 0.0, "from when on: an epoch (100) or a fraction of the run (0.5, 50%)")
END = Option(MOMENT, 1.0, "until when, included: an epoch or a fraction of the run")
SPAN = {"start": START, "end": END}
ACTIVE = {"active": _switch("false: as if it were not there", True)}

INTERPOLATIONS = ("nearest", "linear", "cubic")
OPTIMIZERS = ("adam", "sgd", "sparse_adam", "adadelta", "rmsprob", "rmsprop", "adamw", "adagrad")
"""CLIPig's, of which rmsprob is also taken in its right spelling, and those that are new here."""
LOSSES = {"cosine": "cosine", "l1": "l1", "mae": "l1", "l2": "l2", "mse": "l2"}
"""Names of losses -> what `Feature.loss` and `Held.loss` say; in any case."""

RUN: dict[str, Option] = {
    "epochs": _whole("steps of the optimiser", 300),
    "start_epoch": _whole("the epoch to begin with, to go on with a run", 0),
    "resolution": numbers(
        "width and height in pixels; a new size in the middle of a run resizes the picture",
        [224, 224],
        (2,),
        whole=True,
        shape=True,
        groups=TIME,
    ),
    "interpolation": Option(
        Parameter((str,), groups=TIME, choices=INTERPOLATIONS), "cubic", "how a picture is resized within a run"
    ),
    "device": _text("auto, cpu, cuda or cuda:1", "auto"),
    "learnrate": numbers("times the optimiser's own rate", 1.0, groups=RESOLUTION),
    "learnrate_scale": numbers("a further factor of the rate, for schedules such as 1 - t", 1.0, groups=RESOLUTION),
    "optimizer": word(
        "own rates: adam, sparse_adam and adamw 0.01, sgd 10, adadelta 20, rmsprob (or rmsprop) 0.003, adagrad 0.2",
        "adam",
        OPTIMIZERS,
    ),
    "generator": word("what draws the picture", "pixels", generator_names()),
    "seed": _whole("of the first picture, the next have seed + 1, + 2 ...; none: one is drawn", None),
    "batch": _whole("pictures that are made at once, each with a seed of its own", 1),
    "starts": _whole("random starts of each picture; the one that the targets like best, seen whole, begins", 1),
    "mask": _text("path of a mask: only where it is white the picture changes"),
    "compat": _switch("true or clipig: with the quirks of CLIPig's code, where they change what is drawn", False),
    "verbose": _whole("0: say nothing, 1: show progress, 2: and statistics", 2),
    "output": _text("file to write, or folder with '/' at the end", "./"),
    "snapshot_interval": Option(
        Parameter((int, float)), 20.0, "how often the picture is saved: seconds if written with a point, else epochs"
    ),
}
INIT: dict[str, Option] = {
    "resolution": numbers(
        "size at which the start is made, before it is resized; none: that of the run",
        None,
        (2,),
        whole=True,
        nullable=True,
        groups=_NONE,
    ),
    "mean": numbers("brightness of the noise, or what is added to the image", 0.5, (3,), groups=_NONE),
    "std": numbers("strength of the noise, or what the image is multiplied with", 0.1, (3,), groups=_NONE),
    "image": _text("path of a picture to start from, with mean 0 and std 1 as it is"),
    "pattern": word(
        "what is random without an image: noise, or a soft disc, or a blob with an outline of its own, on a ground of "
        "another colour (with std .26 in all colours)",
        NOISE,
        PATTERNS,
    ),
}
TARGET: dict[str, Option] = {
    **ACTIVE,
    "name": _text("for statistics; in several files, targets of one name are merged", "target"),
    **SPAN,
    "weight": numbers("of features and constraints together", 1.0, groups=CONSTRAINT),
    "batch_size": _whole("frames at each epoch, if a transform is random", 1),
    "select": word(
        "which features count: all, the most similar one, the least similar one, or the mean of all",
        "all",
        ("all", "best", "worst", "mix"),
    ),
    "feature_scale": word(
        "for the choice of the best: as they are, or fair to those that begin low", "equal", ("equal", "fair")
    ),
    "mask": _text("path of a mask: this target sees grey where it is black"),
}
FEATURE_KEYS: dict[str, Option] = {
    "text": _text("what to become similar to; a list has one for each picture of the batch"),
    "image": _text("path of a picture to become similar to"),
    "weight": numbers("negative: something to avoid", 1.0, groups=FEATURE),
    "scale": numbers("factor of the similarity when the best or worst is chosen", 1.0, groups=FEATURE),
    "loss": word("how distance is measured, in any case", "cosine", LOSSES),
    **SPAN,
}
CONSTRAINT_KEYS: dict[str, Option] = {
    "weight": numbers("of this constraint", 1.0, groups=CONSTRAINT),
    "loss": word("how distance is measured, in any case", "l2", [name for name in LOSSES if name != "cosine"]),
}
STEP: dict[str, Option] = {**ACTIVE, **SPAN}
"""What every item of `transforms`, `constraints` and `postproc` takes, beside what is named in it or within that."""

SECTIONS: dict[str, str] = {
    "model": "CLIP's name, or a list of names, each as NAME[:TAG|:PATH][@WEIGHT]; left out: as `--clip` left out, a "
    "ViT-B/32 where one is at hand, else the built-in one",
    "init": "where the picture begins",
    "targets": "what the picture is to become: a list",
    "postproc": "transforms of the picture itself before each epoch: a list",
    "generator_options": "options of the generator, by name",
    "templates": "named parts, for `template: NAME` in any mapping",
    "include": "a file, or a list of files, to be merged before this one",
    "wildcards": "where __NAME__ in texts comes from: a folder, or lists of texts by name; false: texts are literal",
}
"""The top-level keys that hold more than one value, with their meaning."""
LISTS: dict[str, str] = {
    "features": "texts and images to become similar to",
    "transforms": "what is done to each frame before CLIP sees it",
    "constraints": "losses of the frames without CLIP",
}
"""The keys of a target that hold lists."""
SETTINGS = (
    "vqgan", "autoencoder", "gan", "latent_dim", "gan_range", "cvae", "wgan",
    "precision", "backend", "deterministic", "compile", "memory",
)  # fmt: skip
"""Fields of `RunConfig` that a file may set, with the meaning they have there."""
ON_OFF = tuple(name for name in SETTINGS if "on" in get_args(RunConfig.model_fields[name].annotation))
"""Those with the words on and off."""

LIMITS: dict[str, tuple[float, float | None]] = {
    "epochs": (1, 10_000_000),
    "start_epoch": (0, None),
    "resolution": (1, MAX_SIDE),
    "verbose": (0, None),
    "snapshot_interval": (0, None),
    "batch": (1, 1000),
    "starts": (1, 65536),
    "batch_size": (1, 4096),
    "seed": (0, MAX_SEED),
    "learnrate": (0, None),
    "learnrate_scale": (0, None),
}
"""The least and the largest value of keys that have such."""


def setting_help(name: str) -> str:
    """The meaning of one of `SETTINGS`."""
    return RunConfig.model_fields[name].description or _PLAIN[name]


_PLAIN: dict[str, Any] = {"precision": "of networks: auto, float32, bfloat16 or float16"}
