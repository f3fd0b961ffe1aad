"""Drawing an entry: the pictures are those of a run, and what they cost is in their files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fastclipgen import generate
from fastclipgen.comparison import worker
from fastclipgen.comparison.plan import KEY, kept
from fastclipgen.comparison.worker import request_of
from fastclipgen.errors import UserError

from .tiny import PROMPTS, SETTINGS, plan_in


def draw(slots: list, count: int) -> list[dict[str, Any]]:
    heard: list[dict[str, Any]] = []
    worker.draw(request_of(slots, count), heard.append)
    return heard


def test_pictures_are_those_of_a_run_with_the_same_seeds(tmp_path: Path) -> None:
    plan = plan_in(tmp_path, count=2)
    slots = plan.slots(plan.entries[1])
    heard = draw(slots, 2)
    alone = generate(PROMPTS, generator="pixels", count=2, seed=5, **SETTINGS)
    for slot, result in zip(slots, alone, strict=True):
        with Image.open(slot.path) as image:
            assert np.array_equal(np.array(image), result.pixels)
        metadata = kept(slot)
        assert metadata is not None
        assert metadata["settings"] == result.metadata["settings"]
        cost = metadata[KEY]
        assert cost["seconds"] > 0
        assert (cost["compile_seconds"], cost["drawn_together"], cost["device"]) == (0, 4, "cpu")
        assert cost["peak_bytes"] >= 0  # nothing where there is room in what the process has kept
        assert cost["finite"] is True
    kinds = [event["event"] for event in heard]
    assert (kinds[0], kinds.count("step"), kinds.count("picture")) == ("start", 2, 4)
    assert heard[0]["ticks"] == 2


def test_what_is_missing_is_drawn_as_it_would_have_been(tmp_path: Path) -> None:
    whole, rest = plan_in(tmp_path / "a", "pixels", count=2), plan_in(tmp_path / "b", "pixels", count=2)
    draw(whole.slots(whole.entries[0]), 2)
    slots = rest.slots(rest.entries[0])
    heard = draw(slots[1:], 2)
    assert [event["pictures"] for event in heard if event["event"] == "start"] == [1, 2]
    assert not slots[0].path.exists()
    for slot, other in zip(slots[1:], whole.slots(whole.entries[0])[1:], strict=True):
        with Image.open(slot.path) as one, Image.open(other.path) as two:
            difference = np.abs(np.array(one, dtype=int) - np.array(two, dtype=int))
        assert difference.max() <= 2  # batches of another size round otherwise


def test_braces_in_the_folder_are_no_fields(tmp_path: Path) -> None:
    plan = plan_in(tmp_path / "{seed}", "pixels", prompts=("a",))
    [slot] = plan.slots(plan.entries[0])
    draw([slot], 1)
    assert slot.path.is_file()


def test_what_cannot_be_drawn_is_the_users_error(tmp_path: Path) -> None:
    plan = plan_in(tmp_path, "broken: vqgan vqgan=nowhere.ckpt")
    with pytest.raises(UserError, match=r"nowhere\.ckpt"):
        draw(plan.slots(plan.entries[0]), 1)


def test_the_process_tells_its_faults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Any) -> None:
    plan = plan_in(tmp_path, "pixels", prompts=("a",))
    request = request_of(plan.slots(plan.entries[0]), 1)
    handlers: list[int] = []
    monkeypatch.setattr(worker.signal, "signal", lambda number, handler: handlers.append(number))

    def faulty(*_: Any) -> None:
        print("a library's chatter")
        raise RuntimeError("shapes do not fit")

    monkeypatch.setattr(worker, "draw", faulty)
    monkeypatch.setattr(worker.os, "dup2", lambda *_: None)  # this process goes on after it
    assert worker.main(request) == 1
    last = capfd.readouterr().out.splitlines()[-1]
    assert "RuntimeError: shapes do not fit" in last
    assert "Traceback" in last
    assert handlers == [worker.signal.SIGTERM]
