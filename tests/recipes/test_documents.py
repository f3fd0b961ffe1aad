"""YAML files as trees with places, within bounds: any text gives a document or a UserError, within a second."""

from __future__ import annotations

import io
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastclipgen.errors import UserError
from fastclipgen.recipes.documents import MAX_BYTES, MAX_DEPTH, MAX_VALUES, Entry, parse_document, read_document

from ..timing import takes_less_than

TEXT = """epochs: 300
targets:
- name: a
  weight: .5
  features:
  - text: a red circle
- &b
  name: b
postproc: [{blur: 3}]
base: &base {x: 1, y: 2}
more:
  <<: *base
  y: 3
again: *b
"""


def test_values_are_those_of_yaml() -> None:
    assert parse_document(TEXT, "f").plain() == {
        "epochs": 300,
        "targets": [{"name": "a", "weight": 0.5, "features": [{"text": "a red circle"}]}, {"name": "b"}],
        "postproc": [{"blur": 3}],
        "base": {"x": 1, "y": 2},
        "more": {"x": 1, "y": 3},
        "again": {"name": "b"},
    }
    scalars = "a: 1\nb: 1.5\nc: yes\nd: ~\ne: '1'\nf: 30%\ng: 0x10\nh: text with blanks\ni: |\n  two\n  lines\n"
    assert list(parse_document(scalars, "f").plain().values()) == [
        1, 1.5, True, None, "1", "30%", 16, "text with blanks", "two\nlines\n",
    ]  # fmt: skip


def test_everything_knows_its_place() -> None:
    target = parse_document(TEXT, "f.yaml").value["targets"].value[0]
    assert target.value["weight"].where("targets[0].weight") == "f.yaml, line 4: targets[0].weight"
    assert target.value["features"].value[0].where() == "f.yaml, line 6"


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n", "~"])
def test_an_empty_text_is_an_empty_mapping(text: str) -> None:
    assert parse_document(text, "f").plain() == {}


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("a: 1\nb: 2\na: 3", r"^f, line 3: expected every key once, got 'a' again \(see line 1\)"),
        ("a:\n  b: 1\n c: 2", "^f, line 3: expected YAML, but did not find expected"),
        ("- 1\n- 2", "^f, line 1: expected keys with values"),
        ("text", "expected keys with values, such as 'epochs: 300', got 'text'"),
        ("a: 1\n---\nb: 2", "^f, line 2: expected one document"),
        ("1: a", "^f, line 1: expected a name as a key, got '1'"),
        ("on: a", "got 'True'; put a text like this into quotes"),
        ("? [a]\n: 1", "expected a name as a key"),
        ("a: *b", r"'\*b' refers to nothing above it"),
        ("a: &a [*a]", r"'\*a' stands within what it refers to"),
        ("a: &a\n  <<: *a", r"'\*a' stands within"),
        ("a:\n  <<: 3", "^f, line 2: expected keys with values after '<<'"),
        ("a: !!python/object/apply:os.system ['true']", "expected a list or keys with values"),
        ("a: !!python/name:os.system ''", "expected a number, a text or a date, got '' as 'python/name:os.system'"),
        ("a: !mine x", "got 'x' as '!mine'"),
        ("a: 2020-99-99", "got '2020-99-99' as 'timestamp'"),
        ("a: " + "9" * 200, "as 'int'"),
        ("a: \x00", "expected YAML, but"),
        ("[" * 200, f"at most {MAX_DEPTH} values within each other"),
        ("a: [" + "1," * MAX_VALUES + "]", "at most 5,000 values"),
        ("#" * (MAX_BYTES + 1), "at most 250,000 characters"),
    ],
)  # fmt: skip
def test_errors_name_file_and_line(text: str, match: str) -> None:
    with pytest.raises(UserError, match=match):
        parse_document(text, "f")


LAUGHS = "a0: &a0 [x, x]\n" + "".join(f"a{i + 1}: &a{i + 1} [{', '.join([f'*a{i}'] * 10)}]\n" for i in range(40))
NESTED = "a0: &a0 [x]\n" + "".join(f"a{i + 1}: &a{i + 1} [*a{i}]\n" for i in range(60))
BOMBS = {
    "laughs": LAUGHS, "nested": NESTED, "lists": "[" * 240_000, "maps": "{" * 240_000, "dashes": "- " * 120_000,
    "questions": "? " * 120_000, "flow": "[" + "1," * 120_000, "keys": "".join(f"k{i}: 1\n" for i in range(20_000)),
    "anchors": "".join(f"k{i}: &a{i} 1\n" for i in range(12_000)), "tags": "!" * 240_000, "comments": "#\n" * 120_000,
    "digits": "a: " + "9" * 240_000, "base 60": "a: " + ":".join(["1"] * 120_000),
    "quotes": 'a: "' + "x\\n" * 80_000 + '"',
    "floats": "a: " + "1:" * 120_000 + "1.5", "indents": "".join(" " * i + "a:\n" for i in range(600)),
    "colons": ":" * 240_000,
}  # fmt: skip


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_give_a_result_or_an_error_within_a_second(name: str) -> None:
    assert takes_less_than(1, lambda: _result_or_error(BOMBS[name]))


def test_aliases_that_explode_are_an_error() -> None:
    for bomb in (LAUGHS, NESTED):
        with pytest.raises(UserError, match="expected at most"):
            parse_document(bomb, "f")


def _result_or_error(text: str) -> None:
    try:
        assert isinstance(parse_document(text, "f"), Entry)
    except UserError as error:
        assert len(str(error)) < 400  # noqa: PT017


PIECES = st.sampled_from(
    [
        "a", "b", ": ", ":", "- ", "\n", "\n  ", "\n    ", "[", "]", "{", "}", ",", "&a ", "*a", "<<", "? ", "!!int ",
        "!!str ",
        "!!python/name:os.system ", "!x ", "|", ">", "'", '"', "#", "---", "...", "1", "1.5", "yes", "~", "2020-01-01",
        "%", "1:30", "!!binary ", "!!set ", "!!omap ", "=", "\t", "é", "\ud800",
    ]
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.text(max_size=80), st.lists(PIECES, max_size=30).map("".join)))
def test_any_text_gives_a_document_or_a_user_error(text: str) -> None:
    assert takes_less_than(1, lambda: _result_or_error(text))


def test_files_and_standard_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "f.yaml").write_bytes("\ufeffa: ä".encode())
    assert read_document(str(tmp_path / "f.yaml")).plain() == {"a": "ä"}
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(b"a: 1\nb: [")))
    with pytest.raises(UserError, match=r"^standard input, line \d: expected YAML"):
        read_document("-")


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "latin.yaml").write_bytes("a: ä".encode("latin-1"))
    (tmp_path / "large.yaml").write_bytes(b" " * (MAX_BYTES + 1))
    reasons = {"none.yaml": "No such file", "": "Is a directory", "latin.yaml": "utf-8", "large.yaml": "at most"}
    for name, match in reasons.items():
        with pytest.raises(UserError, match=match):
            read_document(str(tmp_path / name))
