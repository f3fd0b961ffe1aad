"""Broken, foreign and dangerous files are told apart before a model is built, and nothing in them is run."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest
import torch

from fastclipgen.errors import UserError
from fastclipgen.perceptors.checkpoint import BrokenFile, check_checkpoint

TENSORS = {"visual.proj": torch.ones(64, 64)}


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
