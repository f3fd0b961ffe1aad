from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from bench.schema import Spread, StepReport

RESULTS = Path(__file__).resolve().parents[2] / "bench" / "results"
SPREAD: dict[str, Any] = {"median": 2.0, "p5": 1.0, "p95": 3.0, "repeats": 5}


def report(device: str, picture_step: dict[str, Any] | None) -> dict[str, Any]:
    lane = {"batch": 1, "picture_step": picture_step, "peak_bytes": 1}
    return {
        "date": "2026-01-02T03:04:05+00:00",
        "machine": {
            "system": "Linux x86_64", "processor": "p", "cores": 2, "threads": 2, "memory_bytes": 1,
            "load_average": 0.5, "gpu": None, "python": "3.11.7", "torch": "2.15.0", "cuda": None,
            "open_clip": "3.3.0", "fastclipgen": "0.1.0",
        },
        "source": {"commit": "0" * 40, "changed": False},
        "device": device,
        "settings": {"generator": "vae"},
        "lanes": [{"name": "engine", **lane}, {"name": "plain", **lane}],
        "ratios": [{"slow": "plain@1", "fast": "engine@1", "times": SPREAD}],
        "quality": {"steps": 1, "pictures": 1, "before": 1.0, "engine": 0.5, "reference": 0.5},
    }  # fmt: skip


def test_seconds_are_kept_for_gpus_and_only_for_gpus() -> None:
    assert StepReport(**report("cpu", None)).lanes[0].picture_step is None
    assert StepReport(**report("cuda", SPREAD)).lanes[0].picture_step == Spread(**SPREAD)
    with pytest.raises(ValidationError, match="for GPUs only"):
        StepReport(**report("cpu", SPREAD))
    with pytest.raises(ValidationError, match="for GPUs only"):
        StepReport(**report("cuda", None))


@pytest.mark.parametrize(
    "wrong",
    [{"ratios": []}, {"date": "today"}, {"extra": 1}, {"source": {"commit": "main", "changed": False}}, {"version": 2}],
    ids=lambda wrong: next(iter(wrong)),
)
def test_refuses_what_is_not_the_form(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        StepReport(**(report("cpu", None) | wrong))


def test_a_spread_is_finite_and_in_order() -> None:
    with pytest.raises(ValidationError, match="p5 <= median"):
        Spread.model_validate(SPREAD | {"p5": 2.5})
    with pytest.raises(ValidationError):
        Spread.model_validate(SPREAD | {"p95": float("inf")})


def test_committed_results_have_the_form() -> None:
    for path in RESULTS.glob("*.json"):
        StepReport.model_validate_json(path.read_text(encoding="utf-8"))
