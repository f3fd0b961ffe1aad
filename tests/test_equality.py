"""Rows of docs/determinism.md that belong to whole runs: what changes rounding, and nothing more."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from fastclipgen import generate
from fastclipgen.config.resources import choose_compiling
from fastclipgen.config.run import make_config
from fastclipgen.errors import UserError

SETTINGS: dict[str, Any] = {
    "clip": ["builtin"], "generator": "pixels", "width": 32, "height": 32, "steps": 2, "views": 2, "starts": 1,
    "tracks": 1, "seed": 3, "compile": "off",
}  # fmt: skip


def picture(**others: Any) -> np.ndarray:
    """uint8 [H, W, 3]; a few steps, so that a last bit has no time to grow."""
    settings: dict[str, Any] = SETTINGS | {"device": "cpu"} | others
    [result] = generate(["a red circle"], **settings)
    return result.pixels


def apart(one: np.ndarray, other: np.ndarray) -> float:
    """The mean distance in levels of 0..255."""
    return float(np.abs(one.astype(int) - other).mean())


@pytest.mark.parametrize("deterministic", [False, True])
def test_threads_change_rounding_at_most(deterministic: bool) -> None:
    before = torch.get_num_threads()
    found = []
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            found.append(picture(deterministic=deterministic))
    finally:
        torch.set_num_threads(before)
    assert apart(*found) < 0.5
    assert apart(found[0], picture(seed=4)) > 2  # another picture is much farther away


def test_nothing_deterministic_is_compiled() -> None:
    settings = {**SETTINGS, "prompts": ["x"], "deterministic": True}
    choice = choose_compiling(make_config(settings | {"compile": "auto"}), (), 1, 1, torch.device("cpu"), False)
    assert not choice.on
    assert "the run is deterministic" in choice.why
    with pytest.raises(UserError, match="compile on and deterministic do not go together"):
        make_config(settings | {"compile": "on"})


@pytest.mark.gpu
def test_another_device_changes_rounding_at_most() -> None:
    assert apart(picture(), picture(device="cuda", precision="fp32")) < 1
