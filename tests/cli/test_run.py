"""`fastclipgen run`: names, snapshots, repetition, what lies beside a picture, and a picture that runs again."""

from __future__ import annotations

import io
import re
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from fastclipgen.cli.run_files import RunFiles
from fastclipgen.experiments import job
from fastclipgen.outputs.metadata import read_metadata

from .conftest import Cli, Done, Eye

FOX = """
epochs: 3
resolution: 16
model: builtin
seed: 5
targets: [{features: [text: a fox]}]
"""


@pytest.fixture(autouse=True)
def eyes(eye: Eye, monkeypatch: pytest.MonkeyPatch) -> None:
    """The experiments' models are the eye too."""
    from fastclipgen import api

    monkeypatch.setattr(job, "resolve", api.resolve)  # pyright: ignore


@pytest.fixture
def fox(cli: Cli, folder: Path) -> Callable[..., Done]:
    """Runs fox.yaml."""
    (folder / "fox.yaml").write_text(FOX)

    def call(*arguments: object, code: int = 0) -> Done:
        done = cli("run", "fox.yaml", *arguments)
        assert done.code == code, done.err
        return done

    return call


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.array(image)


def test_the_picture_has_the_files_name_and_the_next_number(fox: Callable[..., Done], folder: Path) -> None:
    assert fox().out.split() == ["fox.png"]
    assert fox().out.split() == ["fox-1.png"]
    (folder / "fox-7.png").touch()
    assert fox("--repeat", 2).out.split() == ["fox-8.png", "fox-9.png"]
    assert np.array_equal(pixels(folder / "fox.png"), pixels(folder / "fox-8.png"))
    assert not np.array_equal(pixels(folder / "fox-8.png"), pixels(folder / "fox-9.png"))  # its seed is one more
    assert yaml.safe_load((folder / "fox.yaml").read_text())["epochs"] == 3  # not overwritten


@pytest.mark.parametrize(
    ("output", "path"), [("out/", "out/fox.png"), ("a/b.webp", "a/b.webp"), ("here-3.png", "here-3.png")]
)
def test_where_the_output_goes(fox: Callable[..., Done], folder: Path, output: str, path: str) -> None:
    assert fox("-o", output).out.split() == [path]
    assert (folder / path).exists()
    beside = (folder / path).with_suffix(".yaml")
    assert beside.read_text().startswith("# made ")
    assert "# epochs: 3 / 3\n" in beside.read_text()
    assert re.search(
        r"^# feature 'a fox': loss \d\.\d+ .*, similarity -?\d+\.\d+ .*, used 100 %$", beside.read_text(), re.M
    )
    assert yaml.safe_load(beside.read_text())["seed"] == 5


def test_the_output_of_the_file_counts_unless_another_is_asked_for(fox: Callable[..., Done]) -> None:
    assert fox("output=there/").out.split() == ["there/fox.png"]
    assert fox("output=there/", "-o", "x.png").out.split() == ["x.png"]


def test_what_lies_beside_a_picture_makes_it_again(fox: Callable[..., Done], cli: Cli, folder: Path) -> None:
    fox("-o", "one.png", "targets.0.features.0.text='{a red|a blue} fox'", "batch=2", "learnrate=2 - t")
    again = cli("run", "one-1.yaml", "-o", "two.png")
    assert again.out.split() == ["two.png"]
    assert np.array_equal(pixels(folder / "one-1.png"), pixels(folder / "two.png"))
    assert cli("run", "one-1.png", "-o", "three.png").code == 0
    assert np.array_equal(pixels(folder / "one-1.png"), pixels(folder / "three.png"))
    assert read_metadata(folder / "one-1.png")["prompt"] in ("a red fox", "a blue fox")


def test_options_are_values_of_the_file(fox: Callable[..., Done]) -> None:
    options = ("-e", 4, "-r", 24, 16, "-lr", ".5 * ti", "-opt", "sgd", "-s", "2.", "-d", "cpu", "--seed", 9, "-v", 1)
    shown = yaml.safe_load(fox("--print-config", *options).out)
    assert (shown["epochs"], shown["resolution"], shown["learnrate"]) == (4, [24, 16], ".5 * ti")
    assert (shown["optimizer"], shown["snapshot_interval"], shown["device"]) == ("sgd", 2.0, "cpu")
    assert (shown["seed"], shown["verbose"]) == (9, 1)


