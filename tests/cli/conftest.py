"""The command line in process, in an empty folder, guided by a CLIP so small that a run takes half a second."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from fastclipgen import api
from fastclipgen.cli import main
from fastclipgen.clip_gen import job as clip_gen_job
from fastclipgen.engine.compiled import CACHE
from fastclipgen.perceptors import as_perceptor, auto
from fastclipgen.perceptors.spec import AUTO, BUILTIN, parse_clip

SMALL = (
    *("--clip", "builtin", "--generator", "pixels", "--size", "16", "--steps", "3", "--views", "2", "--seed", "5"),
    # of several tracks snapshots show one and the picture may be another; the choice to compile is a line of its own
    *("--tracks", "1", "--compile", "off"),
)


class Eye(nn.Module):
    """Sees nine patches; a text is 27 numbers that depend on its letters. Sees NaN from `breaks_at` runs on."""

    image_size = 16
    name = "eye"

    def __init__(self) -> None:
        super().__init__()
        self.seen, self.breaks_at = 0, float("inf")

    def encode_image(self, views: Tensor) -> Tensor:
        if views.requires_grad and not views.is_meta:
            self.seen += 1
        seen = nn.functional.adaptive_avg_pool2d(views - 0.5, 3).flatten(1)
        return seen * float("nan") if self.seen > self.breaks_at else seen

    def encode_text(self, texts: list[str]) -> Tensor:
        rows = [np.random.default_rng(zlib.crc32(text.encode())).standard_normal(27) for text in texts]
        return torch.from_numpy(np.array(rows)).float()


@dataclass
class Done:
    """What a call of the command left behind."""

    code: int
    out: str
    err: str

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line, parse_constant=pytest.fail) for line in self.out.splitlines()]

    def event(self, kind: str) -> dict[str, Any]:
        [found] = [event for event in self.events if event["event"] == kind]
        return found


@pytest.fixture
def eye(monkeypatch: pytest.MonkeyPatch) -> Eye:
    """Stands for `--clip builtin` and `--clip auto`; other names are looked up as ever."""
    module = Eye()
    frozen = as_perceptor(module)
    module.seen = 0

    def resolve(specs: list[str], device: Any, dtype: torch.dtype, notice: Any) -> list[auto.LoadedPerceptor]:
        parsed = [parse_clip(text) for text in specs or [AUTO]]
        if not {spec.name for spec in parsed} <= {AUTO, BUILTIN}:
            return auto.resolve(specs, device, dtype, notice)
        frozen.to(device, dtype)
        return [auto.LoadedPerceptor(frozen, spec.weight, "an eye (16 px)", True) for spec in parsed]

    monkeypatch.setattr(api, "resolve", resolve)
    monkeypatch.setattr(clip_gen_job, "resolve", resolve)
    return module


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))  # no warm-up of the user's
    monkeypatch.delenv(CACHE, raising=False)
    return tmp_path


Cli = Callable[..., Done]


@pytest.fixture
def cli(eye: Eye, folder: Path, capsys: pytest.CaptureFixture[str]) -> Cli:
    """Calls the command with exactly these arguments."""

    def call(*arguments: object) -> Done:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return Done(code, str(out), str(err))

    return call


@pytest.fixture
def draw(cli: Cli) -> Cli:
    """Makes small pictures of "a red circle", or of the prompts given, into the folder as out.png."""

    def call(*arguments: object, prompts: tuple[str, ...] = ("a red circle",)) -> Done:
        output = () if {"-o", "--output"} & set(arguments) else ("-o", "out.png")
        done = cli(*prompts, *SMALL, *output, *arguments)
        assert done.code == 0, done.err
        return done

    return call


@pytest.fixture
def pixels(draw: Cli, folder: Path) -> Callable[..., np.ndarray]:
    """Draws one picture and reads it, uint8 [H, W, 3]."""

    def call(*arguments: object, prompts: tuple[str, ...] = ("a red circle",)) -> np.ndarray:
        path = draw(*arguments, prompts=prompts).out.split()[-1]
        with Image.open(folder / path) as image:
            return np.array(image)

    return call


@pytest.fixture
def refused(cli: Cli, folder: Path) -> Callable[..., str]:
    """Calls the command, expects a refusal that leaves no file behind, and returns its sentence."""

    def call(*arguments: object) -> str:
        before = sorted(folder.rglob("*"))
        done = cli(*arguments)
        last = done.err.rstrip("\n").splitlines()[-1]
        assert done.code == 2, done
        assert last.startswith("fastclipgen: error: "), done.err
        assert "Traceback" not in done.err
        assert sorted(folder.rglob("*")) == before
        return last.removeprefix("fastclipgen: error: ")

    return call
