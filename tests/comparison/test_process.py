"""The process of an entry seen from outside, with small programs in the place of the one that draws."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest

from fastclipgen.comparison import process
from fastclipgen.comparison.worker import Request

REQUEST: Request = {"entry": "x", "settings": {}, "count": 1, "pictures": []}


def run(
    monkeypatch: pytest.MonkeyPatch, program: str, interrupted: Any = lambda: False
) -> tuple[process.Failure | None, list[dict[str, Any]]]:
    monkeypatch.setattr(process, "_BOOT", program)
    heard: list[dict[str, Any]] = []
    return process.draw(REQUEST, heard.append, interrupted), heard


def test_events_are_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    program = """
import json, sys
request = json.loads(sys.stdin.readline())
assert request["path"] and request["entry"] == "x"
for step in range(3): print(json.dumps({"event": "step", "step": step}))
"""
    failure, heard = run(monkeypatch, program)
    assert failure is None
    assert [event["step"] for event in heard] == [0, 1, 2]


def test_an_error_is_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    program = """
import json, sys
print(json.dumps({"event": "error", "text": "it is broken", "traceback": "line 3"})); sys.exit(1)
"""
    assert run(monkeypatch, program) == (process.Failure("it is broken", "line 3"), [])


@pytest.mark.parametrize(
    ("program", "text"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "killed by the system, .* memory ran out"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "ended by SIGSEGV"),
        ("import sys; print('no such thing', file=sys.stderr); sys.exit(3)", "ended with code 3: no such thing$"),
        ("import sys; sys.exit(3)", "ended with code 3$"),
    ],
)
def test_a_process_that_says_nothing_has_a_cause_too(monkeypatch: pytest.MonkeyPatch, program: str, text: str) -> None:
    failure, heard = run(monkeypatch, program)
    assert heard == []
    assert failure is not None
    assert re.search(text, failure.text)


def test_an_interruption_ends_it_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    begun = time.monotonic()
    failure, heard = run(monkeypatch, "import time; time.sleep(60)", lambda: time.monotonic() > begun + 0.3)
    assert (failure, heard) == (None, [])
    assert time.monotonic() - begun < 20


def test_an_exception_here_leaves_no_process_there(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[Any] = []
    popen = process.subprocess.Popen
    monkeypatch.setattr(
        process.subprocess, "Popen", lambda *args, **kwargs: started.append(popen(*args, **kwargs)) or started[0]
    )
    monkeypatch.setattr(process, "_BOOT", 'import time; print(\'{"event": "step"}\', flush=True); time.sleep(60)')

    def broken(event: dict[str, Any]) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        process.draw(REQUEST, broken, lambda: False)
    assert started[0].poll() is not None
