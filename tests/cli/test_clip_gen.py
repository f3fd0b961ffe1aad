"""Generator clip-gen from the command line to the files and back, on tiny weights."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from fastclipgen.clip_gen import bridge_file, gallery
from fastclipgen.guidance import modality_gap
from fastclipgen.outputs.metadata import read_metadata
from fastclipgen.perceptors import as_perceptor
from fastclipgen.sampling.sampler import Sampler

from ..clip_gen import tiny
from ..models.vqgan_checkpoints import Sizes
from .conftest import Eye

FILES = ("--clip-gen", "tiny.safetensors", "--vqgan", "tiny.ckpt")
SMALL = (*FILES, "--clip", "builtin", "--seed", "5", "--candidates", "6", "--device", "cpu")


@pytest.fixture
def weights(folder: Path) -> Path:
    tiny.write(folder, guided=True)
    tiny.write_vqgan(folder)
    return folder


def read(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.array(image)


def test_pictures_sheet_and_events(cli: Callable, weights: Path) -> None:
    done = cli("a red circle", "a blue star", *SMALL, "--keep", "2", "--json", "--grid", "grid.png")
    assert done.code == 0, done.err
    pictures = [event for event in done.events if event["event"] == "picture"]
    assert [(p["index"], p["seed"], p["rank"], p["steps"]) for p in pictures] == [
        (0, 5, 1, 0), (1, 5, 2, 0), (2, 6, 1, 0), (3, 6, 2, 0),
    ]  # fmt: skip
    assert [p["path"] for p in pictures] == [
        "outputs/a-red-circle-5.png", "outputs/a-red-circle-5-1.png",
        "outputs/a-blue-star-6.png", "outputs/a-blue-star-6-1.png",
    ]  # fmt: skip
    assert all(len(p["similarities"]["eye"]) == 1 and 0 <= p["candidate"] < 6 for p in pictures)
    start = done.event("start")
    assert (start["pictures"], start["settings"]["generator"], start["settings"]["rows"]) == (4, "clip-gen", 16)
    tokens = [event for event in done.events if event["event"] == "token"]
    assert (tokens[0]["step"], tokens[-1]["step"], tokens[-1]["steps"]) == (1, 16, 16)
    assert read(weights / "grid.png").shape[2] == 3
    assert read(weights / pictures[0]["path"]).shape == (16, 16, 3)


def test_rerun_makes_that_picture(cli: Callable, weights: Path) -> None:
    assert cli("a red circle", *SMALL, "--keep", "3", "-o", "{index}.png", "--quiet").code == 0
    for index in range(3):
        assert read_metadata(weights / f"{index}.png")["sample"]["rank"] == index + 1
        done = cli("rerun", f"{index}.png", "-o", f"again{index}.png", "--json")
        assert done.code == 0, done.err
        assert np.array_equal(read(weights / f"{index}.png"), read(weights / f"again{index}.png"))
        stored = [read_metadata(weights / f"{name}{index}.png")["settings"] for name in ("", "again")]
        assert stored[0] == stored[1]
    assert not np.array_equal(read(weights / "0.png"), read(weights / "1.png"))


def test_refining_with_film_and_snapshots(cli: Callable, weights: Path) -> None:
    refining = ("--refine", "4", "--views", "2", "-g", "tile=3", "--save-every", "2", "--video", "film.gif")
    done = cli("a red circle", *SMALL, *refining, "-o", "out.png", "--json")
    assert done.code == 0, done.err
    assert done.event("picture")["steps"] == 4
    assert (weights / "film.gif").is_file()
    assert (weights / "out-step00002.png").is_file()
    settings = read_metadata(weights / "out.png")["settings"]
    assert (settings["generator_options"], settings["refine"], settings["views"]) == ({"tile": 3}, 4, 2)
    again = cli("rerun", "out.png", "-o", "again.png")
    assert again.code == 0, again.err
    assert np.abs(read(weights / "out.png").astype(int) - read(weights / "again.png")).max() <= 1
    plain = cli("a red circle", *SMALL, "-o", "plain.png")
    assert plain.code == 0
    assert not np.array_equal(read(weights / "plain.png"), read(weights / "out.png"))


def test_variations_of_a_picture(cli: Callable, weights: Path) -> None:
    for name, colour in (("red", (200, 30, 30)), ("blue", (30, 30, 200))):
        picture = Image.new("RGB", (20, 20), colour)
        picture.paste((10, 200, 10), (0, 0, 7, 15))
        picture.save(weights / f"{name}.png")
        done = cli("--image-prompt", f"{name}.png", *SMALL, "-o", f"like-{name}.png")
        assert done.code == 0, done.err
    assert not np.array_equal(read(weights / "like-red.png"), read(weights / "like-blue.png"))
    mixed = cli("a red circle:0.5", "--image-prompt", "red.png:2", "--negative", "grey", *SMALL, "-o", "mixed.png")
    assert mixed.code == 0, mixed.err
    (weights / "gallery").mkdir()
    for name in ("red", "blue"):
        (weights / f"{name}.png").rename(weights / "gallery" / f"{name}.png")
    bridged = cli("a red circle", *SMALL, "--text-to-image", "knn", "--gallery", "gallery", "-o", "bridged.png")
    assert bridged.code == 0, bridged.err
    cli("a red circle", *SMALL, "-o", "plain.png")
    assert not np.array_equal(read(weights / "plain.png"), read(weights / "bridged.png"))
    eye = as_perceptor(Eye())
    seen = gallery.of_folder("gallery", eye, torch.device("cpu"), print)
    (weights / "knn.safetensors").write_bytes(bridge_file.to_bytes(gallery.learn("knn", seen, eye)))
    learned = cli("a red circle", *SMALL, "--text-to-image", "knn.safetensors", "-o", "learned.png")
    assert learned.code == 0, learned.err
    difference = read(weights / "learned.png").astype(int) - read(weights / "bridged.png")
    assert np.abs(difference).max() <= 2  # the file keeps pictures in half precision
    assert read_metadata(weights / "learned.png")["settings"]["text_to_image"] == "knn.safetensors"
    assert read_metadata(weights / "plain.png")["settings"]["text_to_image"] == "none"


def test_ctrl_c_saves_the_best_of_what_is_finished(
    cli: Callable, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = Sampler.draw
    batches = 0

    def draw(*arguments: Any) -> Any:
        nonlocal batches
        batches += 1
        if batches == 3:
            signal.raise_signal(signal.SIGINT)
        return drawn(*arguments)

    monkeypatch.setattr(Sampler, "draw", draw)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have had it ignored
    try:
        done = cli("x", "y", *SMALL, "--rows", "2", "--keep", "5", "--json")
    finally:
        signal.signal(signal.SIGINT, before)
    assert done.code == 130
    pictures = [event for event in done.events if event["event"] == "picture"]
    assert [p["index"] for p in pictures] == [0, 1, 2, 3]
    assert {p["candidate"] for p in pictures} == {0, 1, 2, 3}
    assert done.event("done") | {"seconds": 0} == {"event": "done", "seconds": 0, "pictures": 4, "interrupted": True}
    [first, *_] = pictures
    assert cli("rerun", first["path"], "-o", "again.png").code == 0
    assert np.array_equal(read(weights / first["path"]), read(weights / "again.png"))


def test_mistakes(refused: Callable, weights: Path) -> None:
    assert "takes none without --refine; add that, or leave --video out" in refused("x", *SMALL, "--video", "a.gif")
    assert "takes none without --refine" in refused("x", *SMALL, "--save-every", "1")
    assert "'steps' has no effect" in refused("x", *SMALL, "--steps", "3")
    assert "'candidates' is of generator 'clip-gen'" in refused("x", "--candidates", "3", "--clip", "builtin")
    assert "--clip-gen names 'none.pt', and there is no such file" in refused("x", *SMALL, "--clip-gen", "none.pt")
    assert "--vqgan names 'none.pt', and there is no such file" in refused("x", *SMALL, "--vqgan", "none.pt")
    assert "holds no transformer of CLIP-GEN" in refused("x", *SMALL, "--clip-gen", "tiny.ckpt")
    tiny.write_vqgan(weights, "other.ckpt", Sizes(widths=(32,), codes=51))
    assert "the VQGAN has 51 codes; give the VQGAN that" in refused("x", *SMALL, "--vqgan", "other.ckpt")
    assert "clip-gen is not; leave it out" in refused("warmup", "x", *FILES)
    assert "did you mean 'clip-gen'" in refused("x", "--generator", "clipgen")


def test_built_in_weights_are_found_where_the_package_keeps_them(
    cli: Callable, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {
        "shapes_clip_gen.safetensors": "tiny.safetensors", "shapes_vqgan.safetensors": "tiny.ckpt",
        "shapes_gallery.safetensors": "bridge.safetensors",
    }  # fmt: skip
    random = torch.nn.functional.normalize(torch.randn(2, 30, 27), dim=-1)
    (weights / "bridge.safetensors").write_bytes(bridge_file.to_bytes(modality_gap.procrustes(*random)))
    for module in ("clip_gen.networks", "clip_gen.bridge_file", "generators.vqgan"):
        monkeypatch.setattr(f"fastclipgen.{module}.asset", lambda name: weights / files[name])
    done = cli("x", "--generator", "clip-gen", "--candidates", "2", "--seed", "5", "-o", "out.png")
    assert done.code == 0, done.err
    settings = read_metadata(weights / "out.png")["settings"]
    assert (settings["clip_gen"], settings["vqgan"], settings["clip"]) == ("builtin", "builtin", ["builtin"])
    assert settings["text_to_image"] == "builtin"
    plain = cli("x", "--generator", "clip-gen", "--candidates", "2", "--seed", "5", "--text-to-image", "none")
    assert plain.code == 0, plain.err
    [path] = (weights / "outputs").glob("*.png")
    assert not np.array_equal(read(path), read(weights / "out.png"))
