"""The settings of a run, validated, as stored in every picture. Loads no torch and touches no file.

A setting left at None or "auto" is decided when the run begins (see defaults.py), and the picture stores what was
decided.
"""

from __future__ import annotations

import math
import re
from typing import Any, Literal

from pydantic import BaseModel, Field, ValidationError, field_validator

from fastclipgen.config import edited, gan, sampling
from fastclipgen.config.asked import PROMPT_KINDS
from fastclipgen.errors import UserError, nearest
from fastclipgen.guidance.prompts import parse_prompts, parse_target, phases_of
from fastclipgen.ops.cutout_presets import preset

MAX_SIDE = 16384
MAX_SEED = 2**63 - 1
_SIZE = re.compile(r"(\d{1,12}(?:\.\d{1,6})?)\s*(?:([GgMm])(?:i?[Bb])?)?")
# settings that name weights, each of the generator of its name
WEIGHTS = ("vqgan", "autoencoder", "gan", "cvae", "wgan")
SHIPPED = ("vqgan", "gan", "cvae")  # of which one ships
MAX_RATE = 1e6  # far above any use, and far below where parameters overflow float32


class RunConfig(edited.Edited):
    """Everything that decides what a picture looks like. Field order is the order in `fastclipgen info`."""

    seed: int | None = Field(
        None, ge=0, le=MAX_SEED, description="of the first picture; the next have seed + 1, + 2 ..."
    )
    count: int = Field(1, ge=1, le=100_000, description="pictures per prompt")
    preset: Literal["draft", "normal", "better", "best"] | None = Field(
        None, description="how much time and memory a picture may take: CLIPs, size, steps, views, starts"
    )
    steps: int | None = Field(None, ge=0, le=10_000_000)
    width: int | None = Field(None, ge=1, le=MAX_SIDE)
    height: int | None = Field(None, ge=1, le=MAX_SIDE)
    generator: str = "auto"
    generator_options: dict[str, Any] = Field({}, description="constructor options of the generator")
    vqgan: str | None = Field(
        None, description="weights of generators vqgan and clip-gen, PATH[:YAML], NAME or builtin"
    )
    autoencoder: str | None = Field(None, description="weights of generator autoencoder, a decoder's file or a folder")
    gan: str | None = Field(None, description="weights of generator gan: a FastGAN, an exported generator, or builtin")
    latent_dim: int | None = Field(None, ge=2, le=65536, description="length of the latents of an exported generator")
    gan_range: tuple[float, float] | None = Field(None, description="of what it draws; none: -1 to 1")
    # about a file on this machine, so that no picture from elsewhere can bring it along
    trust_gan: bool = Field(False, exclude=True, description="open it, which may run code of whoever made it")
    compat: Literal["clipping-clip-to-gan"] | None = Field(None, description="whose loop generator gan follows")
    cvae: str | None = Field(None, description="weights of generator cvae, PATH or builtin")
    wgan: str | None = Field(None, description="weights of generator wgan, PATH")
    clip: list[str] = Field([], description="NAME[:TAG|:PATH][@WEIGHT]; none: auto")
    views: int | None = Field(None, ge=1, le=4096, description="cutouts of each picture per step and CLIP")
    batches: int = Field(1, ge=1, le=256, description="so many times these views, `views` of them in memory at once")
    cutouts: str = Field("auto", description="how views are drawn: a preset of ops.cutout_presets")
    augments: list[str] | None = Field(
        None, description="codes of nerdyrodent's augments, for cutouts latest, nrupdated"
    )
    loss: Literal["auto", "cosine", "spherical", "l1", "l2"] = "auto"
    prompt_sum: bool = Field(False, description="add prompt losses up instead of averaging them")
    constraints: list[str] | None = Field(None, description="losses on the picture itself, NAME[:WEIGHT]; none: auto")
    optimizer: str = "auto"
    learning_rate: float | None = Field(None, ge=0)
    weight_decay: float | None = Field(None, ge=0, allow_inf_nan=False, description="of the optimiser; none: its own")
    schedule: str = Field("auto", description="constant, linear, cosine, drops, each with :VALUES")
    warmup: float = Field(0.0, ge=0, lt=1, description="fraction of the steps")
    auto_stop: int | None = Field(
        None, ge=0, le=20, description="so many times the rate drops where a picture gets no better, before it is done"
    )
    starts: int | None = Field(None, ge=1, le=65536, description="random starts scored before the first step")
    tracks: int | None = Field(None, ge=1, le=64, description="how many of the best starts are optimised")
    finalists: int | None = Field(None, ge=1, le=64, description="how many tracks go on after a quarter of the steps")
    ema: float = Field(0.0, ge=0, lt=1, description="publish a moving average of the parameters")
    keep_best: bool = Field(False, description="publish the step with the lowest loss instead of the last")
    init: str | None = Field(None, description="path of a start picture")
    init_over: str | None = Field(None, description="a picture that lies over it, PATH:OPACITY")
    init_noise: Literal["pixels", "snow", "perlin", "gradient", "white"] | None = Field(
        None, description="noise to start from, of which each picture draws its own"
    )
    init_alpha: float | None = Field(None, ge=0, le=1, description="opacity of the start picture over that noise")
    mask: str | None = Field(None, description="path of a mask: only where it is white the start picture changes")
    # of generator clip-gen alone: config.sampling
    clip_gen: str | None = Field(None, description="the transformer that samples: PATH, NAME or builtin")
    candidates: int | None = Field(None, ge=1, le=65536, description="samples of each picture, which CLIP ranks")
    keep: int | None = Field(None, ge=1, le=65536, description="how many of the best candidates are pictures")
    candidate: int | None = Field(None, ge=0, le=65535, description="draw this one of the candidates, without ranking")
    top_k: int | None = Field(None, ge=0, description="only so many of the likeliest tokens are drawn; 0: all")
    top_p: float | None = Field(None, gt=0, le=1, description="only the likeliest tokens of this joint probability")
    temperature: float | None = Field(None, ge=0, allow_inf_nan=False, description="0: always the likeliest token")
    guidance: float | None = Field(None, allow_inf_nan=False, description="classifier-free guidance; 1: none")
    text_to_image: str = Field("auto", description="none, shift, procrustes, knn, builtin, or a .safetensors file")
    gallery: str | None = Field(None, description="folder of pictures that text_to_image learns from")
    rank_by: Literal["text", "condition"] | None = Field(
        None, description="what candidates are compared with: the text, or what the transformer was told"
    )
    rank_views: int | None = Field(None, ge=1, le=9, description="shifted views that candidates are ranked by")
    refine: int | None = Field(None, ge=0, le=10_000_000, description="steps of VQGAN+CLIP from the sampled codes")
    compat_clip_gen: bool = Field(False, description="the demo of clip-gen: its defaults, and how it ranked")
    rows: int | None = Field(None, ge=1, le=4096, description="samples that are drawn together")
    device: str = "auto"
    precision: str = "auto"
    backend: str = Field("auto", description="of the ops that have it: reference, cpp, cuda or triton")
    deterministic: bool = Field(False, description="bit-equal pictures whatever the batch; slower")
    compile: Literal["auto", "on", "off"] = Field("auto", description="torch.compile for the step; auto: where it pays")
    memory: str = Field("auto", description="what a step may take: auto (what is free) or a size, 6GiB, 500MiB")

    @field_validator("memory")
    @classmethod
    def _memory_parses(cls, value: str) -> str:
        parse_memory(value)
        return value

    @field_validator("init_over")
    @classmethod
    def _opacity_is_one(cls, value: str | None) -> str | None:
        if value is not None and not 0 <= parse_target(value).weight <= 1:
            raise ValueError("must be PATH:OPACITY with an opacity from 0 to 1")
        return value

    @field_validator("gan_range")
    @classmethod
    def _range_rises(cls, value: tuple[float, float] | None) -> tuple[float, float] | None:
        if value is not None and not (-MAX_RATE <= value[0] < value[1] <= MAX_RATE):
            raise ValueError("must be LOW,HIGH with LOW below HIGH, such as -1,1")
        return value

    @field_validator("learning_rate")
    @classmethod
    def _finite(cls, value: float | None) -> float | None:
        if value is not None and not math.isfinite(value):
            raise ValueError("must be a finite number")
        if value is not None and value > MAX_RATE:
            raise ValueError(f"must be at most {MAX_RATE:g}")
        return value


