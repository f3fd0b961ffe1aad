"""Ctrl-C and SIGTERM, sent to the real command in the middle of a run, and the reader of its output going away."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageSequence

from fastclipgen.outputs.metadata import read_metadata
from fastclipgen.stop import Stop

LONG = [
    "--clip",
    "builtin",
    "--generator",
    "pixels",
    "--size",
    "16",
    "--views",
    "1",
    "--steps",
    "100000",
    "--compile",
    "off",
    "--seed",
    "5",
]


def default_signals() -> None:
    """A test that itself runs in the background may have been started with Ctrl-C ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@contextmanager
def running(folder: Path, *arguments: str) -> Iterator[tuple[Any, list[dict[str, Any]]]]:
    """The command after a few steps, and its events so far."""
    command = [sys.executable, "-m", "fastclipgen", "a red circle", *LONG, "--json", *arguments]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
        preexec_fn=default_signals,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        events = []
        for line in process.stdout:
            events.append(json.loads(line))
            if events[-1].get("step", 0) > 2:
                break
        try:
            yield process, events
        finally:
            process.kill()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_saves_what_there_is(tmp_path: Path, number: int, code: int) -> None:
    options = ["-n", "2", "-o", "{index}.png", "--video", "{index}.gif", "--frames", "100", "--grid", "grid.png"]
    with running(tmp_path, *options) as (process, events):
        process.send_signal(number)
        out, err = process.communicate(timeout=300)
    assert process.returncode == code
    assert err == ""
    events += [json.loads(line) for line in out.splitlines()]
    assert [event["event"] for event in events if event["event"] not in ("start", "step")] == [
        "notice", "picture", "video", "picture", "video", "grid", "done"
    ]  # fmt: skip
    assert events[-1]["interrupted"] is True
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0.gif", "0.png", "1.gif", "1.png", "grid.png"]
    done = read_metadata(tmp_path / "1.png")["steps_done"]
    assert 2 < done < 100_000
    with Image.open(tmp_path / "1.gif") as film:
        assert len(list(ImageSequence.Iterator(film))) >= 2


def test_a_second_ctrl_c_ends_at_once(tmp_path: Path) -> None:
    with running(tmp_path, "-o", "x.png", "--video", "x.mp4", "--frames", "5") as (process, _):
        process.send_signal(signal.SIGINT)
        for line in process.stdout:
            if json.loads(line)["event"] == "notice":
                break
        # stopped between two steps, or on its way to the files: the second one is told apart by what is left
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=300)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert not [path for path in tmp_path.iterdir() if path.suffix == ".tmp"]


def test_a_reader_that_leaves_does_not_cost_the_picture(tmp_path: Path) -> None:
    with running(tmp_path, "-o", "x.png", "--save-every", "5") as (process, _):
        process.stdout.close()
        snapshots = set()
        begun = time.monotonic()
        while len(snapshots) < 3 and time.monotonic() - begun < 300:  # it goes on after the pipe is closed
            time.sleep(0.1)
            snapshots = {path for path in tmp_path.iterdir() if path.suffix == ".png"}
        process.send_signal(signal.SIGINT)
        err = process.stderr.read()
        process.wait(timeout=300)
    assert (process.returncode, err) == (130, "")
    assert (tmp_path / "x.png").is_file()


def test_first_and_second_signal() -> None:
    said: list[str] = []
    signal.signal(signal.SIGINT, signal.default_int_handler)  # the tests may have been started with Ctrl-C ignored
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with Stop(said.append) as stop:
        assert not stop.asked
        assert stop.exit_code == 0
        signal.raise_signal(signal.SIGTERM)
        assert stop.asked
        assert stop.exit_code == 143
        assert len(said) == 1
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        with pytest.raises(SystemExit) as ended:
            signal.raise_signal(signal.SIGTERM)
        assert ended.value.code == 143
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before
    assert len(said) == 1


def test_an_ignored_signal_stays_ignored() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with Stop(pytest.fail) as stop:
            signal.raise_signal(signal.SIGINT)
            assert not stop.asked
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_line_that_is_being_written_is_no_obstacle() -> None:
    def busy(line: str) -> None:
        raise RuntimeError("reentrant call")

    with Stop(busy) as stop:
        signal.raise_signal(signal.SIGTERM)
        assert stop.asked


def test_outside_the_main_thread_nothing_is_touched() -> None:
    found = []

    def enter() -> None:
        with Stop(print):
            found.append(signal.getsignal(signal.SIGTERM))

    before = signal.getsignal(signal.SIGTERM)
    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert found == [before]