def test_print_config_draws_nothing(fox: Callable[..., Done], folder: Path) -> None:
    fox("--print-config")
    assert [path.name for path in folder.glob("*.*")] == ["fox.yaml"]


def test_standard_input(cli: Cli, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(FOX.encode())))
    assert cli("run", "-").out.split() == ["output.png"]
    assert pixels(folder / "output.png").shape == (16, 16, 3)


def test_snapshots_are_one_file_from_the_first_epoch_on(fox: Callable[..., Done], folder: Path) -> None:
    done = fox("--json", "-s", 2, "-e", 5)
    assert [(one["step"], one["path"]) for one in done.events if one["event"] == "snapshot"] == [
        (0, "fox.png"), (2, "fox.png"), (4, "fox.png"),
    ]  # fmt: skip
    assert done.event("picture")["path"] == "fox.png"
    assert [path.name for path in folder.glob("*.png")] == ["fox.png"]
    assert "experiment" in read_metadata(folder / "fox.png")


def test_no_snapshots(fox: Callable[..., Done]) -> None:
    assert [one for one in fox("--json", "-s", 0).events if one["event"] == "snapshot"] == []


def test_silence(fox: Callable[..., Done], folder: Path) -> None:
    done = fox("-v", 0)
    assert (done.out, done.err) == ("", "")
    assert (folder / "fox.png").exists()


def test_ctrl_c_saves_what_there_is(fox: Callable[..., Done], folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    after_step = RunFiles.after_step

    def interrupt(self: RunFiles, made: Any, first: int, info: Any) -> list[Path]:
        if info.step == 2:
            signal.raise_signal(signal.SIGINT)
        return after_step(self, made, first, info)

    monkeypatch.setattr(RunFiles, "after_step", interrupt)
    done = fox("-e", 50, "-o", "cut.png", code=130)
    assert done.out.split() == ["cut.png"]
    assert "# epochs: 2 / 50\n" in (folder / "cut.yaml").read_text()
    assert read_metadata(folder / "cut.png")["epochs_done"] == 2


def test_mistakes(refused: Callable[..., str], folder: Path) -> None:
    (folder / "fox.yaml").write_text(FOX)
    assert "expected a YAML file, got none" in refused("run")
    assert "one or two whole numbers" in refused("run", "fox.yaml", "-r", 1, 2, 3)
    assert "must end in one of .png" in refused("run", "fox.yaml", "-o", "fox.gif")
    assert "targets" in refused("run", "fox.yaml", "targets.4.weight=2")
    Image.new("RGB", (8, 8)).save(folder / "plain.png")
    assert "no fastclipgen settings" in refused("run", "plain.png")


def test_memory_that_runs_out(refused: Callable[..., str], folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(*_: Any) -> Any:
        raise MemoryError

    (folder / "fox.yaml").write_text(FOX)
    monkeypatch.setattr(job.ExperimentJob, "run", run)
    assert "ran out of memory; use a smaller resolution or model, a smaller batch" in refused("run", "fox.yaml")
    assert "ask for a smaller picture" in refused("run", "fox.yaml", "memory=1MB", "resolution=2000")
    assert "fewer frames (batch_size of targets)" in refused("run", "fox.yaml", "memory=0.00001MiB", "resolution=4")


def test_a_model_that_was_left_open_is_named_in_what_is_kept(fox: Callable[..., Done], folder: Path) -> None:
    fox("-o", "one.png", "model=auto")
    assert yaml.safe_load((folder / "one.yaml").read_text())["model"] == ["builtin"]


def test_rerun_says_how(fox: Callable[..., Done], refused: Callable[..., str]) -> None:
    fox()
    assert (
        refused("rerun", "fox.png")
        == "'fox.png' was made by an experiment; make it again by: fastclipgen run 'fox.png'"
    )
