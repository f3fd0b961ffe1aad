"""Includes, templates and overrides."""

from __future__ import annotations

from pathlib import Path

import pytest

from fastclipgen.errors import UserError
from fastclipgen.experiments.overrides import parse_override
from fastclipgen.experiments.reading import read_experiment
from fastclipgen.experiments.sources import MAX_NESTED, read_tree, shaped
from fastclipgen.recipes.documents import parse_document


def tree(text: str, *overrides: str) -> object:
    return shaped(parse_document(text, "x.yaml"), [parse_override(one) for one in overrides]).plain()


def files(folder: Path, **texts: str) -> dict[str, str]:
    for name, text in texts.items():
        path = folder / name.replace("_", "/")
        path.parent.mkdir(exist_ok=True)
        path.with_suffix(".yaml").write_text(text)
    return {name: str((folder / name.replace("_", "/")).with_suffix(".yaml")) for name in texts}


def test_included_files_come_first_once_and_relative_to_their_file(tmp_path: Path) -> None:
    paths = files(
        tmp_path,
        main="include: [sub/a.yaml, sub/b.yaml]\nepochs: 3\ntargets: [{weight: 3}]",
        sub_a="include: c.yaml\nepochs: 1\nseed: 1\ntargets: [{weight: 1}]",
        sub_b="include: c.yaml\nseed: 2",
        sub_c="seed: 0\ntargets: [{weight: 0}]",
    )
    found = read_tree([paths["main"]]).plain()
    assert found == {"seed": 2, "epochs": 3, "targets": [{"weight": 0}, {"weight": 1}, {"weight": 3}]}


def test_a_file_named_twice_is_merged_twice(tmp_path: Path) -> None:
    path = files(tmp_path, main="targets: [{weight: 3}]")["main"]
    assert len(read_experiment([path, path]).targets) == 2


@pytest.mark.parametrize(
    ("include", "what"),
    [
        ("main.yaml", "includes this file in turn"), ("missing.yaml", "No such file"), ("3", "expected the path"),
        ("https://example.com/a.yaml", "on this machine"), ("[[a]]", "got a list"), ("'~nobody-here/a'", "expected"),
        ("'a\\0b'", "expected"),
    ],
)  # fmt: skip
def test_what_cannot_be_included(tmp_path: Path, include: str, what: str) -> None:
    path = files(tmp_path, main=f"epochs: 3\ninclude: {include}".replace("'a\\0b'", '"a\\0b"'))["main"]
    with pytest.raises(UserError, match=what):
        read_tree([path])


def test_circles_and_long_chains_of_files_are_refused(tmp_path: Path) -> None:
    paths = files(tmp_path, a="include: b.yaml", b="include: a.yaml")
    with pytest.raises(UserError, match="in turn"):
        read_tree([paths["a"]])
    chain = files(tmp_path, **{f"n{n}": f"include: n{n + 1}.yaml" for n in range(MAX_NESTED + 2)})
    with pytest.raises(UserError, match=f"at most {MAX_NESTED} files"):
        read_tree([chain["n0"]])


def test_templates_stand_below_own_keys_and_replace_lists() -> None:
    text = """
templates:
  a: {weight: 1, end: 5, features: [text: x], blur: {kernel_size: 3, sigma: 1}}
  b: {template: a, end: 6}
targets:
- {template: b, weight: 2, blur: {sigma: 2}}
- {template: [b, a], features: [], weight: }
"""
    blur = {"kernel_size": 3, "sigma": 1}
    assert tree(text) == {
        "targets": [
            {"weight": 2, "end": 6, "features": [{"text": "x"}], "blur": {"kernel_size": 3, "sigma": 2}},
            {"weight": 1, "end": 5, "features": [], "blur": blur},
        ]
    }


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("templates: {soft: {}}\ntemplate: sift", "unknown template 'sift'; did you mean 'soft'"),
        ("templates: {a: {template: b}, b: {x: {template: a}}}\ntemplate: a", "'a' uses itself by way of a, b"),
        ("template: 3", "expected the name of a template, got '3'"),
        ("templates: [a]", "expected templates by name, got a list"),
        ("templates: {a: 3}\ntemplate: a", "templates.a: expected keys with values, got '3'"),
    ],
)
def test_templates_that_do_not_fit(text: str, what: str) -> None:
    with pytest.raises(UserError, match=what):
        tree(text)


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("epochs=100", {"epochs": 100}), ("targets.0.weight=2", 2), ("targets[0].weight = 2", 2),
        ("targets.sky.weight=2", 2), ("targets.sky.features[0].text=a cat", "a cat"),
        ("targets.sky.transforms=[{noise: .1}]", [{"noise": 0.1}]), ("init.mean=.4", {"init": {"mean": 0.4}}),
        ("targets.0.weight=", None), ("targets.0.name='a: b'", "a: b"),
    ],
)  # fmt: skip
def test_overrides_reach_every_value(override: str, expected: object) -> None:
    found = tree("targets: [{name: sky, weight: 1, features: [text: x]}]", override)
    assert isinstance(found, dict)
    if isinstance(expected, dict):
        assert found.items() >= expected.items()
        return
    target = found["targets"][0]
    key = override.partition("=")[0].strip().split(".")[-1]
    assert (target["features"][0] if key == "text" else target)[key] == expected


def test_overrides_of_templates_come_before_them_and_may_ask_for_one() -> None:
    text = "templates: {a: {weight: 1}, b: {weight: 9}}\ntargets: [{template: a}, {}]"
    found = tree(text, "templates.a.weight=5", "targets.1.template=b")
    assert found == {"targets": [{"weight": 5}, {"weight": 9}]}


@pytest.mark.parametrize(
    ("override", "what"),
    [
        ("epochs", "expected a key path and a value"), ("=3", "expected a key path"), (".a=3", "expected a key path"),
        ("a..b=3", "expected a key path"), ("epochs=a: b: c", "expected YAML after"), ("a=1\nb: 2", "expected YAML"),
        ("targets.1.weight=2", "at targets the list has 1 items"), ("targets.sk.weight=2", "did you mean 'sky'"),
        ("targets.0.weight.x=2", "at targets.0.weight there is '1' and nothing within"),
        ("targets.0.features.0.text=2", "at targets.0.features there is no such list"),
    ],
)  # fmt: skip
def test_overrides_that_lead_nowhere(override: str, what: str) -> None:
    with pytest.raises(UserError, match=what):
        tree("targets: [{name: sky, weight: 1}]", override)


def test_errors_in_an_override_name_it(tmp_path: Path) -> None:
    path = files(tmp_path, main="epochs: 3")["main"]
    with pytest.raises(UserError, match=r"^override 'epoch=4': unknown key 'epoch'; did you mean 'epochs'"):
        read_experiment([path], ["epoch=4"])
    with pytest.raises(UserError, match=r"^override 'epochs=x': epochs: "):
        read_experiment([path], ["epochs=x"])
