"""`fastclipgen train vqgan`: its options reach the training under their names, and mistakes are sentences."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fastclipgen.models.vqgan import Geometry
from fastclipgen.training import run, vqgan_run
from fastclipgen.weights.checkpoint import read_tensors

TINY = (
    "--size", "24", "--channels", "24", "--multipliers", "1,1", "--z-channels", "12", "--embed", "4", "--codes", "8",
    "--steps", "3", "--batch", "2", "--threads", "1", "--precision", "fp32", "--device", "cpu", "--out", "run",
)  # fmt: skip


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    calls: list[dict[str, Any]] = []
    signature = inspect.signature(vqgan_run.train_vqgan)

    def train(*args: Any, **kwargs: Any) -> dict[str, float]:
        calls.append(signature.bind(*args, **kwargs).arguments)  # fails for a name that train_vqgan does not have
        return {}

    monkeypatch.setattr(vqgan_run, "train_vqgan", train)
    return calls


def test_every_option_arrives(cli: Callable, trained: list[dict[str, Any]], folder: Path) -> None:
    given = {
        "--data": "folder:x", "--size": "128", "--out": "here", "--steps": "9", "--batch": "2",
        "--learning-rate": "0.5", "--codebook": "gradient", "--commitment": "0.3", "--restart-every": "7",
        "--codes-from": "3", "--start": "random", "--perceptual": "lpips", "--perceptual-weights": "vgg.pth",
        "--adversarial": "0.8", "--discriminator-start": "4", "--ema": "0.9", "--seed": "3", "--threads": "1",
        "--device": "cpu", "--precision": "fp32", "--compile": "off", "--evaluate-every": "4", "--save-every": "5",
    }  # fmt: skip
    parts = {
        "--channels": "32", "--multipliers": "1,2", "--blocks": "2", "--attention": "1", "--z-channels": "6",
        "--embed": "4", "--codes": "99",
    }  # fmt: skip
    options = (text for pair in (given | parts).items() for text in pair)
    assert cli("train", "vqgan", *options, "--tensorboard", "--fresh", "--quiet").code == 0
    [call] = trained
    assert call.pop("geometry") == Geometry(32, (1, 2), (1,), 2, 6, 4, 99)
    switches = {"tensorboard": True, "fresh": True, "quiet": True}
    texts = {name.removeprefix("--").replace("-", "_"): value for name, value in given.items()}
    assert {name: str(value) for name, value in call.items() if name not in switches} == texts
    assert {name: call[name] for name in switches} == switches


def test_a_tiny_one_from_options_to_files(cli: Callable, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fastclipgen.training.vqgan.HELD_OUT", 8)
    done = cli("train", "vqgan", *TINY, "--evaluate-every", "2", "--adversarial", "0.5", "--quiet")
    assert (done.code, done.out) == (0, ""), done.err
    files = {str(path.relative_to(folder / "run")) for path in (folder / "run").rglob("*") if path.is_file()}
    assert files == {
        "checkpoint.pt", "best.pt", "metrics.jsonl", "metrics.json", "shapes_vqgan.safetensors",
        "samples/0000002.png", "samples/0000003.png",
    }  # fmt: skip
    assert read_tensors(folder / "run" / "shapes_vqgan.safetensors", "it")["quantize.embedding.weight"].shape == (8, 4)
    record = json.loads((folder / "run" / "metrics.json").read_text())
    assert record["held_out"].keys() == {"psnr_db", "codes_used", "perplexity"}
    assert (record["size"], record["start"], record["geometry"]["codes"]) == (24, "pyramid", 8)
    again = cli("train", "vqgan", *TINY, "--evaluate-every", "2", "--adversarial", "0.5")
    assert "going on from step 3 of 3" in again.out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--data", "shaps"], "unknown data 'shaps'; did you mean 'shapes'"),
        (["--channels", "20"], "expected --channels of a multiple of 8"),
        (["--multipliers", "1,0"], "--multipliers of 1 or more, got 24 and 1,0"),
        (["--multipliers", "1,x"], "argument --multipliers: expected a whole number, got 'x'"),
        (["--multipliers", ""], "expected one or more --multipliers"),
        (["--size", "17"], "expected --size of a multiple of 2, the pixels along a token with 2 --multipliers, got 17"),
        (["--attention", "2"], "expected --attention of levels from 0 (finest) to 1, got 2"),
        (["--channels", "32", "--start", "pyramid"], "--start pyramid takes --channels of a multiple of 3, got 32"),
        (["--perceptual", "lpips"], "name their file with --perceptual-weights PATH"),
        (["--learning-rate", "2"], "a --learning-rate between 0 and 1, got 3, 2 and 2.0"),
        (["--ema", "1.5"], "expected --ema from 0 to below 1, got 1.5"),
        (["--adversarial", "-1"], "expected --adversarial and --commitment of 0 or more, got -1.0 and 0.25"),
        (["--adversarial", "0.8", "--size", "16"], "expected --size of 24 or more with --adversarial"),
        (["--codes", "1"], "argument --codes: expected a whole number of 2 or more, got 1"),
        (["--codebook", "none"], "invalid choice: 'none'"),
    ],
)
def test_mistakes(refused: Callable, folder: Path, arguments: list[str], sentence: str) -> None:
    assert sentence in refused("train", "vqgan", *TINY, *arguments)


def test_a_folder_that_cannot_be(refused: Callable, folder: Path) -> None:
    (folder / "file").write_text("")
    sentence = "cannot write 'file/x': a file is where a folder is needed"
    assert sentence in refused("train", "vqgan", *TINY, "--out", "file/x")


def test_no_gpu(refused: Callable, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert "--device cuda needs an NVIDIA GPU" in refused("train", "vqgan", *TINY, "--device", "cuda")


def test_compiling_that_cannot_be(refused: Callable, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "obstacle", lambda device: "no compiler")
    assert "--compile on cannot be: no compiler" in refused("train", "vqgan", *TINY, "--compile", "on")
