"""The training loop: exact resume, averages, the learning rate, and how it stops when something is wrong."""

from __future__ import annotations

import json
import math
import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from fastclipgen.errors import UserError
from fastclipgen.training.loop import Training, TrainOptions, learning_rate
from fastclipgen.training.task import Partner, Recipe

OPTIONS = TrainOptions(steps=6, batch=4, learning_rate=0.05, warmup=2, ema=0.9, seed=3, evaluate_every=2, save_every=3)


class Line:
    """Fits a line through points that depend on the step's number alone; a batch norm stands for buffers."""

    def __init__(self, seed: int = 0, broken_from: int | None = None, interrupt_at: int | None = None) -> None:
        self.model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Linear(3, 1))
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for parameter in self.model.parameters():
                parameter.copy_(torch.randn(parameter.shape, generator=generator))
        self.broken_from, self.interrupt_at = broken_from, interrupt_at
        self.seen: list[int] = []

    def loss(self, step: int) -> tuple[Tensor, dict[str, Tensor]]:
        if step == self.interrupt_at:
            raise KeyboardInterrupt
        assert self.model.training
        self.seen.append(step)
        points = torch.randn(4, 2, generator=torch.Generator().manual_seed(100 + step))
        loss = (self.model(points)[:, 0] - points.sum(1)).square().mean()
        if self.broken_from is not None and step >= self.broken_from:
            loss = loss * torch.nan
        return loss, {"step_seen": torch.tensor(float(step))}

    def evaluate(self, model: nn.Module) -> dict[str, float]:
        assert not model.training
        with torch.no_grad():
            return {"at_one": float(model(torch.ones(1, 2)))}

    def export(self, model: nn.Module, path: Path) -> dict[str, float]:
        raise AssertionError("the loop does not export")


def lines(folder: Path) -> list[dict]:
    kept = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if key != "seconds"} for line in kept]


def same_state(one: nn.Module, two: nn.Module) -> bool:
    pairs = zip(one.state_dict().values(), two.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def test_a_resumed_run_is_the_uninterrupted_run(tmp_path: Path) -> None:
    whole = Training(Line(), OPTIONS, tmp_path / "whole")
    metrics = whole.run(quiet=True)

    first = Training(Line(interrupt_at=4), OPTIONS, tmp_path / "parts")
    with pytest.raises(KeyboardInterrupt):
        first.run(quiet=True)
    assert first.checkpoint.exists(), "Ctrl-C saves"
    task = Line(seed=99)  # what a new process begins with is overwritten
    second = Training(task, OPTIONS, tmp_path / "parts")
    assert second.resume()
    assert second.step == 4
    assert second.run(quiet=True) == metrics
    assert task.seen == [4, 5]
    assert same_state(whole.task.model, second.task.model)
    assert same_state(whole.average, second.average)
    assert lines(tmp_path / "whole") == lines(tmp_path / "parts")
    assert not list(tmp_path.rglob("*.tmp"))


class Signalled(Line):
    """Gets a signal in the middle of step 3."""

    def __init__(self, number: signal.Signals) -> None:
        super().__init__()
        self.number = number

    def loss(self, step: int) -> tuple[Tensor, dict[str, Tensor]]:
        if step == 3:
            os.kill(os.getpid(), self.number)
        return super().loss(step)


@pytest.mark.skipif(os.name != "posix", reason="material: signals are those of POSIX")
@pytest.mark.parametrize(("number", "end"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)])
def test_a_signal_ends_it_after_the_step_at_hand(
    tmp_path: Path, number: signal.Signals, end: type[BaseException]
) -> None:
    before = signal.signal(number, signal.SIG_DFL)  # a job in the background is begun with SIGINT ignored
    try:
        with pytest.raises(end):
            Training(Signalled(number), OPTIONS, tmp_path).run(quiet=True)
        assert signal.getsignal(number) == signal.SIG_DFL
    finally:
        signal.signal(number, before)
    whole = Training(Line(), OPTIONS, tmp_path / "whole")
    again = Training(Line(seed=9), OPTIONS, tmp_path)
    assert again.resume()
    assert again.step == 4
    assert again.run(quiet=True) == whole.run(quiet=True)


