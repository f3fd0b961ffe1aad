"""`--preset` from the command line to what the picture stores."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from fastclipgen import api
from fastclipgen.config import presets
from fastclipgen.outputs.metadata import read_metadata
from fastclipgen.perceptors.auto import LoadedPerceptor
from fastclipgen.weights import published

from ..models.vqgan_checkpoints import Sizes, taming


def test_the_picture_stores_what_was_decided(draw: Callable[..., Any], cli: Callable[..., Any], folder: Path) -> None:
    draw("--preset", "draft", "--generator", "fourier")  # size, steps and views are asked for too, and come first
    settings = read_metadata(folder / "out.png")["settings"]
    assert {name: settings[name] for name in ("preset", "steps", "width", "views", "starts", "tracks")} == {
        "preset": "draft", "steps": 3, "width": 16, "views": 2, "starts": 1024, "tracks": 1,
    }  # fmt: skip
    again = cli("rerun", "out.png", "-o", "again.png")
    assert again.code == 0, again.err
    assert read_metadata(folder / "again.png")["settings"] == settings


def test_its_clips_and_its_vqgan(
    cli: Callable[..., Any], eye: Any, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.save({"state_dict": taming(0, Sizes(widths=(32, 64), blocks=1, attention=(1,)))}, folder / "tiny.ckpt")
    asked = []

    def available(specs: list[str], device: Any, dtype: Any, notice: Any) -> Any:
        asked.append(list(specs))
        [one] = api.resolve([], device, dtype, notice)
        return specs[:2], [LoadedPerceptor(one.perceptor, 1.0, "real", False)] * 2

    monkeypatch.setattr(api.auto, "resolve_available", available)
    monkeypatch.setattr(published, "obtain", lambda weights, notice: asked.append(weights.name) or folder / "tiny.ckpt")
    options = ("--size", "16", "--steps", "2", "--seed", "5", "--compile", "off", "-o", "out.png")
    done = cli("a red circle", "--preset", "better", *options)
    assert done.code == 0, done.err
    assert asked == [presets.CLIPS["better"], presets.VQGAN]
    settings = read_metadata(folder / "out.png")["settings"]
    assert (settings["generator"], settings["vqgan"]) == ("vqgan", presets.VQGAN)
    assert settings["clip"] == presets.CLIPS["better"][:2]
    assert settings["views"] == 32


def test_mistakes(refused: Callable[..., str]) -> None:
    assert "setting 'preset'" in refused("x", "--preset", "worst")
