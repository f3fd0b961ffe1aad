"""`fastclipgen download`, and names of published weights where a run takes a file."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub.utils import are_progress_bars_disabled

from fastclipgen.weights import download
from fastclipgen.weights.files import hash_of
from fastclipgen.weights.known import KNOWN, Known

from ..clip_gen import tiny
from ..file_server import Server, serving
from ..models.vqgan_checkpoints import Sizes, taming

CANDIDATES = ("--candidates", "2", "--seed", "5", "--device", "cpu", "-o", "out.png")
SMALL = ("--clip", "builtin", "--views", "2", "--seed", "5", "--compile", "off", "--size", "16", "--steps", "1")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Iterator[Server]:
    with serving(monkeypatch, folder / "caches") as one:
        yield one


@pytest.fixture
def small(server: Server, monkeypatch: pytest.MonkeyPatch, folder: Path) -> Known:
    """'small' is a published VQGAN."""
    torch.save({"state_dict": taming(0, Sizes(widths=(32, 64), blocks=1, attention=(1,)))}, folder / "made")
    server.content = (folder / "made").read_bytes()
    (folder / "made").unlink()
    digest = hashlib.sha256(server.content).hexdigest()
    one = Known("small", "vqgan", "a test", ".ckpt", (server.at("ok"),), digest, len(server.content), alias="little")
    monkeypatch.setitem(KNOWN, "small", one)
    return one


def test_list(cli: Callable[..., Any], small: Known, folder: Path) -> None:
    def row() -> str:
        done = cli("download", "--list")
        assert done.code == 0, done.err
        lines = done.out.splitlines()
        assert len(lines) == 1 + len(KNOWN)
        return lines[-1]

    assert re.fullmatch(r"small \(little\) +--vqgan +a test +2\.9 MB +known +-", row())
    part = folder / "caches" / "fastclipgen" / "weights" / "small.ckpt.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(b"")
    assert row().endswith("  in part")
    assert cli("download", "small").code == 0
    assert row().endswith(str(part.with_suffix("")))


def test_download(cli: Callable[..., Any], small: Known, folder: Path) -> None:
    path = folder / "caches" / "fastclipgen" / "weights" / "small.ckpt"
    done = cli("download", "little")
    assert (done.code, done.out) == (0, f"{path}\n")
    assert "fastclipgen: downloading 'small' (a test) from 127.0.0.1:" in done.err
    assert hash_of(path) == small.sha256
    path.unlink()
    done = cli("download", "small", "--quiet")
    assert (done.code, done.out, done.err) == (0, "", "")
    assert hash_of(path) == small.sha256


def test_a_run_downloads_what_it_names(cli: Callable[..., Any], small: Known, server: Server, folder: Path) -> None:
    done = cli("a red circle", *SMALL, "--vqgan", "small", "-o", "out.png", "--json")
    assert done.code == 0, done.err
    assert done.event("start")["settings"]["vqgan"] == "small"
    assert "downloading 'small'" in done.event("notice")["text"]
    again = cli("rerun", "out.png", "-o", "again.png", "--quiet")
    assert (again.code, again.err) == (0, "")
    assert len(server.asked) == 1
    assert (folder / "again.png").is_file()


def test_a_file_of_that_name_comes_first(cli: Callable[..., Any], small: Known, server: Server, folder: Path) -> None:
    (folder / "small").write_bytes(server.content)
    assert cli("a red circle", *SMALL, "--vqgan", "small", "-o", "out.png").code == 0
    assert server.asked == []


def test_a_transformer_and_its_vqgan(
    cli: Callable[..., Any], server: Server, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    file = tiny.write(folder)
    server.content = file.read_bytes()
    file.unlink()
    digest = hashlib.sha256(server.content).hexdigest()
    one = Known("gpt_coco", "clip-gen", "a test", ".safetensors", (server.at("ok"),), digest)
    monkeypatch.setitem(KNOWN, "gpt_coco", one)
    vqgan = tiny.write_vqgan(folder)
    done = cli("x", "--clip-gen", "gpt_coco", "--vqgan", vqgan, "--clip", "builtin", *CANDIDATES)
    assert "downloading 'gpt_coco'" in done.err
    assert done.code == 0, done.err


def test_mistakes(refused: Callable[..., str], small: Known, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "expected names of weights to download, or --list" in refused("download")
    assert "give one of the two" in refused("download", "small", "--list")
    assert "unknown published weights 'smal'; did you mean 'small'?" in refused("download", "smal")
    sentence = refused("x", *SMALL, "--vqgan", "imagenet_f16_16348")
    assert "there is no such file; did you mean 'imagenet_f16_16384'?" in sentence
    assert "--vqgan names 'gpt_coco', and there is no such file" in refused("x", *SMALL, "--vqgan", "gpt_coco")


@pytest.mark.parametrize(
    "command", [("download", "small"), ("a red circle", *SMALL, "--vqgan", "small", "-o", "a.png")]
)
def test_no_bar_where_quiet(
    cli: Callable[..., Any], small: Known, monkeypatch: pytest.MonkeyPatch, folder: Path, command: tuple[str, ...]
) -> None:
    hidden, bar = [], download._bar
    monkeypatch.setattr(download, "_bar", lambda *args: hidden.append(are_progress_bars_disabled()) or bar(*args))
    for quiet in ((), ("--quiet",)):
        assert cli(*command, *quiet).code == 0
        (folder / "caches" / "fastclipgen" / "weights" / "small.ckpt").unlink()
    assert hidden == [False, True]
    assert not are_progress_bars_disabled()