def test_a_killed_run_reports_nothing_twice(tmp_path: Path) -> None:
    run = Training(Line(), OPTIONS, tmp_path)
    for _ in range(3):
        run.run_step()
    run.save()
    saved = run.checkpoint.read_bytes()
    metrics = run.run(quiet=True)
    wanted = lines(tmp_path)
    run.checkpoint.write_bytes(saved)  # as if it had been killed before it saved again
    again = Training(Line(), OPTIONS, tmp_path)
    assert again.resume()
    assert again.run(quiet=True) == metrics
    assert lines(tmp_path) == wanted


def test_the_average_lags_behind_and_is_what_is_measured(tmp_path: Path) -> None:
    task = Line()
    training = Training(task, OPTIONS, tmp_path)
    weight: Tensor = training.average[0].weight.clone()  # pyright: ignore
    for step in range(3):
        training.run_step()
        keep = min(0.9, (2 + step) / (11 + step))
        weight = keep * weight + (1 - keep) * task.model[0].weight.detach()  # pyright: ignore
        torch.testing.assert_close(training.average[0].weight, weight)  # pyright: ignore
    assert torch.equal(training.average[1].running_mean, task.model[1].running_mean)  # pyright: ignore
    assert not same_state(training.average, task.model)
    assert not any(p.requires_grad for p in training.average.parameters())


def test_reports_what_the_task_says(tmp_path: Path) -> None:
    logged = []
    metrics = Training(Line(), OPTIONS, tmp_path, lambda *entry: logged.append(entry)).run(quiet=True)
    found = lines(tmp_path)
    assert [line["step"] for line in found if "at_one" in line] == [2, 4, 6]
    assert found[-1]["at_one"] == pytest.approx(metrics["at_one"], abs=1e-6)
    [last] = [line for line in found if "loss" in line]
    assert last["step"] == 6
    assert last["step_seen"] == 5
    assert last["gradient_norm"] > 0
    assert ("at_one", metrics["at_one"], 6) in logged


def test_a_finished_run_resumes_to_its_metrics(tmp_path: Path) -> None:
    metrics = Training(Line(), OPTIONS, tmp_path).run(quiet=True)
    again = Training(Line(seed=5), OPTIONS, tmp_path)
    assert again.resume()
    assert again.run(quiet=True) == metrics


def test_without_a_checkpoint_nothing_is_resumed(tmp_path: Path) -> None:
    assert not Training(Line(), OPTIONS, tmp_path / "new" / "folder").resume()


def test_a_checkpoint_of_other_options_is_refused(tmp_path: Path) -> None:
    Training(Line(), OPTIONS, tmp_path).save()
    other = Training(Line(), replace(OPTIONS, learning_rate=0.1, seed=4), tmp_path)
    with pytest.raises(UserError, match=r"another learning_rate, seed;.*"):
        other.resume()


def test_a_loss_that_is_not_finite_stops_with_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"the loss became nan at step 6.*learning-rate"):
        Training(Line(broken_from=4), OPTIONS, tmp_path).run(quiet=True)


def test_warm_up_then_half_a_cosine() -> None:
    options = replace(OPTIONS, steps=110, warmup=10, learning_rate=0.2)
    rates = [learning_rate(step, options) for step in range(110)]
    assert rates[:10] == pytest.approx([0.02 * (i + 1) for i in range(10)])
    assert rates[10] == pytest.approx(0.2)
    assert rates[60] == pytest.approx(0.2 * (0.01 + 0.99 / 2))
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert learning_rate(110, options) == pytest.approx(0.002)
    assert all(math.isfinite(learning_rate(s, replace(OPTIONS, steps=1, warmup=1))) for s in range(3))


