"""From the options of `fastclipgen train cvae`, or of `train vae` for another network than the layered one, to a
finished CVAE."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch

from fastclipgen.data.source import FOLDERS, open_source
from fastclipgen.errors import UserError, unknown
from fastclipgen.models.cvae import ClipCVAE, Decoder, Geometry, Range
from fastclipgen.models.cvae_dialects import about, build
from fastclipgen.perceptors.auto import resolve
from fastclipgen.training.conditions import Conditioned, open_conditioned
from fastclipgen.training.cvae import CVAEOptions, CVAETask, Told, Untold
from fastclipgen.training.run import carry_out, check_alone, check_options, compiles, device_of, uses_bf16
from fastclipgen.training.start_weights import RANDOM, check_geometry
from fastclipgen.training.task import TrainOptions
from fastclipgen.training.vq_losses import open_perceptual
from fastclipgen.weights.checkpoint import read_metadata, read_tensors
from fastclipgen.weights.names import file_of

CONDITIONS = ("clip", "attributes", "both", "none")  # none: of a VAE
SOURCES_UNTOLD = ("shapes", *FOLDERS, "cc")  # data.source.open_source has them
BETA = {"mean": 5e-4, "sum": 1.0}  # by the reduction


@dataclass(frozen=True)
class Asked:
    """What `fastclipgen train cvae --help` calls the same, with its defaults."""

    data: str = "shapes"
    size: int = 64
    channels: tuple[int, ...] = (24, 48, 96, 160)
    latent: int = 64
    decoder: str = "upsampled"
    range: str = "0..1"
    condition: str = "clip"
    clip: str = "builtin"
    attributes: Path | None = None
    crop: str | None = None
    short_side: int = 0
    pictures: int = 0
    cache: Path | None = None
    error: str = "l1"
    edges: float = 1.0
    reduction: str = "mean"
    beta: float | None = None
    beta_first: float = 0.0
    start: str = RANDOM  # or PATH of a CVAE's weights
    anneal: float = 0.3
    condition_dropout: float = 0.1
    perceptual: str = "none"
    perceptual_weights: Path | None = None


def train_cvae(
    out: Path,
    *,
    model: str = "cvae",
    steps: int,
    batch: int,
    learning_rate: float,
    ema: float = 0.999,
    seed: int = 0,
    threads: int = 0,
    device: str = "auto",
    precision: str = "auto",
    compile: str = "auto",
    evaluate_every: int = 500,
    save_every: int = 250,
    tensorboard: bool = False,
    fresh: bool = False,
    quiet: bool = False,
    make: Callable[..., CVAETask] = CVAETask,
    **asked: Any,
) -> dict[str, float]:
    """Train a CVAE, or with model="vae" the same without a condition, into the folder `out`. asked: fields of `Asked`.
    make: another task than this, which takes the same.

    Goes on from the folder's checkpoint and cache unless `fresh`. Writes DATA_MODEL.safetensors (fp16), metrics.json
    and what the loop writes, and returns the metrics of the written weights. Raises UserError for options that cannot
    be.
    """
    if model == "vae":
        asked["condition"] = "none"
    chosen = Asked(**asked)
    check_options(steps, batch, learning_rate, least=2)  # batch norms need two
    check(chosen, ema)
    check_alone(model)
    if threads:
        torch.set_num_threads(threads)
    options = TrainOptions(
        steps=steps, batch=batch, learning_rate=learning_rate, weight_decay=0.0, warmup=min(200, steps // 10 + 1),
        ema=ema, seed=seed, evaluate_every=evaluate_every, save_every=save_every,
    )  # fmt: skip
    place = device_of(device)
    bf16 = uses_bf16(precision, place)
    told = open_told(chosen, options, out, place, fresh=fresh, quiet=quiet)
    names, width = (told.attribute_names, told.width) if isinstance(told, Conditioned) else ((), 0)
    names = names if chosen.condition in ("attributes", "both") else ()
    task = make(
        options,
        CVAEOptions(
            geometry_of(chosen, len(names), width), chosen.error, chosen.edges, chosen.reduction,
            BETA[chosen.reduction] if chosen.beta is None else chosen.beta, chosen.beta_first, chosen.anneal,
            chosen.condition_dropout, chosen.perceptual,
        ),
        told,
        names=names,
        clip=chosen.clip if width else "",
        perceptual=open_perceptual(chosen.perceptual, chosen.perceptual_weights, place),
        start=None if chosen.start == RANDOM else weights_of(chosen.start, geometry_of(chosen, len(names), width)),
        device=place,
        bf16=bf16,
        compiled=compiles(compile, steps, place),
    )  # fmt: skip
    kind = chosen.data.partition(":")[0]
    record = {"model": model, "data": chosen.data, "precision": "bf16" if bf16 else "fp32", **task.recipe.settings}
    return carry_out(task, options, out, f"{kind}_{model}", record, tensorboard=tensorboard, fresh=fresh, quiet=quiet)


def weights_of(path: str, geometry: Geometry) -> ClipCVAE:
    """The network in a file. Raises UserError where it has another geometry."""
    file = file_of(path, "start")
    tensors = read_tensors(file, "the CVAE")
    found = about(tensors, read_metadata(file), f"'{path}'")
    check_geometry(path, found.geometry, geometry)
    return build(tensors, found, f"'{path}'")


def open_told(
    asked: Asked, options: TrainOptions, out: Path, device: torch.device, *, fresh: bool, quiet: bool
) -> Told:
    """The pictures and what is told of them; captions are embedded now. Raises UserError."""
    if asked.condition == "none" and asked.data.partition(":")[0] in SOURCES_UNTOLD:
        return Untold(open_source(asked.data, asked.size, options.seed, options.batch))
    perceptor = None
    if asked.condition in ("clip", "both"):
        [loaded] = resolve([asked.clip], device, torch.float32, print)
        perceptor = loaded.perceptor
    return open_conditioned(
        asked.data,
        asked.size,
        options.seed,
        options.batch,
        perceptor=perceptor,
        cache=asked.cache or out / "cache",
        table=asked.attributes,
        crop=asked.crop,
        short_side=asked.short_side,
        pictures=asked.pictures,
        fresh=fresh,
        quiet=quiet,
    )


def geometry_of(asked: Asked, attributes: int, embedding: int) -> Geometry:
    """The network that is asked for, for conditions of these lengths. Raises UserError where it cannot be."""
    geometry = Geometry(
        side=asked.size,
        latent=asked.latent,
        attributes=attributes,
        embedding=embedding,
        channels=tuple(asked.channels),
        decoder=cast(Decoder, asked.decoder),
        reads=cast(Range, asked.range),
        draws=cast(Range, asked.range),
    )
    geometry.check()
    return geometry


def check(asked: Asked, ema: float) -> None:
    """Raises UserError for an option outside its range."""
    if asked.condition not in CONDITIONS:
        raise unknown("condition", asked.condition, CONDITIONS)
    geometry_of(asked, 0, 0)
    below_1 = math.nextafter(1.0, 0.0)
    for name, value, most, range_ in (
        ("edges", asked.edges, math.inf, "0 or more"),
        ("beta", asked.beta or 0.0, math.inf, "0 or more"),
        ("beta-first", asked.beta_first, math.inf, "0 or more"),
        ("anneal", asked.anneal, 1.0, "0 to 1"),
        ("condition-dropout", asked.condition_dropout, below_1, "0 or more and below 1"),
        ("ema", ema, below_1, "0 or more and below 1"),
    ):
        if not (math.isfinite(value) and 0 <= value <= most):
            raise UserError(f"--{name} must be {range_}, got {value}")
