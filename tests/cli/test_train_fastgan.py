"""`fastclipgen train fastgan`: its options reach the training under their names, and mistakes are sentences."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fastclipgen.models.fastgan import Geometry
from fastclipgen.models.fastgan_dialects import build
from fastclipgen.training import fastgan_run
from fastclipgen.weights.checkpoint import read_tensors

TINY = (
    "--size", "32", "--channels", "8", "--judge-channels", "8", "--latent", "5", "--steps", "3", "--batch", "2",
    "--threads", "1", "--precision", "fp32", "--device", "cpu", "--compile", "off", "--out", "run",
)  # fmt: skip


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    calls: list[dict[str, Any]] = []
    signature = inspect.signature(fastgan_run.train_fastgan)

    def train(*args: Any, **kwargs: Any) -> dict[str, float]:
        calls.append(signature.bind(*args, **kwargs).arguments)  # fails for a name that train_fastgan does not have
        return {}

    monkeypatch.setattr(fastgan_run, "train_fastgan", train)
    return calls


def test_every_option_arrives(cli: Callable, trained: list[dict[str, Any]], folder: Path) -> None:
    given = {
        "--data": "folder:x", "--size": "128", "--out": "here", "--steps": "9", "--batch": "2", "--channels": "32",
        "--judge-channels": "24", "--projected": "0.5", "--latent": "9", "--augment": "cutout",
        "--reconstruction": "8.0",
        "--learning-rate": "0.5", "--perceptual": "lpips", "--perceptual-weights": "vgg.pth", "--ema": "0.9",
        "--seed": "3", "--threads": "1", "--device": "cpu", "--precision": "fp32", "--compile": "off",
        "--evaluate-every": "4", "--save-every": "5",
    }  # fmt: skip
    options = (text for pair in given.items() for text in pair)
    assert cli("train", "fastgan", *options, "--flip", "--tensorboard", "--fresh", "--quiet").code == 0
    [call] = trained
    switches = {"flip": True, "tensorboard": True, "fresh": True, "quiet": True}
    texts = {name.removeprefix("--").replace("-", "_"): value for name, value in given.items()}
    assert {name: str(value) for name, value in call.items() if name not in switches} == texts
    assert {name: call[name] for name in switches} == switches


def test_a_tiny_one_from_options_to_files(cli: Callable, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"HELD_OUT": 8, "SETTLING": 1, "ROWS": 8}.items():
        monkeypatch.setattr(f"fastclipgen.training.fastgan.{name}", value)
    done = cli("train", "fastgan", *TINY, "--evaluate-every", "2", "--quiet")
    assert (done.code, done.out) == (0, ""), done.err
    files = {str(path.relative_to(folder / "run")) for path in (folder / "run").rglob("*") if path.is_file()}
    assert files == {
        "checkpoint.pt", "best.pt", "metrics.jsonl", "metrics.json", "shapes_fastgan.safetensors",
        "samples/0000002.png", "samples/0000003.png",
    }  # fmt: skip
    model = build(read_tensors(folder / "run" / "shapes_fastgan.safetensors", "it"), "it")
    assert model.geometry == Geometry.usual(32, 8, 5)
    record = json.loads((folder / "run" / "metrics.json").read_text())
    assert record["held_out"].keys() == {"kernel_distance", "diversity"}
    assert (record["size"], record["augment"], record["judge_channels"]) == (32, [], 8)
    again = cli("train", "fastgan", *TINY, "--evaluate-every", "2")
    assert "going on from step 3 of 3" in again.out


def test_what_augment_means() -> None:
    assert fastgan_run.policy("auto", endless=True) == ()
    assert fastgan_run.policy("auto", endless=False) == ("color", "translation")
    assert fastgan_run.policy("none", endless=False) == ()
    assert fastgan_run.policy("cutout, color", endless=True) == ("color", "cutout")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--data", "shaps"], "unknown data 'shaps'; did you mean 'shapes'"),
        (["--size", "48"], "expected --size of 32, 64, 128, 256, 512 or 1024, got 48"),
        (["--channels", "7"], "argument --channels: expected a whole number of 8 or more, got 7"),
        (["--augment", "colour"], "unknown --augment 'colour'; did you mean 'color'"),
        (["--perceptual", "lpips"], "name their file with --perceptual-weights PATH"),
        (["--learning-rate", "2"], "a --learning-rate between 0 and 1, got 3, 2 and 2.0"),
        (["--ema", "1.5"], "expected --ema from 0 to below 1, got 1.5"),
        (["--reconstruction", "-1"], "expected --reconstruction of 0 or more, got -1.0"),
        (["--latent", "0"], "argument --latent: expected a whole number of 1 or more, got 0"),
    ],
)
def test_mistakes(refused: Callable, folder: Path, arguments: list[str], sentence: str) -> None:
    assert sentence in refused("train", "fastgan", *TINY, *arguments)


def test_several_processes(refused: Callable, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert "'fastgan' is trained by one process, torchrun started 2" in refused("train", "fastgan", *TINY)
