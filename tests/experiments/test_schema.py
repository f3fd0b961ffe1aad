"""The JSON Schema takes what the reader takes, and refuses what it refuses as far as a schema can."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from fastclipgen.experiments.dump import dump
from fastclipgen.experiments.reading import read_experiment
from fastclipgen.experiments.schema import schema
from fastclipgen.recipes.documents import parse_document

EXAMPLES = sorted((Path(__file__).parent / "yaml").glob("*.yaml"))
VALIDATOR = jsonschema.Draft202012Validator(json.loads(json.dumps(schema())))


def test_it_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(schema())


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_examples_and_their_complete_files_fit(path: Path) -> None:
    for text in (path.read_text(), dump(read_experiment([str(path)]))):
        VALIDATOR.validate(parse_document(text, path.name).plain())


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("epoch: 3", False), ("epochs: [3]", False), ("epochs: 3*2", True), ("epochs:", True),
        ("resolution: [1, 2, 3]", False),
        ("resolution: [1, 2]", True), ("targets: {}", False), ("targets: [{wait: 3}]", False), ("targets:", True),
        ("targets: [{transforms: [{resize: 3}]}]", True), ("targets: [{transforms: [{noise: }]}]", False),
        ("targets: [{transforms: [{blur: 3 .35}]}]", True), ("targets: [{transforms: [{border: }]}]", True),
        ("targets: [{transforms: [{noise: {}}]}]", False),
        ("targets: [{transforms: [{random_shift: [1, 2, 3]}]}]", False),
        ("targets: [{transforms: [{random_rotate: }]}]", True), ("targets: [{transforms: [{edge: true}]}]", True),
        ("targets: [{constraints: [{blur: {weight: sim}}]}]", True), ("targets: [{constraints: [{blur: 3}]}]", False),
        ("postproc: [{multiply: .9}]", True), ("postproc: [{resize: 3}]", False), ("compat: clipig", True),
        ("compat: pixray", False), ("compile: perhaps", False), ("compile: on", True),
        ("compile: auto", True), ("optimizer: rmsprop", True), ("wildcards: {a: [b]}", True),
        ("wildcards: true", False),
        ("targets: [{template: a, features: [{text: [a, b]}]}]", True), ("include: [a, b]", True),
    ],
)  # fmt: skip
def test_keys_and_kinds_are_checked(text: str, fits: bool) -> None:
    assert VALIDATOR.is_valid(parse_document(text, "x.yaml").plain()) is fits
