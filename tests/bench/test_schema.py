from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from bench.results import RESULTS, read
from bench.schema import READER, Spread

SPREAD: dict[str, Any] = {"median": 2.0, "p5": 1.0, "p95": 3.0, "repeats": 5}


@pytest.mark.parametrize(
    "suite", ["ops", "loops", "ladder", "sampling", "vqgan", "gan", "presets", "captions", "clipig", "batch"]
)
def test_seconds_are_kept_for_gpus_and_only_for_gpus(suite: str, reports: Any) -> None:
    for device, other in (("cpu", "cuda"), ("cuda", "cpu")):
        assert READER.validate_python(reports(device)[suite]).suite == suite
        with pytest.raises(ValidationError, match="for GPUs only"):
            READER.validate_python(reports(device)[suite] | {"device": other})


def test_ceilings_in_absolute_figures_are_for_gpus(reports: Any) -> None:
    with pytest.raises(ValidationError, match="ceilings: seconds are stored for GPUs"):
        READER.validate_python(reports("cuda")["ops"] | {"ceilings": None})


@pytest.mark.parametrize(
    "wrong",
    [
        {"lanes": []},
        {"date": "today"},
        {"extra": 1},
        {"source": {"commit": "main", "changed": False}},
        {"version": 1},
        {"suite": "other"},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_refuses_what_is_not_the_form(wrong: dict[str, Any], reports: Any) -> None:
    with pytest.raises(ValidationError):
        READER.validate_python(reports("cpu")["ops"] | wrong)


def test_a_spread_is_finite_and_in_order() -> None:
    with pytest.raises(ValidationError, match="p5 <= median"):
        Spread.model_validate(SPREAD | {"p5": 2.5})
    with pytest.raises(ValidationError):
        Spread.model_validate(SPREAD | {"p95": float("inf")})


def test_committed_results_have_the_form() -> None:
    assert len(read(RESULTS)) == len(list(RESULTS.rglob("*.json")))
