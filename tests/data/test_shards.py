"""Pictures in tar files: found without unpacking, read at their place, whatever is wrong with a shard."""

from __future__ import annotations

import gzip
import io
import tarfile
from pathlib import Path

import pytest

from fastclipgen.data.shards import Shards, expand, shards
from fastclipgen.errors import UserError

from . import photos


def shard(path: Path, numbers: range, caption: bytes = b"a picture") -> Path:
    """A tar file as WebDataset writes it: a picture, its caption and its data, by key."""
    with tarfile.open(path, "w") as archive:
        for number in numbers:
            for suffix, content in (("jpg", photos.png(number)), ("txt", caption), ("json", b"{}")):
                member = tarfile.TarInfo(f"{number:09}.{suffix}")
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    return path


def reds(found: Shards) -> list[int]:
    return [int(found.load(i)[0, 0, 0] * 255 + 0.5) for i in range(len(found))]


def test_pictures_of_all_shards_in_their_order(tmp_path: Path) -> None:
    paths = [shard(tmp_path / "0.tar", range(3)), shard(tmp_path / "1.tar", range(3, 8))]
    found = Shards(paths, pytest.fail)
    assert reds(found) == list(range(8))
    assert found.name(4) == f"{paths[1]}:000000004.jpg"
    assert found.identity() == Shards(paths, pytest.fail).identity() != Shards(paths[:1], pytest.fail).identity()


def test_empty_shards_between_others(tmp_path: Path) -> None:
    paths = [shard(tmp_path / f"{k}.tar", numbers) for k, numbers in enumerate([range(2), range(0), range(2, 3)])]
    assert reds(Shards(paths, pytest.fail)) == [0, 1, 2]


def test_a_shard_cut_short_serves_with_what_it_has(tmp_path: Path) -> None:
    path = shard(tmp_path / "0.tar", range(4), caption=b"x" * 5000)
    path.write_bytes(path.read_bytes()[:11000])  # within the second caption
    said: list[str] = []
    found = Shards([path], said.append)
    assert reds(found) == [0, 1]
    assert len(said) == 1
    assert "0.tar' ends too early" in said[0]


def test_a_picture_that_is_none_is_told_by_its_place(tmp_path: Path) -> None:
    path = tmp_path / "0.tar"
    with tarfile.open(path, "w") as archive:
        member = tarfile.TarInfo("a.png")
        member.size = 9
        archive.addfile(member, io.BytesIO(b"no png at"))
    found = Shards([path], pytest.fail)
    with pytest.raises(UserError, match=r"0\.tar, at byte 512' is not an image"):
        found.load(0)


def test_what_is_no_tar_file_is_refused(tmp_path: Path) -> None:
    packed = tmp_path / "0.tar.gz"
    packed.write_bytes(gzip.compress(shard(tmp_path / "0.tar", range(2)).read_bytes()))
    with pytest.raises(UserError, match="takes plain tar files"):
        shards(str(packed), pytest.fail)
    with pytest.raises(UserError, match="no such file"):
        shards(str(tmp_path / "{0..1}.tar"), pytest.fail)
    with pytest.raises(UserError, match="there are none in its 1 tar files"):
        shards(str(shard(tmp_path / "none.tar", range(0))), pytest.fail)


def test_names_with_ranges_and_stars(tmp_path: Path) -> None:
    assert expand("a{08..11}.tar") == ["a08.tar", "a09.tar", "a10.tar", "a11.tar"]
    assert expand("{0..1}/{2..3}") == ["0/2", "0/3", "1/2", "1/3"]
    assert expand("plain.tar") == ["plain.tar"]
    for k in range(2):
        shard(tmp_path / f"{k:02}.tar", range(3 * k, 3 * k + 3))
    for pattern in ("{00..01}.tar", "*.tar"):
        train, held_out = shards(str(tmp_path / pattern), pytest.fail)
        assert (len(train), len(held_out)) == (5, 1)
        assert held_out.name(0).endswith("01.tar:000000003.jpg")
