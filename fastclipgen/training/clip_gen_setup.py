"""From what is asked of `fastclipgen train clip-gen` to the task: models, pictures, and the cache filled with them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fastclipgen.assets import asset
from fastclipgen.data.source import Source, open_source
from fastclipgen.errors import UserError
from fastclipgen.generators.vqgan import Vqgan
from fastclipgen.models.transformer import Geometry, Transformer
from fastclipgen.models.transformer_dialects import HEAD_WIDTH, build
from fastclipgen.perceptors.auto import resolve
from fastclipgen.training import row_cache, token_cache
from fastclipgen.training.clip_gen import ClipGenTask, Conditions, Pairs
from fastclipgen.training.clip_gen_presets import preset
from fastclipgen.training.start_weights import RANDOM, check_geometry
from fastclipgen.training.task import TrainOptions
from fastclipgen.training.token_cache import TokenCache
from fastclipgen.training.tokenizer import Tokenizer
from fastclipgen.weights.checkpoint import read_tensors
from fastclipgen.weights.names import file_of
from fastclipgen.weights.published import fetched

BUILTIN = "builtin"
ENDLESS = 49_152  # pictures kept of a source without an end
AT_ONCE = 256  # pictures of a source's step, and of a block of the cache


@dataclass(frozen=True)
class ClipGenOptions:
    """What is trained on what."""

    layers: int
    width: int
    size: int  # pixels of a picture's side
    dropout: float  # in the blocks
    condition_noise: float
    condition_dropout: float
    transformer: str = "tiny"  # as clip_gen_presets.PRESETS
    data: str = "shapes"  # as data.source.SOURCES
    short_side: int = 0  # of a picture before the crop; 0: size
    pictures: int = 0  # in the cache; 0: every picture once, or ENDLESS. More than there are: further crops of them
    held_out: int = 1024  # pictures to measure on, at most
    start: str = RANDOM  # or PATH of a transformer's weights
    vqgan: str = BUILTIN  # or PATH[:YAML]
    clip: str = BUILTIN  # as --clip
    cache: Path | None = None  # folder; None: in that of the run


def decided(given: dict[str, Any]) -> ClipGenOptions:
    """The options that are given, and those of the transformer's preset. Raises UserError for an unknown one."""
    usual = preset(given.get("transformer", ClipGenOptions.transformer))
    taken = {
        "layers": usual.geometry.layers, "width": usual.geometry.width, "size": usual.size, "dropout": usual.dropout,
        "condition_noise": usual.condition_noise, "condition_dropout": usual.condition_dropout,
    }  # fmt: skip
    return ClipGenOptions(**{**taken, **given})


def make_clip_gen(
    options: TrainOptions,
    asked: ClipGenOptions,
    out: Path,
    *,
    bf16: bool,
    compiled: bool,
    device: torch.device,
    fresh: bool = False,
    quiet: bool = False,
    notice: Callable[[str], None] = print,
) -> ClipGenTask:
    """The task, after every picture has been looked at by the VQGAN and CLIP once.

    fresh: a cache of something else is made again instead of refused. Raises UserError for what cannot be.
    """
    tokenizer = open_tokenizer(asked, device, notice)
    shape = geometry(asked, tokenizer)
    start = None if asked.start == RANDOM else weights_of(asked.start, shape)
    source = open_source(asked.data, asked.size, options.seed, AT_ONCE, asked.short_side, notice)
    rows = asked.pictures or source.pictures or ENDLESS
    folder = asked.cache or out / "cache"
    made_of = {"data": asked.data.partition(":")[0], **source.identity(), **tokenizer.identity()}
    train = filled(folder / "train", made_of, rows, source, tokenizer, fresh=fresh, quiet=quiet)
    return ClipGenTask(
        options,
        shape,
        tokenizer,
        Pairs(train.tokens, train.embeddings),
        held_out(source, tokenizer, asked.held_out),
        start=start,
        conditions=Conditions(asked.condition_noise, asked.condition_dropout),
        dropout=asked.dropout,
        bf16=bf16,
        compiled=compiled,
        settings={**made_of, "rows": rows},
    )


def open_tokenizer(asked: ClipGenOptions, device: torch.device, notice: Callable[[str], None]) -> Tokenizer:
    """The VQGAN and the CLIP that the options name. Raises UserError."""
    builtin = asked.vqgan == BUILTIN
    text = str(asset("shapes_vqgan.safetensors")) if builtin else fetched(asked.vqgan, "vqgan", notice)
    vqgan = Vqgan.load_weights(text)
    [loaded] = resolve([asked.clip], device, torch.float32, notice)
    return Tokenizer(vqgan, loaded.perceptor, asked.size, device)


def geometry(asked: ClipGenOptions, tokenizer: Tokenizer) -> Geometry:
    """The transformer's, with as many heads as its weights show to whoever loads them. Raises UserError."""
    if asked.width % HEAD_WIDTH:
        raise UserError(f"--width must be a multiple of {HEAD_WIDTH}, the width of a head, got {asked.width}")
    return Geometry(
        layers=asked.layers,
        width=asked.width,
        heads=asked.width // HEAD_WIDTH,
        vocabulary=tokenizer.vocabulary,
        block=tokenizer.length,
        condition=tokenizer.width,
    )


def weights_of(path: str, shape: Geometry) -> Transformer:
    """The transformer in a file, to go on from. Raises UserError where it is of another geometry."""
    found = build(read_tensors(file_of(path, "start"), "the transformer"), f"'{path}'")
    check_geometry(path, found.geometry, shape)
    return found


def filled(
    folder: Path, made_of: dict, rows: int, source: Source, tokenizer: Tokenizer, *, fresh: bool, quiet: bool
) -> TokenCache:
    """The cache of the source's first `rows` pictures, complete; what an earlier run left undone is done now.

    Several processes share the work. Raises UserError for a cache of something else, unless `fresh`.
    """
    key = token_cache.key_of(made_of, rows, tokenizer.length, tokenizer.vocabulary, tokenizer.width)

    def made(there: range) -> dict[str, np.ndarray]:
        tokens, embeddings = tokenizer(source.batch(there.start // AT_ONCE, range(len(there))))
        return {"tokens": tokens.cpu().numpy(), "embeddings": embeddings.cpu().numpy()}

    columns = token_cache.columns_of(key)
    row_cache.complete(folder, key, columns, made, block=AT_ONCE, what="tokens", fresh=fresh, quiet=quiet)
    return TokenCache(folder)


def held_out(source: Source, tokenizer: Tokenizer, count: int) -> Pairs:
    """Up to `count` held-out pictures, in memory."""
    parts = [tokenizer(part) for part in source.held_out(count).split(AT_ONCE)]
    tokens, embeddings = (torch.cat(part).cpu().numpy() for part in zip(*parts, strict=True))
    return Pairs(tokens, embeddings)
