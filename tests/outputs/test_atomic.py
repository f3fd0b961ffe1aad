from __future__ import annotations

import errno
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fastclipgen.errors import UserError
from fastclipgen.outputs import atomic
from fastclipgen.outputs.atomic import OutputFile, check_writable, write_file
from fastclipgen.outputs.naming import expand

Raiser = Callable[..., None]


def raises(code: int) -> Raiser:
    def call(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    return call


def test_writes_makes_folders_and_never_replaces(tmp_path: Path):
    target = expand(tmp_path / "a/b/out.png")
    paths = [write_file(target, bytes([n])) for n in range(3)]
    assert [path.name for path in paths] == ["out.png", "out-1.png", "out-2.png"]
    assert [path.read_bytes() for path in paths] == [b"\0", b"\1", b"\2"]
    assert len(os.listdir(tmp_path / "a/b")) == 3


def test_permissions_follow_the_umask(tmp_path: Path):
    before = os.umask(0o027)
    try:
        path = write_file(expand(tmp_path / "out.png"), b"x")
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("links", [True, False])
def test_writers_at_the_same_time_take_different_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool):
    if not links:  # FAT and some network mounts
        monkeypatch.setattr(os, "link", raises(errno.EPERM))
    target = expand(tmp_path / "out-3.png")
    with ThreadPoolExecutor(8) as pool:
        paths = list(pool.map(lambda n: write_file(target, str(n).encode()), range(40)))
    assert sorted(int(path.read_bytes()) for path in set(paths)) == list(range(40))
    assert sorted(os.listdir(tmp_path)) == sorted(path.name for path in paths)


def test_a_name_taken_between_looking_and_linking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    link = os.link

    def faster(source: Path, path: Path) -> None:
        if path.name in ("out.png", "out-1.png"):
            path.write_bytes(b"theirs")
        link(source, path)

    monkeypatch.setattr(os, "link", faster)
    assert write_file(expand(tmp_path / "out.png"), b"ours").name == "out-2.png"
    assert (tmp_path / "out.png").read_bytes() == (tmp_path / "out-1.png").read_bytes() == b"theirs"


def test_committing_removes_the_temporary_name(tmp_path: Path):
    output = OutputFile(expand(tmp_path / "out.png"))
    output.file.write(b"x")
    assert output.commit() == tmp_path / "out.png"
    assert os.listdir(tmp_path) == ["out.png"]
    output.discard()
    assert os.listdir(tmp_path) == ["out.png"]


def test_uncommitted_files_vanish(tmp_path: Path):
    def stop_half_way() -> None:
        with OutputFile(expand(tmp_path / "out.png")) as output:
            output.file.write(b"half")
            assert len(os.listdir(tmp_path)) == 1
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stop_half_way()
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("name", "code", "words"),
    [
        ("fsync", errno.ENOSPC, "the disk is full"),
        ("fsync", errno.EDQUOT, "quota"),
        ("open", errno.EACCES, "not writable"),
        ("open", errno.EROFS, "read-only"),
        ("link", errno.EIO, "Input/output error"),
    ],
)
def test_errors_of_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, code: int, words: str):
    monkeypatch.setattr(os, name, raises(code))
    if name == "link":
        monkeypatch.setattr(os, "replace", raises(code))
    with pytest.raises(UserError, match=rf"cannot write '.*out\.png': .*{words}"):
        write_file(expand(tmp_path / "out.png"), b"x")
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
@pytest.mark.parametrize("size", [1, 1 << 20])
def test_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int):
    monkeypatch.setattr(atomic, "_create", lambda _: os.open("/dev/full", os.O_RDWR))
    with pytest.raises(UserError, match="the disk is full"):
        write_file(expand(tmp_path / "out.png"), bytes(size))
    with pytest.raises(UserError, match="the disk is full"):
        check_writable(tmp_path / "out.png")
    assert os.listdir(tmp_path) == []


def test_check_writable_leaves_no_trace(tmp_path: Path):
    check_writable(tmp_path / "a/b/{seed}.png")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("name", ["file/out.png", "file/b/c/out.png", "dangling/out.png"])
def test_a_file_where_a_folder_is_needed(tmp_path: Path, name: str):
    (tmp_path / "file").write_bytes(b"precious")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    with pytest.raises(UserError, match="a file is where a folder is needed"):
        check_writable(tmp_path / name)
    with pytest.raises(UserError, match="a file is where a folder is needed"):
        write_file(expand(tmp_path / name), b"x")
    assert (tmp_path / "file").read_bytes() == b"precious"


def test_unwritable_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def refuse(path: Path) -> int:  # permission bits do not bind root, so the refusal is played
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(atomic, "_create", refuse)
    with pytest.raises(UserError, match="not writable"):
        check_writable(tmp_path / "a/out.png")
    with pytest.raises(UserError, match="not writable"):
        write_file(expand(tmp_path / "out.png"), b"x")
    assert os.listdir(tmp_path) == []
