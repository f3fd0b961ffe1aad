"""From options to files: weights and card are written, options that cannot be are refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from fastclipgen.errors import UserError
from fastclipgen.training import run
from fastclipgen.training.export import save_half
from fastclipgen.training.loop import TrainOptions


class Tiny:
    def __init__(self, options: TrainOptions) -> None:
        self.model = nn.Linear(2, 1)

    def loss(self, step: int) -> tuple[Tensor, dict[str, Tensor]]:
        return self.model(torch.ones(1, 2)).square().sum(), {}

    def evaluate(self, model: nn.Module) -> dict[str, float]:
        return {"score": 0.5}

    def export(self, model: nn.Module, path: Path) -> dict[str, float]:
        assert model is not self.model, "the averaged weights are what ships"
        save_half(dict(model.state_dict()), path)
        return {"score": 0.25}


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "make_task", lambda model, options, bf16, refine: Tiny(options))


def train(out: Path, **changed: Any) -> dict[str, float]:
    options: dict[str, Any] = {
        "steps": 3,
        "batch": 8,
        "learning_rate": 0.01,
        "seed": 1,
        "precision": "fp32",
        "quiet": True,
    }
    return run.train("vae", out, **(options | changed))


def test_weights_and_card_are_written(tmp_path: Path) -> None:
    assert train(tmp_path / "run") == {"score": 0.25}
    weights = load_file(tmp_path / "run" / "shapes_vae.safetensors")
    assert {key: (value.dtype, tuple(value.shape)) for key, value in weights.items()} == {
        "weight": (torch.float16, (1, 2)),
        "bias": (torch.float16, (1,)),
    }
    card = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert card["held_out"] == {"score": 0.25}
    assert card["precision"] == "fp32"
    assert (card["options"]["steps"], card["options"]["seed"]) == (3, 1)


def test_it_goes_on_unless_told_not_to(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train(tmp_path)
    train(tmp_path, quiet=False)
    assert "going on from step 3 of 3" in capsys.readouterr().out
    with pytest.raises(UserError, match="another seed"):
        train(tmp_path, seed=2)
    train(tmp_path, seed=2, fresh=True)


@pytest.mark.parametrize(
    "wrong",
    [{"steps": 0}, {"steps": -5}, {"batch": 7}, {"learning_rate": 0.0}, {"learning_rate": float("nan")}],
)
def test_options_that_cannot_be(tmp_path: Path, wrong: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="expected --steps of 1 or more, --batch of 8"):
        train(tmp_path / "run", **wrong)
    assert not (tmp_path / "run").exists(), "nothing half-written"


def test_tensorboard_events(tmp_path: Path) -> None:
    train(tmp_path, tensorboard=True)
    assert list(tmp_path.glob("events.out.tfevents.*"))
