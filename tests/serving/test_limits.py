"""What a request may ask for."""

from __future__ import annotations

from typing import Any

import pytest

from fastclipgen.config.run import make_config
from fastclipgen.errors import UserError
from fastclipgen.serving.limits import Limits, check, with_limits

LIMITS = Limits(
    side=100, pixels=5000, steps=10, pictures=4, text=20, clips=1, views=8, starts=2, tracks=2, candidates=3, option=64
)


@pytest.mark.parametrize(
    "settings",
    [
        {"width": 101},
        {"width": 90, "height": 90},
        {"steps": 11},
        {"count": 5},
        {"prompts": ["a", "b", "c"], "count": 2},
        {"prompts": ["a" * 15], "negative": ["b" * 15]},
        {"clip": ["builtin", "builtin"]},
        {"views": 3, "batches": 3},
        {"starts": 3},
        {"starts": 9, "tracks": 3},
        {"generator": "clip-gen", "candidates": 4},
        {"generator": "clip-gen", "refine": 11},
        {"generator_options": {"hidden": 65}},
        {"generator_options": {"resolutions": [8, 65]}},
    ],
)
def test_more_is_refused(settings: dict[str, Any]) -> None:
    config = make_config({"prompts": ["a"], **settings})
    with pytest.raises(UserError, match=r"expected at most \d+ for .* on this server, got \d+"):
        check(config, LIMITS)


def test_the_most_is_taken() -> None:
    check(make_config({"prompts": ["a" * 20], "width": 100, "height": 50, "steps": 10, "count": 4}), LIMITS)


def test_limits_are_read() -> None:
    limits = with_limits(Limits(), ["steps=5", "client-queue=7"])
    assert (limits.steps, limits.client_queue, limits.side) == (5, 7, Limits().side)


@pytest.mark.parametrize("text", ["steps", "steps=0", "steps=x", "steps=-1", "step=4"])
def test_other_limits_are_refused(text: str) -> None:
    with pytest.raises(UserError, match="steps"):
        with_limits(Limits(), [text])
