"""The run at hand: what it tells, and what it does when it is asked to between two steps."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
import torch

from fastclipgen.sampling.sampler import TokenInfo
from fastclipgen.serving.events import Feed
from fastclipgen.serving.live import Live

from .drawing import Info, wait_until


def live(leaves: float = 1e9) -> Live:
    made = Live("id", Feed(), lambda seconds: seconds >= leaves)
    made.begin(torch.device("cpu"), 10)
    return made


def info(step: int, loss: float = 0.5) -> Any:
    losses = torch.tensor([loss])
    return Info(step, 10, losses, (step, losses))


def test_progress() -> None:
    one = live()
    assert one.progress()[:6] == (0, 10, 0, 0, 0, [])
    assert one.progress().eta is None
    for step in (1, 2, 3, 4):
        assert one.after_step(info(step, 1 / step)) is False
        time.sleep(0.11)
    progress = one.progress()
    assert progress[:6] == (4, 10, 4, 10, 4, [0.25])
    assert 0.33 <= progress.seconds < 10
    assert progress.eta == pytest.approx(progress.seconds / 4 * 6, abs=0.06)
    # a snapshot waits for 100 times what the last one took, so on a busy machine not every step has one
    assert one.gallery.tag(0) in {f"0-{step}-0" for step in (1, 2, 3, 4)}


def test_a_loss_that_is_no_number_is_none() -> None:
    one = live()
    one.after_step(info(1, float("nan")))
    assert one.progress().losses == [None]


def test_tokens_have_no_loss_and_no_picture() -> None:
    one = live()
    assert one.after_step(TokenInfo(1, 64)) is False
    assert (one.progress().losses, one.gallery.tag(0)) == ([], None)


def test_a_pause_is_no_time_of_drawing() -> None:
    one, answers = live(), []
    one.after_step(info(1))
    one.pause(True)
    thread = threading.Thread(target=lambda: answers.append(one.after_step(info(2))))
    thread.start()
    time.sleep(0.3)
    assert answers == []
    one.pause(False)
    thread.join(10)
    assert answers == [False]
    before = one.progress().seconds
    one.after_step(info(3))
    assert one.progress().seconds - before < 0.25


@pytest.mark.parametrize("why", ["cancelled", "left"])
def test_a_paused_run_can_be_stopped(why: Any) -> None:
    one, answers = live(), []
    one.pause(True)
    thread = threading.Thread(target=lambda: answers.append(one.after_step(info(1))))
    thread.start()
    one.stop(why)
    thread.join(10)
    assert (answers, one.stopped, one.over()) == ([True], why, True)
    one.stop("cancelled")
    assert one.stopped == why  # the first reason holds


def test_a_paused_run_leaves_when_it_must() -> None:
    one = live(leaves=0.2)
    one.pause(True)
    assert one.after_step(info(1)) is True
    assert one.stopped == "left"


def test_the_last_lines_are_kept() -> None:
    one = live()
    for number in range(60):
        one.notice(f"line {number}")
    assert (len(one.notices), one.notices[-1]) == (50, "line 59")
    wait_until(lambda: one.feed.since(one.feed.here) == [])
