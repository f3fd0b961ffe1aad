"""What a picture keeps of its experiment."""

from __future__ import annotations

import pytest
import yaml

from fastclipgen.experiments.stored import prompt_of, stored, text_of
from fastclipgen.result import Picture

from .tiny import experiment

TEXT = """
batch: 2
targets:
  - features: [{text: [a fox, a hill]}, {text: a lake, weight: -1}, {text: a mill, weight: -t}]
  - {active: false, features: [text: a sea]}
  - features: [{text: a mill}]
"""


def test_the_prompt_is_what_attracts() -> None:
    found = experiment(TEXT)
    assert [prompt_of(found, index) for index in range(2)] == ["a fox | a mill", "a hill | a mill"]
    assert text_of(("one",), 5) == "one"


@pytest.mark.parametrize(("index", "text"), [(0, "a fox"), (1, "a hill")])
def test_a_picture_alone(index: int, text: str) -> None:
    found = experiment(TEXT)
    kept = yaml.safe_load(stored(found, Picture("", 7 + index, index), ["builtin"]))
    assert (kept["seed"], kept.get("batch", 1), kept["model"]) == (7 + index, 1, ["builtin"])
    assert kept["targets"][0]["features"][0]["text"] == text
    assert kept["targets"][0]["features"][2]["weight"] == "-t"


def test_models_of_the_file_stay_where_nothing_was_left_open() -> None:
    found = experiment(TEXT + "model: [ViT-B/32, RN50]\n")
    assert yaml.safe_load(stored(found, Picture("", 7, 0)))["model"] == ["ViT-B/32", "RN50"]
