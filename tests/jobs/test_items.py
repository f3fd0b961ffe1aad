"""Rows become pictures with seeds and groups, and are known again whatever happens to the rows around them."""

from __future__ import annotations

import json
from typing import Any

from fastclipgen.jobs.items import Item, make_items
from fastclipgen.jobs.rows import Row

SEED = 10


def items_of(*rows: dict[str, Any] | str, **defaults: Any) -> list[Item]:
    made = [Row(i, {"prompts": [row]} if isinstance(row, str) else row) for i, row in enumerate(rows, 1)]
    items, refused = make_items(made, {"count": 1, **defaults}, SEED)
    assert not refused
    return items


def test_seeds_count_up_through_the_file() -> None:
    found = items_of("a", {"prompts": ["b"], "seed": 5, "count": 2}, "c", count=3)
    assert [(item.prompt, item.seed) for item in found] == [
        ("a", 10), ("a", 11), ("a", 12), ("b", 5), ("b", 6), ("c", 15), ("c", 16), ("c", 17),
    ]  # fmt: skip


def test_a_row_added_behind_the_others_changes_none_of_them() -> None:
    assert items_of("a", "b", "c")[:2] == items_of("a", "b")


def test_an_item_is_known_by_what_it_is_to_become() -> None:
    [plain] = items_of("a")
    assert items_of("a", device="cpu", memory="1GiB")[0].key == plain.key
    others = [
        items_of("b"),
        items_of("a", steps=3),
        items_of({"prompts": ["a"], "seed": 11}),
        items_of("a", clip=["x"]),
    ]
    assert len({plain.key, *(one[0].key for one in others)}) == 5


def test_rows_with_the_same_settings_are_one_group() -> None:
    found = items_of(
        "a", {"prompts": ["b"], "steps": 3}, {"prompts": ["c"], "seed": 1}, {"prompts": ["d"], "steps": "3"}
    )
    assert found[0].group == found[2].group != found[1].group == found[3].group
    assert json.loads(found[1].group)["steps"] == 3
    assert "prompts" not in json.loads(found[1].group)


def test_a_row_with_a_generator_goes_without_what_belongs_to_another() -> None:
    found = items_of({"prompts": ["a"], "generator": "stack"}, generator="vqgan", vqgan="x.ckpt")
    assert json.loads(found[0].group)["vqgan"] is None
    own = items_of({"prompts": ["a"], "generator": "vqgan"}, generator="vqgan", vqgan="x.ckpt")
    assert json.loads(own[0].group)["vqgan"] == "x.ckpt"


def test_what_cannot_be_is_refused_with_its_line_and_moves_no_seed() -> None:
    bad = [Row(2, {"prompts": ["b"], "steps": "many"}), Row(3, {}, "is not JSON")]
    rows = [Row(1, {"prompts": ["a"]}), *bad, Row(4, {"prompts": ["c"]})]
    items, refused = make_items(rows, {"count": 2}, SEED)
    assert [item.seed for item in items] == [10, 11, 16, 17]
    assert [row.line for row in refused] == [2, 3]
    assert "setting 'steps'" in refused[0].error
    assert refused[1].error == "is not JSON"
    _, refused = make_items([Row(1, {"count": 1})], {}, SEED)
    assert "expected a prompt" in refused[0].error
    _, refused = make_items([Row(1, {"prompts": ["a"], "seed": 2**63 - 1, "count": 2})], {}, SEED)
    assert "seeds" in refused[0].error
