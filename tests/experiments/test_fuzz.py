"""Whatever a file holds, reading it gives an experiment or one sentence, within a second."""

from __future__ import annotations

import contextlib
from typing import Any

import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from fastclipgen.errors import UserError
from fastclipgen.experiments import keys as known
from fastclipgen.experiments.dump import dump
from fastclipgen.experiments.experiment import Experiment
from fastclipgen.experiments.overrides import parse_override
from fastclipgen.experiments.reading import experiment_of
from fastclipgen.experiments.sources import shaped
from fastclipgen.experiments.templates import TEMPLATE
from fastclipgen.guidance.frame_constraints.registry import CONSTRAINTS
from fastclipgen.guidance.transforms.registry import TRANSFORMS
from fastclipgen.recipes.documents import parse_document

from ..timing import takes_less_than

_SLOW = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much)
QUICK = settings(max_examples=80, deadline=None, suppress_health_check=_SLOW, derandomize=True)

ODD = st.sampled_from(
    [
        None, True, 0, 1, -1, 3, 10**30, 0.5, float("nan"), float("inf"), "", " ", "50%", "1 - t", "t +", "1/0", "sim",
        "3 .35", "res",
        "{a|b}", "{a", "__x__", "\\{", "clipig", "builtin", "a\0b", "\ud800", "9" * 400, "(" * 200, "all",
        "fox", "random()", "cosine", "L2", "[1, 2]", "../x", "%", "nan", "1e999",
    ]
)  # fmt: skip
OPTIONS = sorted({name for kind in [*TRANSFORMS.values(), *CONSTRAINTS.values()] for name in kind.options})
KEYS = st.sampled_from(
    [
        *known.RUN, *known.SECTIONS, *known.SETTINGS, *known.INIT, *known.TARGET, *known.LISTS, *known.FEATURE_KEYS,
        *TRANSFORMS, *CONSTRAINTS, *OPTIONS, TEMPLATE, "multiply", "image_tensor", "nonsense", "", "a.b", "x",
    ]
)  # fmt: skip
TREES = st.recursive(
    ODD, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=12
)


def mappings(names: Any, values: Any = TREES) -> Any:
    return st.dictionaries(st.sampled_from(sorted(names)), values, max_size=3)


STEPS = st.lists(
    mappings([*TRANSFORMS, *known.STEP, TEMPLATE], ODD | mappings([*OPTIONS, *known.STEP], ODD)), max_size=3
)
LOSSES = st.lists(mappings(CONSTRAINTS, mappings([*OPTIONS, *known.CONSTRAINT_KEYS], ODD)), max_size=3)
TARGET = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(known.TARGET, ODD),
        "features": st.lists(mappings(known.FEATURE_KEYS, ODD | st.lists(ODD, max_size=2)), max_size=3),
        "transforms": STEPS,
        "constraints": LOSSES,
        TEMPLATE: st.sampled_from(["x", ["x", "y"], "z", 3]),
    },
)
FILE = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys([*known.RUN, *known.SETTINGS], ODD),
        "init": mappings(known.INIT, ODD),
        "model": ODD | st.lists(ODD, max_size=2),
        "targets": st.lists(TARGET, max_size=2),
        "postproc": STEPS,
        "templates": st.dictionaries(st.sampled_from(["x", "y"]), TARGET | TREES, max_size=2),
        "wildcards": ODD | st.dictionaries(st.just("x"), st.lists(ODD, max_size=2)),
    },
)


def read(text: str, overrides: list[str]) -> None:
    """Reads a text with overrides, and what is made of it again; lets anything but a UserError through."""
    found: list[Experiment] = []

    def once() -> None:
        found.clear()
        with contextlib.suppress(UserError):
            found.append(
                experiment_of(shaped(parse_document(text, "x.yaml"), [parse_override(one) for one in overrides]))
            )

    assert takes_less_than(1, once)
    if found:
        written = dump(found[0])
        assert dump(experiment_of(shaped(parse_document(written, "y.yaml")))) == written


@given(FILE)
@QUICK
def test_nearly_right_files(tree: dict[str, Any]) -> None:
    read(yaml.safe_dump(tree, allow_unicode=True), [])


@given(st.dictionaries(KEYS, TREES, max_size=5))
@QUICK
def test_any_tree_of_known_and_unknown_keys(tree: dict[str, Any]) -> None:
    read(yaml.safe_dump(tree), [])


@given(st.text(max_size=200))
@example("targets: &a [*a]")
@example("a: &a {b: *a}")
@QUICK
def test_any_text(text: str) -> None:
    read(text, [])


@given(FILE, st.lists(st.text(alphabet="targets.0[1]=fux:{ ", max_size=30) | st.builds("{}={}".format, KEYS, ODD)))
@QUICK
def test_any_override(tree: dict[str, Any], overrides: list[str]) -> None:
    read(yaml.safe_dump(tree), overrides)


def test_what_could_take_long_is_refused_in_time() -> None:
    doubling = ", ".join(f"t{n}: {{a: {{template: t{n + 1}}}, b: {{template: t{n + 1}}}}}" for n in range(40))
    wild = ", ".join(f"w{n}: ['__w{n + 1}__ __w{n + 1}__']" for n in range(40))
    for text in (
        f"templates: {{{doubling}, t40: {{a: 1}}}}\ntargets: [{{template: t0}}]",
        f"wildcards: {{{wild}, w40: [x]}}\ntargets: [{{features: [text: __w0__]}}]",
        "wildcards: {a: [__a__]}\ntargets: [{features: [text: __a__]}]",
        "templates: {a: {template: b}, b: {template: a}}\ntemplate: a",
        "batch: 1000\ntargets: [{features: [" + ", ".join(["text: '{a|b}'"] * 600) + "]}]",
        "targets: [{transforms: [" + ", ".join(["{noise: 'random() + ts(.1, t)'}"] * 100) + "]}]",
        "targets: [{features: [text: '" + "{" * 100_000 + "']}]",
    ):
        read(text, [])
