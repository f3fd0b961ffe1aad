"""Starts the process that draws an entry (worker.py), and passes on what it says."""

from __future__ import annotations

import json
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from typing import IO, Any, NamedTuple

from fastclipgen.comparison.worker import Request, Tell

# Isolated, so that nothing in the folder at hand or in the environment can stand in for a module; where modules are
# found is what this process knows.
_BOOT = """
import json, sys
request = json.loads(sys.stdin.readline())
sys.path[:] = request.pop("path")
from fastclipgen.comparison.worker import main
sys.exit(main(request))
"""
_LISTENING = 0.2  # seconds between looks at whether the work is to end
_GRACE = 10.0  # seconds that a process has to end before it is killed


class Failure(NamedTuple):
    """Why an entry is not finished: a sentence, and where in the program, if that is of interest."""

    text: str
    traceback: str | None = None


def draw(request: Request, tell: Tell, interrupted: Callable[[], bool]) -> Failure | None:
    """Has the pictures of a request drawn; `tell` hears all events but "error", which become the answer. None where all
    went well, or where `interrupted` said that the work is to end."""
    failure: Failure | None = None
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as said:
        process = subprocess.Popen(
            [sys.executable, "-I", "-c", _BOOT],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=said,
            text=True,
            encoding="utf-8",
            start_new_session=True,  # Ctrl-C is for this process, which ends the other one
        )
        try:
            for event in _events(process, {**request, "path": sys.path}, interrupted):
                if event["event"] == "error":
                    failure = Failure(event["text"], event["traceback"])
                else:
                    tell(event)
            code = process.wait()
        finally:
            _end(process)
        if code and failure is None and not interrupted():
            failure = Failure(_cause(code, said))
    return failure


def _events(process: subprocess.Popen[str], request: dict[str, Any], interrupted: Callable[[], bool]):
    """What the process says, until it has nothing more to say or is to end."""
    lines: queue.Queue[str | None] = queue.Queue()

    def listen(stream: IO[str]) -> None:
        for line in stream:
            lines.put(line)
        lines.put(None)

    assert process.stdin is not None
    assert process.stdout is not None
    threading.Thread(target=listen, args=(process.stdout,), daemon=True).start()
    try:
        process.stdin.write(json.dumps(request) + "\n")
        process.stdin.close()
    except BrokenPipeError:  # it has ended already; its exit code says more
        pass
    while True:
        try:
            line = lines.get(timeout=_LISTENING)
        except queue.Empty:
            if interrupted():
                _end(process)
                return
            continue
        if line is None:
            return
        yield json.loads(line)
        if interrupted():
            _end(process)
            return


def _end(process: subprocess.Popen[str]) -> None:
    """Ends the process, if it has not ended."""
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(_GRACE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _cause(code: int, said: IO[str]) -> str:
    """Why a process ended that could not say it itself."""
    if code == -signal.SIGKILL:
        return "its process was killed by the system, which mostly means that memory ran out"
    if code < 0:
        return f"its process was ended by {signal.Signals(-code).name}"
    said.seek(0)
    lines = [line.strip() for line in said if line.strip()]
    return f"its process ended with code {code}" + (f": {lines[-1]}" if lines else "")
