"""Scores of pictures by CLIPs, against cosines that are known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from fastclipgen.comparison import scores
from fastclipgen.comparison.scores import Eyes, guides, last_phase
from fastclipgen.perceptors import as_perceptor
from fastclipgen.perceptors.auto import LoadedPerceptor

TEXTS = {"red": (1.0, 0.0, 0.0), "green": (0.0, 1.0, 0.0), "both": (3.0, 4.0, 0.0)}


class Mean(nn.Module):
    """Sees the mean colour; texts are directions of colours."""

    image_size = 8

    def encode_image(self, views: Tensor) -> Tensor:
        return views.mean((2, 3)) + 1e-6

    def encode_text(self, texts: list[str]) -> Tensor:
        return torch.tensor([TEXTS.get(text, (0.0, 0.0, 1.0)) for text in texts])


@pytest.fixture
def eyes(monkeypatch: pytest.MonkeyPatch) -> Eyes:
    calls: list[str] = []

    def resolve(specs: list[str], *_: Any) -> list[LoadedPerceptor]:
        calls.extend(specs)
        return [LoadedPerceptor(as_perceptor(Mean()), 1.0, specs[0], False)]

    monkeypatch.setattr(scores, "resolve", resolve)
    made = Eyes(torch.device("cpu"), print)
    made.calls = calls  # pyright: ignore[reportAttributeAccessIssue]
    return made


def plain(*colour: int, height: int = 8, width: int = 8) -> np.ndarray:
    return np.broadcast_to(np.array(colour, np.uint8), (height, width, 3)).copy()


def test_scores_are_cosines_with_the_own_prompt(eyes: Eyes) -> None:
    pixels = [plain(255, 0, 0), plain(255, 0, 0, height=20), plain(0, 200, 0)]
    seen = eyes.see("m", pixels)
    assert seen.shape == (3, 3)
    found = eyes.scores("m", seen, ["red", "both", "both"])
    assert found == pytest.approx([100, 60, 80], abs=0.01)
    assert eyes.scores("m", seen, ["green", "both", "red"]) == pytest.approx([0, 60, 0], abs=0.01)
    assert eyes.calls == ["m"]  # pyright: ignore[reportAttributeAccessIssue]


def test_joined_prompts_count_by_their_weights(eyes: Eyes) -> None:
    seen = eyes.see("m", [plain(255, 0, 0)] * 3)
    found = eyes.scores("m", seen, ["red:3|green:1", "red:1|both:-1", "green ^ red"])
    assert found == pytest.approx([75, 20, 100], abs=0.01)


def test_several_guides_are_one_score(eyes: Eyes) -> None:
    seen = {"m": eyes.see("m", [plain(255, 0, 0)]), "n": eyes.see("n", [plain(0, 255, 0)])}
    assert eyes.guided({"m": 3.0, "n": 1.0}, seen, ["red"]) == pytest.approx([75], abs=0.01)


def test_guides_of_settings() -> None:
    assert guides(["builtin", "RN50:openai@0.5", "builtin@2"]) == {"builtin": 3.0, "RN50:openai": 0.5}


def test_a_finished_picture_follows_the_last_phase() -> None:
    assert [part.text for part in last_phase("a|b:0 ^ c|d")] == ["c", "d"]
    assert [part.text for part in last_phase("a|b:0")] == ["a"]
