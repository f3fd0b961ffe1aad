"""Choices in texts: what they may be, how often, and that the seed decides."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest

from fastclipgen.errors import UserError
from fastclipgen.experiments.dump import dump
from fastclipgen.experiments.reading import experiment_of, read_experiment
from fastclipgen.experiments.sources import shaped
from fastclipgen.experiments.wildcards import choose, parse
from fastclipgen.recipes.documents import parse_document


def texts(text: str, head: str = "seed: 3\nbatch: 400") -> tuple[str, ...]:
    tree = parse_document(f"{head}\ntargets: [{{features: [text: '{text}']}}]", "x.yaml")
    return experiment_of(shaped(tree)).targets[0].features[0].texts


def all_of(text: str) -> set[str]:
    draw = random.Random(1).random
    return {choose(parse(text), draw, lambda name: [f"<{name}>", "{p|q}"]) for _ in range(100)}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain | text", {"plain | text"}), ("{a|b} fox", {"a fox", "b fox"}), ("{a|{b|c}}", {"a", "b", "c"}),
        ("{a}", {"a"}), ("{}x", {"x"}), ("{a|}x", {"ax", "x"}), ("{0::a|b}", {"b"}),
        (r"\{a\|b\} \_\\", {r"{a|b} _" "\\"}),
        ("__x__", {"<x>", "p", "q"}), ("a__b_c__d", {"a<b_c>d", "apd", "aqd"}), ("___", {"___"}),
        ("a_b__c", {"a_b__c"}),
    ],
)  # fmt: skip
def test_what_texts_may_become(text: str, expected: set[str]) -> None:
    assert all_of(text) == expected


def test_alternatives_come_by_their_weights() -> None:
    counts = Counter(texts("{3::a|b}"))
    assert 260 < counts["a"] < 340
    assert counts["a"] + counts["b"] == 400
    even = Counter(texts("{a|b|c|d}"))
    assert all(70 < even[letter] < 130 for letter in "abcd")


def test_the_seed_of_each_picture_decides() -> None:
    many = texts("{a|b|c} {d|e}")
    assert texts("{a|b|c} {d|e}") == many
    assert texts("{a|b|c} {d|e}", "seed: 4\nbatch: 399") == many[1:]
    assert texts("{a|b|c} {d|e}", "seed: 99\nbatch: 400") != many


def test_texts_without_a_choice_or_all_alike_are_one() -> None:
    assert texts("a fox") == ("a fox",)
    assert texts("a {fox}") == ("a fox",)


def test_lines_come_from_the_file_or_from_the_folder_beside_it(tmp_path: Path) -> None:
    (tmp_path / "wildcards" / "far").mkdir(parents=True)
    (tmp_path / "wildcards" / "place.txt").write_text("# where\na beach\n\n  a wood of __tree__\n")
    (tmp_path / "wildcards" / "far" / "off.txt").write_text("the moon")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "place.txt").write_text("a desert")
    path = tmp_path / "x.yaml"

    def found(wildcards: str, text: str, *overrides: str) -> set[str]:
        path.write_text(f"seed: 1\nbatch: 40\n{wildcards}\ntargets: [features: [text: '{text}']]")
        return set(read_experiment([str(path)], overrides).targets[0].features[0].texts)

    assert found("wildcards: {tree: [oaks]}", "__place__ __far/off__") == {
        "a beach the moon",
        "a wood of oaks the moon",
    }
    assert found("wildcards: other", "__place__") == {"a desert"}
    assert found("wildcards: false", "__place__") == {"__place__"}
    assert found("compat: clipig", "__place__ {a|b}") == {"__place__ {a|b}"}
    assert found("", "x", "targets.0.features.0.text=__far/off__") == {"the moon"}
    with pytest.raises(UserError, match=r"line 4: targets\[0\].features\[0\].text: .*did you mean 'place'"):
        found("", "__plce__")


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("{a", "'{' has no '}' after it"), ("a}", "'}' has no '{' before it"), ("{0::a|0::b}", "weight 0"),
        ("{" * 11 + "}" * 11, "more than 10 braces"), ("{a|b}" * 257, "at most 256 choices"),
        ("__../secret__", None), ("__/etc/passwd__", None),
    ],
)  # fmt: skip
def test_choices_that_do_not_fit(text: str, what: str | None) -> None:
    if what is None:
        assert texts(text) == (text,)
        return
    with pytest.raises(UserError, match=r"x\.yaml, line 3: targets") as error:
        texts(text)
    assert what in str(error.value)


def test_a_list_has_a_text_for_each_picture() -> None:
    def read(listed: str, head: str = "batch: 2") -> tuple[str, ...]:
        tree = parse_document(f"{head}\ntargets: [{{features: [text: {listed}]}}]", "x.yaml")
        return experiment_of(shaped(tree)).targets[0].features[0].texts

    assert read("[a, 2021]") == ("a", "2021")
    assert read("[a]") == ("a",)
    with pytest.raises(UserError, match="one for each of the 2 pictures of the batch, got 3"):
        read("[a, b, c]")
    with pytest.raises(UserError, match="expected a text"):
        read("[a, true]")


def test_what_was_chosen_is_in_the_complete_file_and_stays() -> None:
    tree = parse_document("seed: 3\nbatch: 9\ntargets: [features: [text: '{a|b} \\{c|d\\}']]", "x.yaml")
    first = experiment_of(shaped(tree))
    assert set(first.targets[0].features[0].texts) == {"a {c|d}", "b {c|d}"}
    again = experiment_of(shaped(parse_document(dump(first), "y.yaml")))
    assert again.targets[0].features[0].texts == first.targets[0].features[0].texts
