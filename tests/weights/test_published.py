"""Names of published weights: a table that holds together, files that are checked at each use, several processes."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from fastclipgen.errors import UserError
from fastclipgen.weights import known, published
from fastclipgen.weights.known import KNOWN, Known

from ..file_server import Server

ROOT = Path(__file__).resolve().parents[2]


def add(server: Server, monkeypatch: pytest.MonkeyPatch, *modes: str, verified: bool = True) -> Known:
    """Makes 'tiny' a name of published weights."""
    facts: dict[str, Any] = {}
    if verified:
        facts = {"sha256": hashlib.sha256(server.content).hexdigest(), "size": len(server.content)}
    tiny = Known("tiny", "vqgan", "a test", ".ckpt", tuple(server.at(mode) for mode in modes), **facts)
    monkeypatch.setitem(KNOWN, "tiny", tiny)
    return tiny


def test_the_table_holds_together() -> None:
    assert len(known.names()) == len(set(known.names()))
    assert {one.option for one in KNOWN.values()} == {"vqgan", "clip-gen"}
    filenames = [one.filename for one in KNOWN.values()]
    assert len(filenames) == len(set(filenames))
    for name, one in KNOWN.items():
        assert (one.name, known.find(name)) == (name, one)
        assert one.mirrors
        assert all(url.startswith("https://") for url in one.mirrors)
        assert one.sha256 is None or re.fullmatch(r"[0-9a-f]{64}", one.sha256)
        assert one.size is None or one.about is None
    assert known.find("gumbel_f8") is KNOWN["openimages_f16_8192"]
    assert known.find("nothing") is None
    assert known.names("clip-gen") == ["gpt_coco"]


def test_the_table_of_the_documentation_is_this_one() -> None:
    text = (ROOT / "docs" / "checkpoints.md").read_text(encoding="utf-8")
    found = re.findall(r"^\| `(\w+)`.*?\| (.+?) \|.*\| (.+?) \|$", text, re.MULTILINE)
    rows = {name: (what, digest) for name, what, digest in found}
    assert list(rows) == list(KNOWN)
    for name, one in KNOWN.items():
        assert rows[name] == (one.what, f"`{one.sha256}`" if one.sha256 else "not known"), name


def test_names_and_files_of_that_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert published.is_name("coco", "vqgan")
    assert published.is_name("coco:mine.yaml", "vqgan")
    assert not published.is_name("coco", "clip-gen")
    assert not published.is_name("./coco", "vqgan")
    (tmp_path / "coco").touch()
    assert not published.is_name("coco", "vqgan")
    assert published.fetched("coco", "vqgan", pytest.fail) == "coco"
    assert published.fetched("other.ckpt:other.yaml", "vqgan", pytest.fail) == "other.ckpt:other.yaml"


def test_downloaded_once_and_checked_at_each_use(
    server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, heard: list[str]
) -> None:
    tiny = add(server, monkeypatch, "ok")
    path = published.path_of(tiny)
    assert path == tmp_path / "caches" / "fastclipgen" / "weights" / "tiny.ckpt"
    assert published.fetched("tiny:a.yaml", "vqgan", heard.append) == f"{path}:a.yaml"
    assert path.read_bytes() == server.content
    assert published.obtain(tiny, heard.append) == path
    assert (len(server.asked), len(heard)) == (1, 1)
    path.write_bytes(b"!" + server.content[1:])
    published.obtain(tiny, heard.append)
    assert path.read_bytes() == server.content
    assert "tiny.ckpt' was changed or damaged (its SHA-256 is " in heard[1]
    assert len(server.asked) == 2


def test_without_a_stated_hash_the_first_one_counts(
    server: Server, monkeypatch: pytest.MonkeyPatch, heard: list[str]
) -> None:
    tiny = add(server, monkeypatch, "ok", verified=False)
    path, digest = published.obtain(tiny, heard.append), hashlib.sha256(server.content).hexdigest()
    assert heard[1].startswith("not verified: nobody states the SHA-256 of 'tiny'")
    assert digest in heard[1]
    record = path.with_name("tiny.ckpt.sha256")
    assert record.read_text() == f"{digest}  tiny.ckpt\n"
    published.obtain(tiny, heard.append)
    assert len(heard) == 2
    path.write_bytes(b"broken")
    server.content = server.content[::-1]  # and by now the server has another file
    with pytest.raises(UserError, match=f"has another file .its SHA-256 is .*, not {digest}"):
        published.obtain(tiny, heard.append)
    record.unlink()
    assert published.obtain(tiny, heard.append) == path  # trusted anew, as it is
    assert path.read_bytes() == b"broken"
    assert "not verified" in heard[-1]


def test_a_file_put_there_by_hand_is_checked_like_any(
    server: Server, monkeypatch: pytest.MonkeyPatch, heard: list[str]
) -> None:
    tiny = add(server, monkeypatch, "gone")
    path = published.path_of(tiny)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"something else")
    with pytest.raises(UserError, match=r"'tiny' \(a test\) cannot be downloaded: .* answers with HTTP status 404"):
        published.obtain(tiny, heard.append)
    assert path.read_bytes() == b"something else"  # it is the user's
    path.write_bytes(server.content)
    assert published.obtain(tiny, heard.append) == path


PROGRAM = """
import json, sys
from fastclipgen.weights import download, known, published
download.PAUSE_SECONDS = 0.01
tiny = known.Known("tiny", "vqgan", "a test", ".ckpt", **json.loads(sys.argv[1]))
print(published.obtain(tiny, print), flush=True)
"""


def start(one: Known) -> subprocess.Popen[str]:
    facts = {"mirrors": one.mirrors, "sha256": one.sha256, "size": one.size}
    command = [sys.executable, "-c", PROGRAM, json.dumps(facts)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_of_two_processes_one_downloads_and_the_other_waits(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.content = server.content * 3
    tiny = add(server, monkeypatch, "slow")
    both = [start(tiny) for _ in range(2)]
    said = [process.communicate(timeout=60) for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    path = published.path_of(tiny)
    assert all(out.splitlines()[-1] == str(path) for out, _ in said)
    assert path.read_bytes() == server.content
    assert len(server.asked) == 1
    assert sum("another process downloads 'tiny'" in out for out, _ in said) == 1


@pytest.mark.parametrize("verified", [True, False])
def test_killed_and_gone_on(server: Server, monkeypatch: pytest.MonkeyPatch, heard: list[str], verified: bool) -> None:
    server.content = server.content * 10
    tiny = add(server, monkeypatch, "slow", verified=verified)
    path = published.path_of(tiny)
    part = path.with_name("tiny.ckpt.part")
    process = start(tiny)
    deadline = time.monotonic() + 60
    while not (part.exists() and part.stat().st_size > 30_000):
        assert time.monotonic() < deadline
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    process.kill()
    process.communicate()
    assert not path.exists()
    come = part.stat().st_size
    assert 0 < come < len(server.content)
    server.asked.clear()
    assert published.obtain(tiny, heard.append) == path
    assert server.asked == [("/slow/file", f"bytes={come}-")]
    assert path.read_bytes() == server.content
    assert sorted(file.name for file in path.parent.iterdir() if not file.name.endswith(".lock")) == (
        ["tiny.ckpt"] if verified else ["tiny.ckpt", "tiny.ckpt.sha256"]
    )
