"""A run's end: numbers that break, memory that runs out, settings that cannot be."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from fastclipgen.api import Job
from fastclipgen.engine import memory
from fastclipgen.outputs.metadata import read_metadata
from fastclipgen.perceptors import hub

SMALL = ["--clip", "builtin", "--generator", "pixels", "--size", "16", "--steps", "6", "--views", "2", "--seed", "5"]


def test_a_loss_that_breaks_saves_the_last_good_picture(cli: Callable, eye: Any, folder: Path) -> None:
    eye.breaks_at = 4
    done = cli("x", *SMALL, "-o", "broken.png", "--video", "film.gif", "--json")
    assert done.code == 2
    sentence = (
        "the loss of 1 of 1 pictures became NaN or infinite, and their last finite state was saved; "
        "lower --learning-rate or use --precision fp32"
    )
    assert done.err == f"fastclipgen: error: {sentence}\n"
    assert done.events[-1] == {"event": "error", "text": sentence}
    assert done.event("picture")["finite"] is False
    assert done.event("picture")["loss"] is None
    assert (folder / "film.gif").is_file()
    assert read_metadata(folder / "broken.png")["scores"]["loss"] is None
    eye.breaks_at = float("inf")
    cli(
        "x", *SMALL, "-o", "whole.png", "--save-every", "1"
    )  # the loss of the state after 3 steps was the last one seen
    with Image.open(folder / "broken.png") as broken, Image.open(folder / "whole-step00003.png") as last:
        assert np.array_equal(np.array(broken), np.array(last))


def test_an_absurd_learning_rate_gives_a_picture_or_a_sentence(cli: Callable, folder: Path) -> None:
    for generator in ("pixels", "siren", "vae"):
        done = cli(
            "x", *SMALL, "--generator", generator, "--starts", "2", "--lr", "1e6", "-o", f"{generator}.png", "--quiet"
        )
        assert done.code in (0, 2)
        assert "Traceback" not in done.err
        assert (folder / f"{generator}.png").is_file(), done.err


def test_an_absurd_size_is_refused_before_anything_is_allocated(
    refused: Callable, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    Image.new("RGB", (4, 4)).save(folder / "start.png")
    monkeypatch.setattr(memory, "free_bytes", lambda device: 2**30)
    monkeypatch.setattr("fastclipgen.api.fit", lambda *_: pytest.fail("the start picture was resized"))
    sentence = refused("x", *SMALL, "--size", "16000", "--init", "start.png")
    assert sentence.startswith("one picture of 16000x16000 would need about ")
    assert sentence.endswith("can be used on cpu; ask for a smaller picture")


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:114] err == 0. DefaultCPUAllocator: can't allocate memory"),
        MemoryError(),
    ],
)
def test_memory_that_runs_out(refused: Callable, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def run(*_: Any) -> Any:
        raise error

    monkeypatch.setattr(Job, "run", run)
    assert refused("x", *SMALL).startswith("the device ran out of memory; use a smaller --size")


def test_other_errors_are_not_hidden(cli: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(*_: Any) -> Any:
        raise RuntimeError("a mistake of ours")

    monkeypatch.setattr(Job, "run", run)
    with pytest.raises(RuntimeError, match="a mistake of ours"):
        cli("x", *SMALL)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["x", "--steps", "-1"], "setting 'steps': input should be greater than or equal to 0, got -1"),
        (["x", "--steps", "99999999999"], "setting 'steps': input should be less than or equal to 10000000"),
        (["x", "--size", "0"], "setting 'width': input should be greater than or equal to 1, got 0"),
        (["x", "--size=-5x8"], "setting 'width'"),
        (["x", "--size", "100000"], "setting 'width': input should be less than or equal to 16384, got 100000"),
        (["x", "--lr", "nan"], "setting 'learning_rate'"),
        (["x", "--lr", "inf"], "setting 'learning_rate': must be a finite number, got inf"),
        (["x", "--lr", "-0.1"], "setting 'learning_rate'"),
        (["x", "--lr", "1e38"], "setting 'learning_rate': must be at most 1e+06, got 1e+38"),
        (["x", "--seed", "-1"], "setting 'seed'"),
        (["x", "--seed", str(2**63 - 1), "-n", "2"], "expected seeds up to 9223372036854775807"),
        (["x", "--seed", str(2**63)], "setting 'seed'"),
        (["x", "--views", "0"], "setting 'views'"),
        (["x", "-n", "0"], "setting 'count'"),
        (["x", "--warmup", "1"], "setting 'warmup'"),
        (["x", "--ema", "1"], "setting 'ema'"),
        (["x", "--ema", "nan"], "setting 'ema'"),
        (["x", "--starts", "0"], "setting 'starts'"),
        (["x", "--tracks", "65"], "setting 'tracks'"),
        (["x", "--tracks", "4", "--starts", "2"], "expected no more tracks than starts, got 4 of 2"),
        (["x", "--init", "a.png", "--starts", "2"], "a start picture was given; leave them out"),
        (["x", "--ema", "0.9", "--keep-best"], "keep_best and ema both decide which parameters are published"),
        (
            ["x", "--loss", "cosin"],
            "setting 'loss': input should be 'auto', 'cosine', 'spherical', 'l1' or 'l2', got 'cosin'",
        ),
        (["--steps", "3"], "expected a prompt or an image prompt, got neither"),
        ([""], "a prompt needs a text, but it is empty"),
        (["   "], "a prompt needs a text, but it is empty"),
        (["|"], "expected a prompt on both sides of every '|'"),
        (["a||b"], "expected a prompt on both sides of every '|'"),
        (["x:nan"], "expected a weight between -1e+06 and 1e+06, got nan after 'x'"),
        (["x:0"], "expected at least one prompt with a weight other than 0"),
        (["x", "--negative", ""], "a prompt needs a text, but it is empty"),
        (["x", "--image-prompt", ":2"], "an image prompt needs the path of a picture, but it is empty"),
        (["x", "--generator", "stak"], "unknown generator 'stak'; did you mean 'stack'?"),
        (["x", "--optimizer", "adma"], "unknown optimiser 'adma'; did you mean 'adam'?"),
        (["x", "--cutouts", "gentel"], "unknown cutout preset 'gentel'; did you mean 'gentle'?"),
        (
            ["x", "--augments", "Af"],
            "augments are chosen for one of the cutouts, but none were; add --cutouts latest or",
        ),
        (
            ["x", "--cutouts", "gentle", "--augments", "Af"],
            "augments are those of cutouts latest and nrupdated, got 'ge",
        ),
        (["x", "--cutouts", "latest", "--augments", "Af,Px"], "unknown augment 'Px'"),
        (["x", "--cutouts", "latest", "--augments", "Ts"], "augment 'Ts' bends views freely"),
        (["x", "--constraint", "vt"], "unknown constraint 'vt'; did you mean 'tv'?"),
        (["x", "--constraint", "tv:much"], "expected NAME[:WEIGHT] with a number as weight, got 'tv:much'"),
        (["x", "--schedule", "cosin"], "unknown schedule 'cosin'; did you mean 'cosine'?"),
        (["x", "--schedule", "cosine:2"], "expected fractions from 0 to 1 in schedule 'cosine', got 2.0"),
        (["x", "--device", "gpu"], "unknown device 'gpu'"),
        (["x", "--precision", "half"], "unknown precision 'half'"),
        (["x", "-g", "hidden=3"], "generator options need to know the generator; add --generator NAME"),
        (["x", "--generator", "siren", "-g", "hiden=3"], "unknown option of generator 'siren' 'hiden'"),
        (["x", "--generator", "siren", "-g", "hidden=x"], "must be a whole number, got 'x'"),
        (["x", "--generator", "siren", "-g", "hidden"], "a generator option is written key=value, got 'hidden'"),
        (["x", "--mask", "a.png"], "a mask needs a start picture whose unmasked part stays; add --init PATH"),
        (["x", "--clip", "builtin:tag"], "'builtin' takes no tag and no path"),
        (["x", "--clip", "builtin@0"], "must be a finite number other than 0, got 0"),
        (["x", "--clip", "ViT-B-33:openai"], "unknown CLIP architecture 'ViT-B-33'; did you mean 'ViT-B-32'?"),
        (["x", "--clip", "ViT-B-32:opnai"], "unknown tag 'opnai' for 'ViT-B-32'; did you mean 'openai'?"),
        (["x", "--clip", "ViT-B-32:./none.pt"], "none.pt"),
    ],
)
def test_settings_that_cannot_be(refused: Callable, arguments: list[str], sentence: str) -> None:
    assert sentence in refused(*arguments)


def test_names_are_checked_before_a_model_is_loaded(refused: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fastclipgen.api.resolve", lambda *_: pytest.fail("a model was loaded"))
    for option, value in [("--generator", "x"), ("--optimizer", "x"), ("--cutouts", "x"), ("--schedule", "x"),
                          ("--constraint", "x")]:  # fmt: skip
        assert "unknown" in refused("x", option, value)


def test_pictures_to_start_from_of_every_kind(draw: Callable, folder: Path) -> None:
    grey = Image.linear_gradient("L").resize((16, 16))
    levels = np.arange(256, dtype=np.uint16).reshape(16, 16)
    kinds: dict[str, Image.Image] = {
        "alpha.png": Image.merge("RGBA", [grey, grey, grey, grey]), "palette.gif": grey.convert("P"),
        "cmyk.jpg": grey.convert("CMYK"), "deep.png": Image.fromarray(levels * 257), "bits.png": grey.convert("1"),
    }  # fmt: skip
    for name, image in kinds.items():
        image.save(folder / name)
        draw("--init", name, "--steps", "0", "-o", "first.png", "--no-metadata")
    with Image.open(folder / "first-3.png") as deep:
        assert np.abs(np.array(deep)[..., 0].astype(int) - levels).max() <= 1


def test_pictures_that_cannot_be_read(refused: Callable, folder: Path) -> None:
    (folder / "text.png").write_text("no picture")
    Image.new("RGB", (64, 64), "red").save(folder / "good.png")
    (folder / "cut.png").write_bytes((folder / "good.png").read_bytes()[:90])
    Image.new("1", (20_000, 6_000)).save(folder / "huge.png")
    sentences = {
        "none.png": "image 'none.png' does not exist", "text.png": "is not an image that can be read",
        "cut.png": "is damaged or cut off", "huge.png": "more than the 100 million allowed", ".": "is a folder",
        "https://example.org/x.png": "is an address, but only local files are read",
    }  # fmt: skip
    for name, sentence in sentences.items():
        assert sentence in refused("x", *SMALL, "--init", name)
        assert sentence in refused("x", *SMALL, "--image-prompt", name)
        assert sentence in refused("x", *SMALL, "--init", "good.png", "--mask", name)


def test_an_image_prompt_needs_no_text(cli: Callable, folder: Path) -> None:
    Image.new("RGB", (16, 16), "green").save(folder / "green.png")
    done = cli("--image-prompt", "green.png", *SMALL, "--grid", "grid.png")
    assert done.out.splitlines() == ["outputs/picture-5.png", "grid.png"]


def test_a_real_model_without_a_network_is_a_sentence(refused: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "cached", lambda source: None)
    monkeypatch.setattr(hub, "probe", lambda: hub.Verdict(False, "it does not answer"))
    assert "ViT-B-32:openai" in refused("x", "--clip", "ViT-B-32:openai")


def test_json_is_the_last_word_of_an_error(cli: Callable, folder: Path) -> None:
    done = cli("x", *SMALL, "--json", "--init", "none.png")
    assert [json.loads(line)["event"] for line in done.out.splitlines()] == ["error"]
