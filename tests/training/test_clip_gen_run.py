"""From options to a finished transformer: the cache is filled once, shared, resumed; mistakes are sentences."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from fastclipgen.errors import UserError
from fastclipgen.models.transformer_dialects import build
from fastclipgen.training import clip_gen_presets, clip_gen_setup
from fastclipgen.training.clip_gen_run import train_clip_gen
from fastclipgen.training.token_cache import TokenCache
from fastclipgen.training.tokenizer import Tokenizer
from fastclipgen.weights.checkpoint import read_tensors

from ..clip_gen.tiny import SIZES
from ..data import photos
from .tiny_clip_gen import vqgan_file


def options(folder: Path, **given: Any) -> dict[str, Any]:
    return {
        "steps": 2, "batch": 4, "learning_rate": 1e-3, "vqgan": str(vqgan_file(folder)), "size": 16, "pictures": 12,
        "held_out": 4, "layers": 1, "width": 64, "device": "cpu", "quiet": True,
    } | given  # fmt: skip


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many pictures were looked at, call by call; a block of the cache is four of them."""
    seen: list[int] = []
    look = Tokenizer.__call__

    def counted(self: Tokenizer, pictures: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        seen.append(len(pictures))
        return look(self, pictures)

    monkeypatch.setattr(Tokenizer, "__call__", counted)
    monkeypatch.setattr(clip_gen_setup, "AT_ONCE", 4)
    return seen


def test_a_run_on_shapes_with_the_built_in_clip(tmp_path: Path, looks: list[int]) -> None:
    out = tmp_path / "run"
    metrics = train_clip_gen(out, **options(tmp_path, pictures=10, condition_dropout=0.1))
    assert looks == [4, 4, 2, 4]
    model = build(read_tensors(out / "shapes_clip_gen.safetensors", "it"), "it")
    geometry = model.geometry
    assert (geometry.layers, geometry.width, geometry.vocabulary, geometry.block) == (1, 64, SIZES.codes, 16)
    assert geometry.condition == 128
    assert model.null_condition is not None
    record = json.loads((out / "metrics.json").read_text())
    assert record["held_out"] == metrics
    assert (record["data"], record["rows"], record["options"]["steps"]) == ("shapes", 10, 2)
    train_clip_gen(out, **options(tmp_path, pictures=10, condition_dropout=0.1, fresh=True))
    assert looks == [4, 4, 2, 4, 4], "the cache was good"


def test_a_run_begins_with_the_weights_of_another(tmp_path: Path) -> None:
    train_clip_gen(tmp_path / "first", **options(tmp_path, ema=0.0))
    first = tmp_path / "first" / "shapes_clip_gen.safetensors"
    cache = tmp_path / "first" / "cache"

    def given(**more: Any) -> dict[str, Any]:
        return options(tmp_path, **{"start": str(first), "cache": cache, "ema": 0.0, "learning_rate": 1e-9, **more})

    train_clip_gen(tmp_path / "second", **given(condition_dropout=0.5))
    before, after = load_file(first), load_file(tmp_path / "second" / "shapes_clip_gen.safetensors")
    assert after.pop("null_condition").eq(0).all()
    assert before.keys() - {"null_condition"} == after.keys()
    for name, value in after.items():
        assert torch.equal(value, before[name]), name
    record = json.loads((tmp_path / "second" / "metrics.json").read_text())
    assert len(record["start"]) == 32
    with pytest.raises(UserError, match=r"has layers 1, but this training is of layers 2; give the options"):
        train_clip_gen(tmp_path / "third", **given(layers=2))
    with pytest.raises(UserError, match=r"none\.pt"):
        train_clip_gen(tmp_path / "third", **given(start=str(tmp_path / "none.pt")))


def test_a_cache_goes_on_where_it_was_interrupted(tmp_path: Path, looks: list[int]) -> None:
    whole = tmp_path / "whole"
    train_clip_gen(tmp_path / "a", **options(tmp_path, cache=whole))
    source_batches: list[int] = []

    def broken(self: Tokenizer, pictures: torch.Tensor) -> Any:
        if len(source_batches) == 2:
            raise KeyboardInterrupt
        source_batches.append(1)
        return original(self, pictures)

    original = Tokenizer.__call__
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Tokenizer, "__call__", broken)
        with pytest.raises(KeyboardInterrupt):
            train_clip_gen(tmp_path / "b", **options(tmp_path))
    looks.clear()
    train_clip_gen(tmp_path / "b", **options(tmp_path))
    assert looks == [4, 4], "one block, and the held-out pictures"
    there, truth = TokenCache(tmp_path / "b" / "cache" / "train"), TokenCache(whole / "train")
    assert np.array_equal(there.tokens, truth.tokens)
    assert np.array_equal(there.embeddings, truth.embeddings)
    assert len(np.unique(truth.tokens)) > 5


