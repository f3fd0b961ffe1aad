"""`fastclipgen bridge`: a file from a folder or from the shapes world, which a run then takes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from fastclipgen.clip_gen import bridge_file, gallery
from fastclipgen.perceptors.builtin import load_builtin


def test_of_the_shapes_world(cli: Callable, folder: Path) -> None:
    done = cli("bridge", "shapes", "--pictures", "64", "--out", "new/b.safetensors", "--device", "cpu")
    assert done.code == 0, done.err
    assert "procrustes of 64 pictures" in done.out
    eye, device = load_builtin(print), torch.device("cpu")
    expected = gallery.learn("procrustes", gallery.of_shapes(64, eye, device), eye)
    asked = torch.nn.functional.normalize(eye.encode_text(["a red circle on a blue background"]).float(), dim=-1)
    found = bridge_file.load("new/b.safetensors", eye.embed_dim, device)(asked)
    torch.testing.assert_close(found, expected(asked), atol=1e-5, rtol=1e-5)


def test_of_a_folder(cli: Callable, folder: Path) -> None:
    (folder / "pictures").mkdir()
    for number, colour in enumerate(("red", "green", "blue")):
        Image.new("RGB", (20 + number, 20), colour).save(folder / "pictures" / f"{colour}.png")
    done = cli("bridge", "pictures", "--kind", "knn", "--out", "b.safetensors", "--quiet")
    assert (done.code, done.out) == (0, "")
    assert load_file(folder / "b.safetensors")["gallery"].shape == (3, load_builtin(print).embed_dim)


def test_one_neighbour_among_easy_pictures(cli: Callable, folder: Path) -> None:
    asked = ["shapes:1", "--kind", "knn", "--neighbours", "1", "--pictures", "40", "--device", "cpu"]
    done = cli("bridge", *asked, "--out", "b.safetensors")
    assert done.code == 0, done.err
    eye = load_builtin(print)
    learned = bridge_file.load("b.safetensors", eye.embed_dim, torch.device("cpu"))
    text = torch.nn.functional.normalize(eye.encode_text(["a red circle"]).float(), dim=-1)
    kept = learned.pictures
    assert len(kept) == 40
    torch.testing.assert_close(learned(text)[0], kept[(kept @ text[0]).argmax()], atol=1e-3, rtol=1e-3)
    any_pictures = gallery.of_shapes(40, eye, torch.device("cpu")).pictures
    assert not torch.allclose(kept, any_pictures, atol=0.05)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("shapes", "--neighbours", "3"), "--neighbours is of --kind knn, but the kind is procrustes"),
        (("shapes:often", "--kind", "knn"), "a share of easy pictures from 0 to 1"),
        (("shapes", "--out", "b.pt"), "--out must end in .safetensors, got 'b.pt'"),
        (("shapes", "--out", "there.safetensors"), "'there.safetensors' is there already"),
        (("folder", "--pictures", "3"), "but the gallery is 'folder'; leave it out"),
        (("nowhere",), "--gallery needs the folder"),
    ],
)
def test_what_cannot_be(refused: Callable, folder: Path, arguments: tuple[str, ...], sentence: str) -> None:
    (folder / "there.safetensors").write_bytes(b"kept")
    assert sentence in refused("bridge", *arguments)
    assert (folder / "there.safetensors").read_bytes() == b"kept"
