"""`fastclipgen train cvae` and `train vae --network conv` from their options to a file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from safetensors import safe_open
from safetensors.torch import load_file

from fastclipgen.cli import main
from fastclipgen.errors import UserError
from fastclipgen.models.about import About
from fastclipgen.models.cvae_dialects import about
from fastclipgen.training.cvae_run import train_cvae

TINY = ["--size", "16", "--channels", "8,12", "--latent", "4", "--steps", "2", "--batch", "4", "--quiet"]


def about_file(path: Path) -> About:
    with safe_open(path, framework="pt") as file:
        return about(load_file(path), file.metadata(), "it")


@pytest.mark.parametrize(
    ("condition", "embedding", "attributes"), [("clip", 128, 0), ("attributes", 0, 55), ("both", 128, 55)]
)
def test_a_cvae_of_shapes(tmp_path: Path, condition: str, embedding: int, attributes: int) -> None:
    out = ["--out", str(tmp_path), "--pictures", "64", "--condition", condition]
    assert main(["train", "cvae", *TINY, *out]) == 0
    found = about_file(tmp_path / "shapes_cvae.safetensors")
    assert (found.geometry.embedding, found.geometry.attributes) == (embedding, attributes)
    assert len(found.attributes) == attributes
    assert found.clip == ("builtin" if embedding else "")
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert (metrics["model"], metrics["data"]) == ("cvae", "shapes")
    assert metrics["held_out"]["psnr_db"] > 0


def test_a_vae_of_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from PIL import Image

    for name in range(6):
        Image.new("RGB", (20, 20), (40 * name, 0, 90)).save(tmp_path / f"{name}.png")
    out = tmp_path / "out"
    assert main(["train", "vae", "--data", f"folder:{tmp_path}", "--out", str(out), *TINY]) == 0, capsys.readouterr()
    assert about_file(out / "folder_vae.safetensors").geometry.condition == 0


def test_another_condition_is_another_run(tmp_path: Path) -> None:
    settings = {"steps": 2, "batch": 4, "learning_rate": 1e-3, "size": 16, "channels": (8,), "latent": 4, "quiet": True}
    train_cvae(tmp_path, condition="attributes", **settings)
    with pytest.raises(UserError, match="made with another"):
        train_cvae(tmp_path, condition="attributes", beta=0.5, **settings)


def test_a_run_may_begin_with_the_weights_of_another(tmp_path: Path) -> None:
    settings = {"batch": 4, "size": 16, "channels": (8,), "latent": 4, "condition": "attributes", "quiet": True}
    train_cvae(tmp_path / "first", steps=3, learning_rate=1e-2, **settings)
    file = tmp_path / "first" / "shapes_cvae.safetensors"
    still = {**settings, "steps": 1, "learning_rate": 1e-9}
    train_cvae(tmp_path / "next", start=str(file), **still)
    first, following = load_file(file), load_file(tmp_path / "next" / "shapes_cvae.safetensors")
    learned = [name for name in first if name.endswith("weight")]
    assert all((first[name] == following[name]).all() for name in learned)
    train_cvae(tmp_path / "random", **still)
    other = load_file(tmp_path / "random" / "shapes_cvae.safetensors")
    assert not all((first[name] == other[name]).all() for name in learned)
    with pytest.raises(UserError, match="made with another"):  # begun with other weights, it is another run
        train_cvae(tmp_path / "next", **still)
    with pytest.raises(UserError, match=r"has latent 4, but this training is of latent 5; give the options"):
        train_cvae(tmp_path / "third", start=str(file), **{**still, "latent": 5})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["cvae", "--size", "20", "--channels", "8,8,8"], "halved 3 times"),
        (["cvae", "--beta", "-1"], "--beta must be 0 or more"),
        (["cvae", "--anneal", "1.5"], "--anneal must be 0 to 1"),
        (["cvae", "--condition-dropout", "1"], "--condition-dropout must be 0 or more and below 1"),
        (["cvae", "--data", "shape"], "did you mean"),
        (["vae", "--edges", "2"], "--edges is of --network conv"),
        (["vae", "--network", "layered", "--data", "folder:x"], "knows the shapes world alone"),
        (["vae", "--network", "layered", "--latent", "3"], "--latent is of --network conv"),
    ],
)
def test_what_cannot_be_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], message: str
) -> None:
    assert main(["train", *options, "--out", str(tmp_path)]) == 2
    assert message in capsys.readouterr().err


def test_the_defaults_of_both_places_agree() -> None:
    """Of the command, and of the function that it calls."""
    import argparse
    from dataclasses import asdict

    from fastclipgen.cli import train_cvae as command
    from fastclipgen.training.cvae_run import Asked

    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    given = vars(parser.parse_args([]))
    assert {name: given[name] for name in asdict(Asked())} == asdict(Asked())
