"""Several files as one."""

from __future__ import annotations

from typing import Any

import pytest

from fastclipgen.recipes.documents import Entry, parse_document
from fastclipgen.recipes.merge import merge


def merged(*texts: str) -> Entry:
    return merge([parse_document(text, f"{number}.yaml") for number, text in enumerate(texts, 1)])


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["a: 1"], {"a": 1}),
        (["a: 1\nb: 2", "b: 3\nc: 4"], {"a": 1, "b": 3, "c": 4}),
        (["init: {mean: 0, std: 1}", "init: {std: 2, image: x}"], {"init": {"mean": 0, "std": 2, "image": "x"}}),
        (["postproc: [{add: 1}]", "postproc: [{mul: 2}]"], {"postproc": [{"add": 1}, {"mul": 2}]}),
        (["resolution: [1, 2]", "resolution: [3, 4]"], {"resolution": [1, 2, 3, 4]}),
        (["a: [1]", "a: 2"], {"a": 2}),
        (["a: {b: 1}", "a: ~"], {"a": None}),
        (["targets: [{weight: 1}]", "targets: [{weight: 2}]"], {"targets": [{"weight": 1}, {"weight": 2}]}),
        (["targets: 3", "targets: [{name: a}]"], {"targets": [{"name": "a"}]}),
        (["", "a: 1", ""], {"a": 1}),
    ],
)
def test_mappings_merge_lists_follow_and_the_rest_is_overwritten(texts: list[str], expected: Any) -> None:
    assert merged(*texts).plain() == expected


def test_targets_of_one_name_are_merged() -> None:
    first = "targets:\n- {name: sky, weight: 1, features: [{text: x}]}\n- {name: sea}\n- {weight: 9}"
    later = (
        "targets:\n- {name: sea, weight: 5}\n- weight: 8\n- {name: sky, weight: 2, features: [text: y]}\n- name: new"
    )
    assert merged(first, later).plain()["targets"] == [
        {"name": "sky", "weight": 2, "features": [{"text": "x"}, {"text": "y"}]},
        {"name": "sea", "weight": 5},
        {"weight": 9},
        {"weight": 8},
        {"name": "new"},
    ]


def test_targets_of_one_name_in_one_file_stay_apart() -> None:
    assert len(merged("targets: [{name: a}, {name: a}]").plain()["targets"]) == 2
    later = merged("targets: [{name: a}, {name: a}]", "targets: [{name: a, weight: 2}]").plain()["targets"]
    assert later == [{"name": "a"}, {"name": "a", "weight": 2}]


def test_values_keep_the_place_they_come_from() -> None:
    tree = merged("a: {x: 1}\nb: 2", "\n\na:\n  y: 3")
    assert tree.value["b"].where("b") == "1.yaml, line 2: b"
    assert tree.value["a"].value["x"].where("a.x") == "1.yaml, line 1: a.x"
    assert tree.value["a"].value["y"].where("a.y") == "2.yaml, line 4: a.y"


def test_what_is_merged_is_not_changed() -> None:
    documents = [parse_document(text, "f") for text in ("targets: [{name: a}]", "targets: [{name: a, weight: 1}]")]
    merge(documents)
    assert documents[0].plain() == {"targets": [{"name": "a"}]}