def parse_memory(text: str) -> int | None:
    """Bytes of a size as in "6", "6GiB" (2**30 bytes each) or "500MiB"; None for "auto". Raises ValueError."""
    if text == "auto":
        return None
    found = _SIZE.fullmatch(text)
    size = 0 if found is None else int(float(found[1]) * 2 ** (20 if (found[2] or "g").lower() == "m" else 30))
    if not 0 < size < 2**63:
        raise ValueError("must be auto or a size above 0 such as 6GiB or 500MiB")
    return size


def make_config(values: dict[str, Any]) -> RunConfig:
    """The settings from plain values. Raises UserError naming the setting, what was expected and what came."""
    try:
        config = RunConfig(**values)
    except ValidationError as error:
        raise UserError(_sentence(error, RunConfig)) from None
    if not any(getattr(config, name) for name in PROMPT_KINDS):
        raise UserError('expected a prompt or an image prompt, got neither; try fastclipgen "a red circle"')
    _check_start(config)
    if config.starts and (config.tracks or 1) > config.starts:
        raise UserError(
            f"expected no more tracks than starts, got {config.tracks} of {config.starts}; raise the starts"
        )
    if config.tracks and (config.finalists or 1) > config.tracks:
        raise UserError(
            f"expected no more finalists than tracks, got {config.finalists} of {config.tracks}; raise the tracks"
        )
    if config.keep_best and config.ema:
        raise UserError("keep_best and ema both decide which parameters are published; leave one of them out")
    if config.auto_stop is not None and config.ema:
        raise UserError("auto_stop ends with parameters that stay, and ema averages what moves; leave one of them out")
    pictures = max(1, len(config.prompts)) * config.count
    if config.seed is not None and config.seed + pictures - 1 > MAX_SEED:
        raise UserError(
            f"expected seeds up to {MAX_SEED}, but {pictures} pictures from seed {config.seed} go beyond it"
        )
    if config.compile == "on" and config.deterministic:
        raise UserError(
            "compile on and deterministic do not go together, as a compiler may add in another order on another day; "
            "leave one of them out"
        )
    if config.image_prompt_recut and not config.image_prompts:
        raise UserError("image_prompt_recut cuts image prompts anew, but there are none; add --image-prompt PATH")
    if config.spot_mask and not (config.spot or config.spot_off):
        raise UserError("a spot mask says what spot prompts see, but there are none; add --spot or --spot-off TEXT")
    if config.change_prompt_every and not any(phases_of(parse_prompts(text)) > 1 for text in config.prompts):
        raise UserError(
            "change_prompt_every turns the phases of a story, but no prompt has any; write them as 'a fox ^ a wolf'"
        )
    config = _with_weights(config)
    config = gan.with_compat(config)
    edited.check(config)
    sampling.check(config)
    gan.check(config)
    if config.augments is not None:
        if config.cutouts == "auto":
            raise UserError(
                "augments are chosen for one of the cutouts, but none were; add --cutouts latest or nrupdated"
            )
        preset(config.cutouts, config.augments)
    return config


