from __future__ import annotations

import hashlib
from pathlib import Path

from fastclipgen.weights.files import hash_of, readable


def test_hashes(tmp_path: Path) -> None:
    (tmp_path / "abc").write_bytes(b"abc")
    assert hash_of(tmp_path / "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2
    # git's of the same content
    assert hash_of(tmp_path / "abc", hashlib.sha1(b"blob 3\0")) == "f2ba8f84ab5c1bce84a7b441cb1959cfc7093b7f"


def test_sizes_are_readable() -> None:
    sizes = [readable(size) for size in (0, 999, 1000, 605_156_676, 5_000_000_000)]
    assert sizes == ["0 B", "999 B", "1.0 kB", "605.2 MB", "5.0 GB"]
