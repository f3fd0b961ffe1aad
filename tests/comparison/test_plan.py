"""Where pictures lie, which of them are there already, and what may grow into what."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fastclipgen.comparison.entries import Entry
from fastclipgen.comparison.plan import KEY, Plan, Slot, check_same, kept, put_aside, stretches
from fastclipgen.errors import UserError
from fastclipgen.outputs.images import save_image

VAE = Entry("vae", {"generator": "vae", "steps": 3})
FAST = Entry("fast one", {"generator": "vae", "steps": 1})


def plan_in(folder: Path, *prompts: str, count: int = 1, seed: int = 5, entries: tuple[Entry, ...] = (VAE,)) -> Plan:
    return Plan(prompts or ("a", "b"), count, seed, entries, folder)


def test_seeds_are_those_of_one_run(tmp_path: Path) -> None:
    plan = plan_in(tmp_path, "a", "b", count=2)
    slots = plan.slots(VAE)
    assert [(slot.prompt, slot.number, slot.seed) for slot in slots] == [
        ("a", 0, 5), ("a", 0, 6), ("b", 1, 7), ("b", 1, 8)
    ]  # fmt: skip
    assert slots[3].path == tmp_path / "pictures/vae/b-8.png"
    assert plan.slots(FAST)[0].path == tmp_path / "pictures/fast-one/a-5.png"
    assert plan.row_heads == ["a (5)", "a (6)", "b (7)", "b (8)"]
    assert plan_in(tmp_path, "a", "b").row_heads == ["a", "b"]


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"prompts": ()}, "at least one prompt"),
        ({"entries": ()}, "at least one entry"),
        ({"count": 0}, "got count 0"),
        ({"seed": 2**63 - 1, "count": 2}, "expected a seed from 0"),
        ({"seed": -1}, "got -1"),
        ({"prompts": ("a", "b", "a")}, "the prompt 'a' is there twice"),
        ({"prompts": ("a|",)}, "both sides"),
    ],
)
def test_plans_that_cannot_be(values: dict[str, Any], sentence: str) -> None:
    plan = {"prompts": ("a",), "count": 1, "seed": 0, "entries": (VAE,), "folder": Path("x")}
    with pytest.raises(UserError, match=sentence):
        Plan(**{**plan, **values})


def test_the_last_seed_there_is(tmp_path: Path) -> None:
    assert plan_in(tmp_path, seed=2**63 - 2).slots(VAE)[1].seed == 2**63 - 1


def lay(slot: Slot, **changed: Any) -> None:
    of = {"entry": slot.entry.name, "prompt": slot.prompt, "seed": slot.seed, "asked": slot.entry.asked()}
    save_image(np.zeros((4, 4, 3), np.uint8), slot.path, {"settings": {"steps": 3}, KEY: {**of, **changed}})


def test_a_picture_that_is_there_is_done(tmp_path: Path) -> None:
    first, second = plan_in(tmp_path).slots(VAE)
    assert kept(first) is None
    lay(first, seconds=1.5)
    metadata = kept(first)
    assert metadata is not None
    assert metadata["settings"] == {"steps": 3}
    assert metadata[KEY]["seconds"] == 1.5
    assert kept(second) is None


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"asked": {"generator": "vae", "steps": 4}}, "pictures of 'vae' in .* was made with steps 4, and now it is 3"),
        ({"asked": {"generator": "vae", "steps": 3, "views": 2}}, "was made with views 2, and now it is None"),
        ({"asked": {"generator": "vae"}}, "was made with steps None, and now it is 3"),
        ({"prompt": "other"}, "was made with prompt 'other', and now it is 'a'"),
        ({"seed": 9}, "was made with seed 9, and now it is 5"),
        ({"asked": None}, "is no picture of a comparison"),
    ],
)
def test_a_picture_of_something_else_is_an_error(tmp_path: Path, changed: dict[str, Any], sentence: str) -> None:
    slot = plan_in(tmp_path).slots(VAE)[0]
    lay(slot, **changed)
    with pytest.raises(UserError, match=sentence):
        kept(slot)


def test_prompts_and_entries_may_be_added(tmp_path: Path) -> None:
    before = plan_in(tmp_path, "a", "b").identity()
    check_same(before, before, tmp_path)
    check_same(before, plan_in(tmp_path, "a", "b", "c", entries=(FAST, VAE)).identity(), tmp_path)


@pytest.mark.parametrize(
    ("now", "sentence"),
    [
        ({"prompts": ("a",)}, "was made with prompt 'b', and now it is None"),
        ({"prompts": ("b", "a")}, "was made with prompt 'a', and now it is 'b'"),
        ({"count": 2}, "was made with count 1, and now it is 2"),
        ({"seed": 6}, "was made with seed 5, and now it is 6"),
        ({"entries": (FAST,)}, "has an entry 'vae', which is not asked for now"),
        ({"entries": (Entry("vae", {"generator": "vae", "steps": 4}),)}, "entry 'vae' .* steps 3, and now it is 4"),
    ],
)
def test_nothing_else_may_change(tmp_path: Path, now: dict[str, Any], sentence: str) -> None:
    values = {"prompts": ("a", "b"), "count": 1, "seed": 5, "entries": (VAE,), "folder": tmp_path}
    with pytest.raises(UserError, match=sentence):
        check_same(Plan(**values).identity(), Plan(**{**values, **now}).identity(), tmp_path)


def test_a_folder_is_put_aside_under_a_free_name(tmp_path: Path) -> None:
    for expected in ("x-1", "x-2"):
        (tmp_path / "x").mkdir()
        assert put_aside(tmp_path / "x") == tmp_path / expected
        assert (tmp_path / expected).is_dir()
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("count", "missing", "parts"),
    [
        (1, [5, 6, 7], [[5, 6, 7]]),
        (1, [5, 7], [[5], [7]]),
        (2, [5, 6, 7, 8, 9, 10], [[5, 6, 7, 8, 9, 10]]),
        (2, [6, 7, 8, 9, 10], [[6], [7, 8, 9, 10]]),
        (2, [5, 6, 7], [[5, 6], [7]]),
        (2, [6, 7], [[6], [7]]),
        (3, [5, 7, 8, 9, 10], [[5], [7], [8, 9, 10]]),
        (3, [], []),
    ],
)
def test_what_one_run_can_draw(tmp_path: Path, count: int, missing: list[int], parts: list[list[int]]) -> None:
    slots = [slot for slot in plan_in(tmp_path, "a", "b", "c", count=count).slots(VAE) if slot.seed in missing]
    assert [[slot.seed for slot in part] for part in stretches(slots, count)] == parts
