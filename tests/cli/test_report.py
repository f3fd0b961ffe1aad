"""What is printed where: a bar on a terminal, lines elsewhere, JSON lines, nothing."""

from __future__ import annotations

import errno
import io
import json
import os
import pty
import re
import select
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from PIL import Image

from fastclipgen.cli import report
from fastclipgen.cli.report import Reporter, one_line, to_json


def test_plain_lines(draw: Callable) -> None:
    done = draw("-n", 2)
    assert done.out == "out.png\nout-1.png\n"
    start, first, last = done.err.splitlines()
    assert start == "fastclipgen: pixels under eye (16 px), 16x16, seed 5..6"
    line = r"step {}/3  loss -?\d+\.\d{{4}}  \d+\.\d\d it/s  \d+ s left"
    assert re.fullmatch(line.format(1), first)
    assert re.fullmatch(line.format(3), last)


def test_quiet_prints_nothing(draw: Callable, cli: Callable) -> None:
    done = draw("--quiet", "--grid", "g.png", "--save-every", "1")
    assert (done.out, done.err) == ("", "")
    assert cli("x", "--quiet", "--steps", "-1").err.startswith("fastclipgen: error: ")


def test_json_events(draw: Callable) -> None:
    done = draw("--json", "--save-every", "2", "--video", "x.gif", "--grid", "g.png")
    assert done.err == ""
    kinds = [event["event"] for event in done.events]
    assert [kind for kind in kinds if kind != "step"] == ["start", "snapshot", "picture", "video", "grid", "done"]
    start, picture, last = done.event("start"), done.event("picture"), done.event("done")
    assert (start["settings"]["generator"], start["pictures"], start["clip"]) == ("pixels", 1, ["eye (16 px)"])
    steps = [event for event in done.events if event["event"] == "step"]
    assert [steps[0]["step"], steps[-1]["step"]] == [1, 3]
    assert all(event["steps"] == 3 and event["it_per_s"] > 0 for event in steps)
    assert picture["path"] == "out.png"
    assert (picture["prompt"], picture["seed"], picture["index"], picture["finite"]) == ("a red circle", 5, 0, True)
    assert last["pictures"] == 1
    assert last["seconds"] > 0
    assert last["interrupted"] is False


def test_notices_are_events(draw: Callable, folder: Path) -> None:
    pictures = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    pictures[0].save(folder / "two.gif", save_all=True, append_images=pictures[1:])
    done = draw("--json", "--init", "two.gif")
    assert done.event("notice")["text"] == "'two.gif' has 2 pictures; the first one is used"


def test_the_bar_of_a_terminal(draw: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps, rate, time left and loss; each path on a line of its own although the bar is on the same terminal."""
    master, slave = pty.openpty()
    with os.fdopen(slave, "w") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        monkeypatch.setattr(sys, "stdout", terminal)
        draw("-n", 2, "--deterministic", "--save-every", "2")
        terminal.flush()
        shown = b""
        while select.select([master], [], [], 0)[0]:  # a terminal hands over a few kilobytes at a time
            shown += os.read(master, 1 << 16)
    os.close(master)
    lines = [line.rpartition("\r")[2] for line in shown.decode().replace("\r\n", "\n").split("\n")]
    assert [line for line in lines if line.endswith(".png")] == [
        "out-step00002.png", "out.png", "out-step00002-1.png", "out-1.png"
    ]  # fmt: skip
    [bar] = [line for line in lines if "100%" in line]
    assert re.search(r"6/6 \[\d\d:\d\d<00:00, +[\d.]+(it/s|s/it), loss=-?\d\.\d{4}\]", bar)
    assert " 0/6 " in shown.decode()  # there before the first step


def info(value: float = 0.5) -> Any:
    return SimpleNamespace(step=1, known=None, loss=torch.tensor([value]))


def test_losses_are_read_now_and_then(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    clock = iter([0.0, *(second / 2 for second in range(200))])
    monkeypatch.setattr(report.time, "monotonic", lambda: next(clock))
    reporter = Reporter(100, quiet=False, as_json=False)
    for _ in range(100):
        reporter.step(info())
    lines = capsys.readouterr().err.splitlines()
    assert [int(line.split("/")[0].split()[1]) for line in lines] == [1, *range(11, 100, 10), 100]
    assert "2.00 it/s  0 s left" in lines[-1]
    assert "2.00 it/s  44 s left" in lines[1]  # (100 - 11) / 2


def test_quiet_reads_no_loss() -> None:
    Reporter(1, quiet=True, as_json=False).step(SimpleNamespace())


def test_numbers_that_json_lacks() -> None:
    text = to_json({"a": float("nan"), "b": [float("inf"), 1.5], "c": {"d": -float("inf")}, "e": "ü"})
    assert json.loads(text) == {"a": None, "b": [None, 1.5], "c": {"d": None}, "e": "ü"}
    assert text.isascii()


def test_one_line() -> None:
    assert one_line("a\nb\x1b[2Jc\u2028d\x9be") == r"a\nb\x1b[2Jc\u2028d\x9be"
    assert one_line("ein Löwe '♥'") == "ein Löwe '♥'"


@pytest.mark.parametrize("number", [errno.EPIPE, errno.ENOSPC])
def test_when_nobody_reads_the_run_goes_on(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    class Closed(io.StringIO):
        silenced = False

        def flush(self) -> None:
            if not self.silenced:
                raise OSError(number, "gone")

        def fileno(self) -> int:
            return 77

    def dup2(source: int, target: int) -> None:
        os.close(source)
        assert target == 77
        stream.silenced = True

    stream = Closed()
    monkeypatch.setattr(sys, "stdout", stream)
    calls = SimpleNamespace(dup2=dup2, open=os.open, devnull=os.devnull, O_WRONLY=os.O_WRONLY)
    monkeypatch.setattr(report, "os", calls)
    reporter = Reporter(1, quiet=False, as_json=False)
    reporter.written("picture", "a.png")
    assert stream.silenced
    reporter.written("picture", "b.png")