def test_gradients_are_clipped_and_vectors_do_not_decay(tmp_path: Path) -> None:
    task = Line()
    training = Training(task, replace(OPTIONS, weight_decay=0.5), tmp_path)
    decayed, rest = training.optimizer.param_groups
    assert {p.ndim for p in decayed["params"]} == {2}
    assert {p.ndim for p in rest["params"]} == {1}
    assert (decayed["weight_decay"], rest["weight_decay"]) == (0.5, 0.0)
    count = len(list(task.model.parameters()))
    assert len(decayed["params"]) + len(rest["params"]) == count


class Chased(Line):
    """A line, and a number that takes three steps towards 1 before each of the model's, which then sees it there."""

    def __init__(self, turns: int = 3) -> None:
        super().__init__()
        self.number = nn.Linear(1, 1, bias=False)
        nn.init.zeros_(self.number.weight)
        self.recipe = Recipe(partners={"number": Partner(self.number, (0.0, 0.9), loss=self.chase, turns=turns)})
        self.turns: list[tuple[int, int, float]] = []

    def chase(self, step: int, turn: int) -> tuple[Tensor, dict[str, Tensor]]:
        self.turns.append((step, turn, float(self.number.weight.detach())))
        # reaches the model too, which must not move by it
        leak = self.model(torch.ones(4, 2)).mean()
        return (self.number.weight - 1).square().sum() + leak, {"number": self.number.weight.detach()[0, 0].clone()}

    def loss(self, step: int) -> tuple[Tensor, dict[str, Tensor]]:
        loss, values = super().loss(step)
        return loss + 100 * self.number.weight.sum(), values  # the partner's step must not follow it


def test_a_partner_with_a_loss_of_its_own_moves_before_the_model(tmp_path: Path) -> None:
    alone, task = Line(), Chased()
    alone_run, run = (Training(t, OPTIONS, tmp_path / n) for t, n in ((alone, "alone"), (task, "chased")))
    for step in range(2):
        # values of the model's buffers differ (a batch norm sees the partner's turns as well), its parameters do not
        values = run.run_step()
        alone_run.run_step()
        assert values["number"] == task.turns[-1][2]
        assert [turn[:2] for turn in task.turns[-3:]] == [(step, k) for k in range(3)]
    for ours, theirs in zip(task.model.parameters(), alone.model.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs)
    found = [number for _, _, number in task.turns]
    # Adam's first steps are as long as the rate; it is half of it at step 0, of a warm-up of 2
    assert found[:4] == pytest.approx([0, 0.025, 0.05, 0.075], rel=0.1)
    assert found == sorted(found)
    assert run.partners["number"].state_dict()["state"][0]["step"] == 6


def test_a_step_that_only_some_networks_have_taken_is_not_saved(tmp_path: Path) -> None:
    task = Chased()
    training = Training(task, replace(OPTIONS, save_every=2), tmp_path)
    task.interrupt_at = 3  # the partner has taken its steps by then
    with pytest.raises(KeyboardInterrupt):
        training.run(quiet=True)
    whole, again = (Training(Chased(), replace(OPTIONS, save_every=2), tmp_path / name) for name in ("whole", "."))
    assert again.resume()
    assert again.step == 2
    assert again.run(quiet=True) == whole.run(quiet=True)


def test_it_resumes_with_such_a_partner(tmp_path: Path) -> None:
    whole = Training(Chased(), OPTIONS, tmp_path / "whole")
    for _ in range(4):
        whole.run_step()
    first = Training(Chased(), OPTIONS, tmp_path / "parts")
    for _ in range(2):
        first.run_step()
    first.save()
    task = Chased()
    second = Training(task, OPTIONS, tmp_path / "parts")
    assert second.resume()
    for _ in range(2):
        second.run_step()
    assert same_state(whole.recipe.partners["number"].module, task.number)
    assert same_state(whole.task.model, second.task.model)