def test_a_cache_of_another_vqgan_is_refused_or_made_again(tmp_path: Path, looks: list[int]) -> None:
    train_clip_gen(tmp_path / "run", **options(tmp_path))
    other = {name: value + 0.01 for name, value in torch.load(tmp_path / "tiny.ckpt")["state_dict"].items()}
    torch.save({"state_dict": other}, tmp_path / "other.ckpt")
    changed = options(tmp_path, vqgan=str(tmp_path / "other.ckpt"))
    with pytest.raises(UserError, match="was made of another vqgan"):
        train_clip_gen(tmp_path / "run", **changed)
    looks.clear()
    train_clip_gen(tmp_path / "run", **changed, fresh=True)
    assert looks == [4, 4, 4, 4]


def test_photographs_with_a_bad_one(tmp_path: Path, looks: list[int], capsys: pytest.CaptureFixture[str]) -> None:
    photos.folder(tmp_path / "photos", 9)
    photos.write(tmp_path / "photos" / "003.png", b"bad")
    given = options(tmp_path, data=f"folder:{tmp_path / 'photos'}", pictures=0)
    train_clip_gen(tmp_path / "run", **given)
    assert looks == [4, 4, 1], "eight to train on, one held out"
    assert "skipping" in capsys.readouterr().out
    assert (tmp_path / "run" / "folder_clip_gen.safetensors").is_file()


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"data": "shape"}, "unknown data 'shape'"),
        ({"vqgan": "gone.ckpt"}, "--vqgan names 'gone.ckpt', and there is no such file"),
        ({"clip": "nothing-of-the-kind"}, "nothing-of-the-kind"),
        ({"size": 18}, "--size must be a multiple of 4"),
        ({"width": 100}, "--width must be a multiple of 64, the width of a head, got 100"),
        ({"transformer": "gpt3"}, "unknown transformer 'gpt3'"),
        ({"dropout": 1.0}, "--dropout must be 0 or more and below 1, got 1.0"),
        ({"condition_noise": -0.1}, "--condition-noise must be 0 or more, got -0.1"),
        ({"condition_dropout": 1.1}, "--condition-dropout must be 0 to 1, got 1.1"),
        ({"weight_decay": float("nan")}, "--weight-decay must be 0 or more, got nan"),
        ({"ema": 1.0}, "--ema must be 0 or more and below 1, got 1.0"),
        ({"learning_rate": 0.0}, "a --learning-rate between 0 and 1"),
    ],
)
def test_mistakes(tmp_path: Path, given: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UserError) as error:
        train_clip_gen(tmp_path / "run", **options(tmp_path, **given))
    assert sentence in str(error.value)


@pytest.mark.parametrize(("name", "parameters"), [("gpt2-medium", 336_669_696), ("gpt2-large", 751_334_144)])
def test_sizes_are_clip_gens(name: str, parameters: int) -> None:
    from fastclipgen.models.transformer import Transformer

    class Sizes:
        vocabulary, length, width = 16384, 256, 512

    asked = clip_gen_setup.decided({"transformer": name})
    assert (asked.size, asked.dropout, asked.condition_noise, asked.condition_dropout) == (256, 0.1, 0.0, 0.0)
    assert clip_gen_presets.preset(name).learning_rate(512) == 1e-3
    shape = clip_gen_setup.geometry(asked, Sizes())  # pyright: ignore[reportArgumentType]
    with torch.device("meta"):
        model = Transformer(shape)
    assert sum(p.numel() for p in model.parameters()) == parameters


@pytest.mark.slow
def test_two_processes_train_as_one(tmp_path: Path) -> None:
    """Under torchrun with gloo: the same losses and the same weights as one process, but for the order of additions."""
    given = options(tmp_path, steps=4, condition_noise=0.5, condition_dropout=0.2, precision="fp32")
    train_clip_gen(tmp_path / "one", **given)
    script = tmp_path / "go.py"
    script.write_text(
        "from pathlib import Path, PosixPath\n"
        "from fastclipgen.training.clip_gen_run import train_clip_gen\n"
        f"train_clip_gen(Path({str(tmp_path / 'two')!r}), **{given!r})\n"
    )
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", str(script)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr[-3000:]
    one, two = (TokenCache(tmp_path / run / "cache" / "train") for run in ("one", "two"))
    assert len(two.missing()) == 0
    assert np.array_equal(one.tokens, two.tokens)
    models = [torch.load(tmp_path / run / "checkpoint.pt", weights_only=True)["model"] for run in ("one", "two")]
    for name, value in models[0].items():
        # Adam makes whole steps of 1e-3 of a gradient that is 0 up to rounding, so a few elements may differ
        apart = (models[1][name] - value).square().mean().sqrt()
        assert apart < 3e-5, name
    resumed = train_clip_gen(tmp_path / "two", **given)
    assert resumed, "one process goes on from the checkpoint of two"