def _check_start(config: RunConfig) -> None:
    """Raises UserError for settings of a start that lack what they are about, or leave nothing to choose among."""
    if (config.init or config.init_noise) and max(config.starts or 1, config.tracks or 1) > 1:
        given = "a start picture" if config.init else "init_noise"
        raise UserError(f"starts and tracks choose among random starts, but {given} was given; leave them out")
    if config.mask and not config.init:
        raise UserError("a mask needs a start picture whose unmasked part stays; add --init PATH")
    if config.init_over and not config.init:
        raise UserError("init_over lies over a start picture, but there is none; add --init PATH")
    if config.init_alpha is not None and not config.init_noise:
        raise UserError(
            "init_alpha is the opacity of a start picture over noise, but there is no noise; add --init-noise KIND"
        )


def _with_weights(config: RunConfig) -> RunConfig:
    """The settings, with the generator whose weights they name. Raises UserError where they name another as well."""
    if config.clip_gen is not None or config.generator == sampling.CLIP_GEN:
        return sampling.with_weights(config)
    named = [name for name in WEIGHTS if getattr(config, name) is not None]
    if len(named) > 1:
        raise UserError(f"expected weights of one generator, got those of {' and '.join(named)}; leave one of them out")
    if not named and config.generator in SHIPPED:
        config, named = config.model_copy(update={config.generator: sampling.BUILTIN}), [config.generator]
    if not named or config.generator == named[0]:
        return config
    if config.generator != "auto":
        raise UserError(
            f"the setting '{named[0]}' holds weights of generator '{named[0]}', but generator '{config.generator}' was "
            "asked for; leave one of them out"
        )
    return config.model_copy(update={"generator": named[0]})


def _sentence(error: ValidationError, model: type[BaseModel]) -> str:
    """The first problem of a validation error in one sentence."""
    problem = error.errors()[0]
    where = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        return f"unknown setting '{where}'{nearest(where, model.model_fields)}"
    what = problem["msg"].removeprefix("Value error, ")
    return f"setting '{where}': {what[0].lower()}{what[1:]}, got {problem.get('input')!r:.80}"
