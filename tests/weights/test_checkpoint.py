"""Broken, foreign and dangerous files are told apart before a model is built, and nothing in them is run."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from fastclipgen.errors import UserError
from fastclipgen.weights.checkpoint import Advice, BrokenFile, check_checkpoint, read_tensors

TENSORS = {"visual.proj": torch.ones(64, 64)}


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    save_file(TENSORS, tmp_path / "good.safetensors")
    return tmp_path / "good.safetensors"


class Bomb:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> Any:
        return Path.touch, (self.target,)


@pytest.mark.parametrize("content", [TENSORS, {"state_dict": TENSORS, "epoch": 3}])
@pytest.mark.parametrize("zipped", [True, False])
def test_state_dicts_pass(tmp_path: Path, content: Any, zipped: bool):
    torch.save(content, tmp_path / "w.pt", _use_new_zipfile_serialization=zipped)
    check_checkpoint(tmp_path / "w.pt", "X")


def test_safetensors_pass(checkpoint: Path):
    check_checkpoint(checkpoint, "X")


@pytest.mark.parametrize("name", ["w.safetensors", "w.pt"])
@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is empty"),
        (b"<!DOCTYPE html><html>", "is a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "Git LFS pointer"),
        (b"PK\x03\x04 then nothing", "damaged"),
        (b"\x00\xff garbage \x17" * 50, "damaged"),
    ],
)
def test_what_is_no_checkpoint(tmp_path: Path, name: str, content: bytes, sentence: str):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BrokenFile, match=sentence) as raised:
        check_checkpoint(tmp_path / name, "X")
    assert str(tmp_path / name) in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("part", [0.1, 0.5, 0.99])
def test_cut_short(tmp_path: Path, checkpoint: Path, part: float):
    torch.save(TENSORS, tmp_path / "new.pt")
    torch.save(TENSORS, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    (tmp_path / "w.safetensors").write_bytes(checkpoint.read_bytes())
    for name in ("new.pt", "old.pt", "w.safetensors"):
        whole = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(whole[: int(len(whole) * part)])
        with pytest.raises(BrokenFile, match="damaged"):
            check_checkpoint(tmp_path / name, "X")


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_code_in_a_pickle_is_refused_and_not_run(tmp_path: Path):
    mark = tmp_path / "ran"
    torch.save({"w": Bomb(mark)}, tmp_path / "new.pt")
    torch.save({"w": Bomb(mark)}, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    (tmp_path / "plain.bin").write_bytes(pickle.dumps(Bomb(mark)))
    for name in ("new.pt", "old.pt", "plain.bin"):
        with pytest.raises(UserError, match=r"could run code|damaged"):
            check_checkpoint(tmp_path / name, "X")
    with pytest.raises(UserError, match="could run code"):
        check_checkpoint(tmp_path / "new.pt", "X")
    assert not mark.exists()


@pytest.mark.filterwarnings("ignore:.torch.jit")
def test_torchscript_is_refused(tmp_path: Path):
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), tmp_path / "w.pt")
    with pytest.raises(UserError, match="TorchScript program, which is never run"):
        check_checkpoint(tmp_path / "w.pt", "X")


def test_folder_missing_file_and_things_without_names(tmp_path: Path):
    with pytest.raises(UserError, match="is a folder"):
        check_checkpoint(tmp_path, "X")
    with pytest.raises(UserError, match="there is none at"):
        check_checkpoint(tmp_path / "none.pt", "X")
    for content in ([torch.ones(2)], {}, {"a": 1}):
        torch.save(content, tmp_path / "w.pt")
        with pytest.raises(UserError, match="no named tensors"):
            check_checkpoint(tmp_path / "w.pt", "X")


def test_what_depends_on_the_kind_of_model(tmp_path: Path):
    advice = Advice(folder="look inside", nothing="give weights")
    with pytest.raises(UserError, match="is a folder; look inside"):
        read_tensors(tmp_path, "X", advice)
    torch.save({"a": 1}, tmp_path / "w.pt")
    with pytest.raises(UserError, match="no named tensors; give weights"):
        read_tensors(tmp_path / "w.pt", "X", advice)


@pytest.mark.parametrize("content", [TENSORS, {"state_dict": TENSORS, "epoch": 3}, {"model": TENSORS, "opt_g": {}}])
def test_tensors_are_read(tmp_path: Path, checkpoint: Path, content: Any):
    torch.save(content, tmp_path / "new.pt")
    torch.save(content, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    for path in (tmp_path / "new.pt", tmp_path / "old.pt", checkpoint):
        found = read_tensors(path, "X")
        assert list(found) == ["visual.proj"]
        assert torch.equal(found["visual.proj"], TENSORS["visual.proj"])


def test_tensors_beside_objects_are_read_and_the_objects_are_not_made(tmp_path: Path):
    content, mark = {"state_dict": TENSORS, "callbacks": Bomb(tmp_path / "ran")}, tmp_path / "ran"
    torch.save(content, tmp_path / "last.ckpt")
    assert list(read_tensors(tmp_path / "last.ckpt", "X")) == ["visual.proj"]
    torch.save(content, tmp_path / "old.ckpt", _use_new_zipfile_serialization=False)
    with pytest.raises(UserError, match="could run code"):  # torch's format of before 1.6 has no table of its parts
        read_tensors(tmp_path / "old.ckpt", "X")
    assert not mark.exists()


def test_broken_files_are_not_read(tmp_path: Path):
    torch.save({"state_dict": TENSORS, "callbacks": Bomb(tmp_path / "ran")}, tmp_path / "w.ckpt")
    whole = (tmp_path / "w.ckpt").read_bytes()
    (tmp_path / "w.ckpt").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BrokenFile, match="damaged"):
        read_tensors(tmp_path / "w.ckpt", "X")
    with pytest.raises(UserError, match="there is none at"):
        read_tensors(tmp_path / "none.ckpt", "X")
