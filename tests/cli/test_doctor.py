"""`fastclipgen doctor` from the command line; what it finds is tested in tests/test_doctor.py."""

from __future__ import annotations

from collections.abc import Callable


def test_doctor(cli: Callable) -> None:
    done = cli("doctor")
    assert (done.code, done.err) == (0, "")
    assert {"versions", "devices", "backends", "built-in weights"} <= set(done.out.splitlines())
