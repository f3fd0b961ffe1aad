"""Servers that break off, lie, hang or are gone: what comes is whole and right, or does not take the file's place."""

from __future__ import annotations

import hashlib
import shutil
from collections import namedtuple
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import constants

from fastclipgen.errors import UserError
from fastclipgen.weights import download
from fastclipgen.weights.known import HUB

from ..file_server import Server


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def fetch(server: Server, folder: Path, *modes: str, known: bool = True, notice: Any = print, **more: Any) -> str:
    facts = {"sha256": sha256(server.content), "size": len(server.content)} if known else {}
    urls = [server.at(mode) for mode in modes]
    return download.fetch(urls, folder / "file", "'it'", **(facts | more), notice=notice)


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.is_file())


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("mode", ["ok", "whole", "once", "drops", "slow"])
def test_the_file_comes(server: Server, tmp_path: Path, heard: list[str], mode: str, known: bool) -> None:
    assert fetch(server, tmp_path, mode, known=known, notice=heard.append) == sha256(server.content)
    assert (tmp_path / "file").read_bytes() == server.content
    assert left(tmp_path) == ["file"]
    [said] = heard
    assert said == f"downloading 'it' from {server.url.removeprefix('http://')} to '{tmp_path / 'file'}'"


def test_what_has_come_is_not_asked_for_again(server: Server, tmp_path: Path) -> None:
    fetch(server, tmp_path, "drops")
    assert [wanted for _, wanted in server.asked] == ["", "bytes=20000-", "bytes=40000-"]


def test_a_server_that_knows_no_ranges_begins_anew(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file.part").write_bytes(server.content[:100])
    fetch(server, tmp_path, "whole")
    assert server.asked == [("/whole/file", "bytes=100-")]
    assert (tmp_path / "file").read_bytes() == server.content


def test_one_address_goes_on_where_another_broke_off(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file.part").write_bytes(server.content[:50_000])
    fetch(server, tmp_path, "busy", "ok")
    assert server.asked[-1] == ("/ok/file", "bytes=50000-")
    assert (tmp_path / "file").read_bytes() == server.content


@pytest.mark.parametrize("size", [None, 60_000])
def test_a_part_that_is_whole_is_only_checked(server: Server, tmp_path: Path, size: int | None) -> None:
    (tmp_path / "file.part").write_bytes(server.content)
    fetch(server, tmp_path, "ok", size=size)
    assert len(server.asked) == (1 if size is None else 0)  # the answer is that there is no more
    assert (tmp_path / "file").read_bytes() == server.content


@pytest.mark.parametrize("size", [None, 60_000])
def test_a_part_that_is_too_long_is_thrown_away(server: Server, tmp_path: Path, size: int | None) -> None:
    (tmp_path / "file.part").write_bytes(server.content + b"!")
    fetch(server, tmp_path, "ok", size=size)
    assert (tmp_path / "file").read_bytes() == server.content


def test_a_wrong_part_is_found_out_and_the_next_address_tried(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file.part").write_bytes(b"?" * 100)
    fetch(server, tmp_path, "ok", "ok")
    assert [wanted for _, wanted in server.asked] == ["bytes=100-", ""]


REASONS = {
    "gone": "answers with HTTP status 404",
    "busy": "answers with HTTP status 503",
    "page": "gives a web page instead of the file",
    "other": "has another file (its SHA-256 is ",
    "long": "has another file (of 60001 bytes, not 60000)",
    "hangs": "does not answer|cannot be reached (timed out)",
}


@pytest.mark.parametrize("mode", REASONS)
def test_after_an_address_without_the_file_comes_the_next(server: Server, tmp_path: Path, mode: str) -> None:
    fetch(server, tmp_path, mode, "ok")
    assert (tmp_path / "file").read_bytes() == server.content
    assert [path for path, _ in server.asked][-1] == "/ok/file"


def test_where_none_has_it_the_sentence_tells_of_each(server: Server, tmp_path: Path) -> None:
    with pytest.raises(UserError) as raised:
        fetch(server, tmp_path, *REASONS)
    sentence = str(raised.value)
    assert "\n" not in sentence
    assert sentence.startswith("'it' cannot be downloaded: 127.0.0.1:")
    for reason in REASONS.values():
        assert any(words in sentence for words in reason.split("|")), reason
    assert sentence.endswith(f"put the file at '{tmp_path / 'file'}' yourself")
    assert left(tmp_path) == []


def test_a_server_that_turns_away_for_now_is_asked_again(server: Server, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="503"):
        fetch(server, tmp_path, "busy")
    assert len(server.asked) == download.TRIES


def test_nobody_there(server: Server, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"127\.0\.0\.1:9 cannot be reached \(.*refused"):
        download.fetch(["http://127.0.0.1:9/file"], tmp_path / "file", "'it'", notice=print)


def test_without_a_hash_only_the_same_version_of_the_same_address_is_resumed(server: Server, tmp_path: Path) -> None:
    part, origin = tmp_path / "file.part", tmp_path / "file.part.from"

    def begun(address: str, version: str) -> None:
        part.write_bytes(b"?" * 30_000 if version != '"v1"' else server.content[:30_000])
        origin.write_text(f"{address}\n{version}\n")
        server.asked.clear()

    begun(server.at("ok"), '"v1"')
    fetch(server, tmp_path, "ok", known=False)
    assert server.asked == [("/ok/file", "bytes=30000-")]
    begun(server.at("ok"), '"v0"')  # the server has a newer one by now
    fetch(server, tmp_path, "ok", known=False)
    assert (tmp_path / "file").read_bytes() == server.content
    begun(server.at("other"), '"v1"')
    fetch(server, tmp_path, "ok", known=False)
    assert server.asked == [("/ok/file", "")]
    server.version = 'W/"weak"'  # says nothing about bytes
    fetch(server, tmp_path, "once", known=False)
    assert [wanted for path, wanted in server.asked if path == "/once/file"] == ["", ""]
    assert (tmp_path / "file").read_bytes() == server.content
    assert left(tmp_path) == ["file"]


def test_without_hash_and_length_nobody_could_tell_that_it_is_whole(server: Server, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not tell how large the file is"):
        fetch(server, tmp_path, "silent", known=False)
    assert fetch(server, tmp_path, "silent") == sha256(server.content)


def test_a_server_that_goes_on_elsewhere_is_not_believed(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file.part").write_bytes(server.content[:10])
    with pytest.raises(UserError, match=r"does not go on|broke off"):
        fetch(server, tmp_path, "elsewhere")
    assert not (tmp_path / "file").exists()


def test_addresses_of_the_hub_are_those_of_the_users_endpoint(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", server.url)
    download.fetch([f"{HUB}/ok/file"], tmp_path / "file", "'it'", notice=print)
    assert server.asked == [("/ok/file", "")]


def test_offline_nothing_is_asked(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(UserError, match=r"'it' is not at '.*file' and HF_HUB_OFFLINE is set"):
        fetch(server, tmp_path, "ok")
    assert server.asked == []


def test_a_full_disk_is_found_out_before_the_file_comes(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**6, 10**6 - 40_000, 40_000))
    with pytest.raises(UserError, match=r"no space left in '.*' for 'it'; free some"):
        fetch(server, tmp_path, "ok")
    assert left(tmp_path) == []
    (tmp_path / "file.part").write_bytes(server.content[:25_000])  # the rest has room
    fetch(server, tmp_path, "ok")


def test_a_place_that_cannot_be_written(server: Server, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(UserError, match=r"cannot write 'it' to '.*taken/file'"):
        fetch(server, tmp_path / "taken", "ok")
