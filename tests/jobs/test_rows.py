"""Batch files of every kind, and what is said of those that make no sense."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fastclipgen.errors import UserError
from fastclipgen.jobs.rows import Row, read_rows


def rows_of(tmp_path: Path, name: str, text: str) -> list[Row]:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return read_rows(path)


def test_a_text_file_has_a_prompt_a_line(tmp_path: Path) -> None:
    found = rows_of(tmp_path, "a.txt", "\ufeffa fox\n\n# not this\n  a red bus:2|snow  \n")
    assert found == [Row(1, {"prompts": ["a fox"]}), Row(4, {"prompts": ["a red bus:2|snow"]})]


def test_a_csv_has_settings_of_its_own(tmp_path: Path) -> None:
    text = 'prompt,steps,size,negative,generator-options\n"a fox, red",20,64x32,,\n,,,,\na bus,,,blur,"{""norm"": 2}"\n'
    assert rows_of(tmp_path, "a.csv", text) == [
        Row(2, {"prompts": ["a fox, red"], "steps": "20", "width": 64, "height": 32}),
        Row(4, {"prompts": ["a bus"], "negative": ["blur"], "generator_options": {"norm": 2}}),
    ]


def test_json_lines_are_objects_or_texts(tmp_path: Path) -> None:
    lines = [json.dumps({"prompt": "a fox", "seed": 3}), "", json.dumps("a bus"), "{", "7"]
    one, two, broken, number = rows_of(tmp_path, "a.jsonl", "\n".join(lines))
    assert (one, two) == (Row(1, {"prompts": ["a fox"], "seed": 3}), Row(3, {"prompts": ["a bus"]}))
    assert (broken.line, number.line) == (4, 5)
    assert "is not JSON" in (broken.error or "")
    assert "expected a prompt or a mapping" in (number.error or "")


def test_yaml_has_defaults_and_lines(tmp_path: Path) -> None:
    text = "defaults: {steps: 7}\njobs:\n- a fox\n- prompt: a bus\n  steps: 9\n  size: [64, 32]\n"
    assert rows_of(tmp_path, "a.yaml", text) == [
        Row(3, {"prompts": ["a fox"], "steps": 7}),
        Row(4, {"prompts": ["a bus"], "steps": 9, "width": 64, "height": 32}),
    ]
    assert rows_of(tmp_path, "b.yml", "- a fox\n") == [Row(1, {"prompts": ["a fox"]})]


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("a.txt", "# nothing\n", "has no rows"),
        ("a.doc", "a fox", "expected a batch file that ends in"),
        ("a.csv", "promt\na fox\n", "did you mean 'prompt'"),
        ("a.csv", "prompt,prompt\na,b\n", "names a column twice"),
        ("a.csv", 'prompt\n"a fox\n', "is no CSV"),
        ("a.yaml", "jobs: [a, b\n", "is no YAML"),
        ("a.yaml", "job: [a]\n", "did you mean 'jobs'"),
        ("a.yaml", "jobs: a fox\n", "must hold a list"),
        ("a.yaml", "[" * 9000, "is no YAML"),
        ("a.yaml", "3: 4\n", "unknown key"),
    ],
)
def test_a_file_that_makes_no_sense_is_one_sentence(tmp_path: Path, name: str, text: str, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        rows_of(tmp_path, name, text)


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ('{"prompt": "a", "step": 3}', "did you mean 'steps'"),
        ('{"prompt": "a", "trust_gan": true}', "unknown setting 'trust_gan'"),
        ('{"prompt": 3}', "expected a prompt as a text"),
        ('{"prompt": "a", "size": "big"}', "expected WIDTHxHEIGHT"),
        ('{"prompt": "a", "size": 32, "width": 3}', "are both given"),
    ],
)
def test_a_row_that_makes_no_sense_leaves_the_others(tmp_path: Path, line: str, sentence: str) -> None:
    good, bad = rows_of(tmp_path, "a.jsonl", f'"a fox"\n{line}\n')
    assert good.error is None
    assert sentence in (bad.error or "")


def test_files_that_are_no_text_and_none_at_all(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"\xff\xfe\x00a")
    for name in ("a.txt", "none.txt"):
        with pytest.raises(UserError, match="cannot read the batch file"):
            read_rows(tmp_path / name)
