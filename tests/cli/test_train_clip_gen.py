"""`fastclipgen train clip-gen`: its options reach the training under their names, and mistakes are sentences."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from fastclipgen.cli.train_clip_gen import DEFAULTS
from fastclipgen.training import clip_gen_run
from fastclipgen.training.clip_gen_setup import decided

SIGNATURE = inspect.signature(clip_gen_run.train_clip_gen)


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    calls: list[dict[str, Any]] = []

    def train(*args: Any, **kwargs: Any) -> dict[str, float]:
        given = SIGNATURE.bind(*args, **kwargs).arguments
        decided(given["asked"])  # fails for a name that the options do not have
        calls.append(given)
        return {}

    monkeypatch.setattr(clip_gen_run, "train_clip_gen", train)
    return calls


def test_what_is_not_given_is_left_to_the_preset(cli: Callable, trained: list[dict[str, Any]], folder: Path) -> None:
    done = cli("train", "clip-gen")
    assert done.code == 0, done.err
    [call] = trained
    assert call["out"] == Path("runs/clip-gen")
    assert (call["steps"], call["batch"]) == (DEFAULTS["steps"], DEFAULTS["batch"])
    assert not {"learning_rate", "warmup"} & call.keys()
    asked = call["asked"]
    assert not {"layers", "width", "size", "dropout", "condition_noise", "condition_dropout"} & asked.keys()
    assert (asked["data"], asked["vqgan"], asked["clip"]) == ("shapes", "builtin", "builtin")
    assert asked["transformer"] == "tiny"


def test_every_option_arrives(cli: Callable, trained: list[dict[str, Any]], folder: Path) -> None:
    given = {
        "--data": "coco:there", "--transformer": "gpt2-medium", "--layers": "2", "--width": "128", "--size": "32",
        "--short-side": "40", "--pictures": "7", "--held-out": "3", "--cache": "c", "--vqgan": "v.ckpt",
        "--clip": "ViT-B-32", "--dropout": "0.2", "--condition-noise": "0.3", "--condition-dropout": "0.4",
        "--weight-decay": "0.5", "--warmup": "6", "--ema": "0.7", "--device": "cpu", "--learning-rate": "0.8",
        "--out": "here", "--steps": "9", "--batch": "1", "--seed": "3", "--threads": "1", "--precision": "fp32",
        "--evaluate-every": "4", "--save-every": "5", "--compile": "off", "--start": "t.pt",
    }  # fmt: skip
    flags = ("--tensorboard", "--fresh", "--quiet")
    done = cli("train", "clip-gen", *(x for pair in given.items() for x in pair), *flags)
    assert done.code == 0, done.err
    [call] = trained
    arrived = {**call.pop("asked"), **call}
    expected = {name[2:].replace("-", "_"): value for name, value in given.items()}
    assert {name: str(value) for name, value in arrived.items()} == expected | {name[2:]: "True" for name in flags}
    everything = SIGNATURE.parameters.keys() - {"asked"}
    everything |= {field.name for field in fields(decided({}))}
    assert everything == arrived.keys(), "an option for everything there is to choose"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--steps", "0"], "argument --steps: expected a whole number of 1 or more, got 0"),
        (["--batch", "0"], "expected a whole number of 1 or more, got 0"),
        (["--transformer", "gpt3"], "invalid choice: 'gpt3'"),
        (["--width", "100"], "--width must be a multiple of 64, the width of a head, got 100"),
        (["--learning-rate", "2"], "a --learning-rate between 0 and 1"),
        (["--condition-dropout", "2"], "--condition-dropout must be 0 to 1, got 2.0"),
        (["--data", "imagenet:gone"], "imagenet:gone must hold train/ and val/"),
        (["--vqgan", "gone.ckpt"], "--vqgan names 'gone.ckpt', and there is no such file"),
        (["--noise", "1"], "unknown option '--noise'"),
    ],
)
def test_mistakes(refused: Callable, folder: Path, tmp_path: Path, arguments: list[str], sentence: str) -> None:
    from ..training.tiny_clip_gen import vqgan_file

    (folder / "runs" / "clip-gen").mkdir(parents=True)  # it is made before anything is read
    tiny = [] if "--vqgan" in arguments else ["--vqgan", str(vqgan_file(tmp_path)), "--size", "16"]
    assert sentence in refused("train", "clip-gen", *tiny, *arguments)
