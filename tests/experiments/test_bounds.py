"""The largest files that the bounds let through, and some beyond them: each is read or refused within a second."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from itertools import islice
from pathlib import Path

import pytest

from fastclipgen.errors import UserError
from fastclipgen.experiments.reading import experiment_of
from fastclipgen.experiments.sources import shaped
from fastclipgen.recipes import work
from fastclipgen.recipes.documents import MAX_BYTES, parse_document
from fastclipgen.recipes.expressions import parse

from ..timing import takes_less_than

LINES = [f"{{a|b}}{n}" + "c" * 60 for n in range(2000)]


def transforms(values: Iterable[str], key: str = "noise", quoted: str = "'{}'") -> str:
    """As many of the values as a file may hold, each in a transform of its own."""
    found, size = [], 60
    for value in islice(values, 720):
        size += len(value) + len(key) + 8
        if size > MAX_BYTES:
            break
        found.append(f"{{{key}: {quoted.format(value)}}}")
    return f"targets: [{{transforms: [{', '.join(found)}]}}]"


def features(texts: Iterable[str], batch: int = 1, more: str = "") -> str:
    return f"batch: {batch}\n{more}targets: [{{features: [{', '.join(f'{{text: {text}}}' for text in texts)}]}}]"


def many(make: Callable[[int], str]) -> Iterable[str]:
    return map(make, range(10_000))


def repeated(part: str, count: int, between: str = "+") -> str:
    return between.join([part] * count)


FILES = {
    "ordinary": transforms(["random() + ts(.1, t)"] * 720),
    "different": transforms(many("random() + ts(.1, t + {})".format)),
    "long sums": transforms(many(lambda n: f"{repeated('t', 95)}+{n}")),
    "long lists": transforms(many(lambda n: f"max({repeated('t', 980, ',')},{n})")),
    "calls": transforms(many(lambda n: f"{repeated('sin(t)', 90)}+{n}")),
    "combinations": transforms(many(lambda n: f"{repeated('comb(40,20)', 90)}+{n}")),
    "constants": transforms(many(lambda n: f"{repeated('9', 95, '**')}+{n}")),
    "comparisons": transforms(many(lambda n: f"{repeated('t', 980, '<')}<{n}")),
    "indices": transforms(many(lambda n: f"{repeated('[t,t,t,t,t,t,t,t][epoch]', 60)}+{n}")),
    "negations": transforms(many(lambda n: "not " * 90 + f"t+{n}")),
    "lists of expressions": transforms(many(lambda n: repeated(f"t+{n}", 300, ","))),
    "parts": transforms(many(lambda n: f"max({repeated('t', 900, ',')}) + 1 + {n}")),
    "times": transforms((f"{{start: t*{n}, end: 'ts(.1,{n})', std: t+{n}}}" for n in range(380)), quoted="{}"),
    "one long word": transforms(["a" * 240_000]),
    "one long list": transforms(["1 " * 120_000]),
    "one long list of expressions": transforms(["t+1 " * 60_000]),
    "a list": f"postproc: [{{noise: [{', '.join(f't+{n}' for n in range(4900))}]}}]",
    "digits": transforms(many(lambda n: f"{n}" + "9" * 4200)),
    "unknown keys": f"postproc: [{', '.join(f'{{noisy{n}: 1}}' for n in range(1200))}]",
    "options": f"generator_options: {{{', '.join(f'k{n}: 1' for n in range(2400))}}}",
    "models": f"model: [{', '.join(f'RN50@{n}' for n in range(1, 4900))}]",
    "picture": f"init: {{image_tensor: {[[[1] * 38] * 40] * 3}}}",
    "targets": f"targets: [{', '.join(['{name: a}'] * 380)}]",
    "templates": (
        f"templates: {{a: {{{', '.join(f'k{n}: 1' for n in range(1100))}}}, b: {{c: 1}}}}\n"
        f"init: {{template: [a, {', '.join(['b'] * 2500)}]}}"
    ),
    "choices": features(["'" + "{a|b}" * 20 + "'"], 1000),
    "choices of many texts": features(["'" + "{a|b}" * 20 + "'"] * 490),
    "different choices": features(["'" + "{a|b}" * 20 + f"{n}'" for n in range(490)], 2),
    "many alternatives": features(["'{" + "a|" * 90_000 + "b}'"], 1000),
    "too many alternatives": features(["'{" + "a|" * 110_000 + "b}'"], 1000),
    "lines": features(["'" + "__x__" * 10 + "'"], 1000, f"wildcards: {{x: {LINES}}}\n"),
    "long lines": features(["'" + "__x__" * 250 + "'"], 8, f"wildcards: {{x: ['{'a' * 240_000}']}}\n"),
    "texts of each picture": features([f"['{{a|b}}', {', '.join(['c'] * 99)}]"] * 20, 100),
}  # fmt: skip


def takes_less_than_a_second(text: str) -> bool:
    def read() -> None:
        with contextlib.suppress(UserError):
            experiment_of(shaped(parse_document(text, "x.yaml")))

    return takes_less_than(1, read)


@pytest.mark.parametrize("name", FILES)
def test_a_file_takes_less_than_a_second(name: str) -> None:
    assert takes_less_than_a_second(FILES[name])


def test_many_ordinary_expressions_are_read() -> None:
    assert len(experiment_of(shaped(parse_document(FILES["ordinary"], "x.yaml"))).targets[0].transforms) == 720


@pytest.mark.parametrize("name", ["long sums", "long lists", "calls", "combinations"])
def test_expressions_share_one_bound_and_the_error_says_where(name: str) -> None:
    with pytest.raises(
        UserError, match=r"^x\.yaml, line 1: targets\[0\]\.transforms\[\d+\].*at most 40,000 operations"
    ):
        experiment_of(shaped(parse_document(FILES[name], "x.yaml")))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("too many alternatives", "texts with choices of at most 200,000 characters"),
        ("long lines", "lines of at most 10,000 characters"),
        ("templates", "templates that make at most 20,000 values"),
        ("one long list", "a list of length 1 or 3, got 120,?000"),
    ],
)
def test_what_is_too_much_is_refused_with_the_bound(name: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        experiment_of(shaped(parse_document(FILES[name], "x.yaml")))


def test_nothing_is_counted_outside_of_a_file_and_each_file_begins_anew() -> None:
    for _ in range(3):
        with work.bounded():
            work.spend(work.MAX_WORK)
    for _ in range(3):
        work.spend(work.MAX_WORK)
    assert parse("t + 1", "here", frozenset(["time"])).kind == "float"


def test_files_of_lines_share_one_bound(tmp_path: Path) -> None:
    for name in "abc":
        (tmp_path / f"{name}.txt").write_text("x\n" * 900_000)
    text = features(["__a__", "__b__", "__c__"], more=f"wildcards: {tmp_path}\n")
    with pytest.raises(UserError, match="at most 4,000,000 bytes of lines in all"):
        experiment_of(shaped(parse_document(text, "x.yaml")))
    assert takes_less_than_a_second(text)
