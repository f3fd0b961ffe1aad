"""Whether compiling pays: a choice by numbers, remembered between processes."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from fastclipgen.engine.compile_choice import Choice, Costs, choose, guess, image_flops, key_of, recall, remember
from fastclipgen.engine.recipe import Guide
from fastclipgen.errors import UserError
from fastclipgen.ops.cutout_presets import preset
from fastclipgen.perceptors import as_perceptor

GUESSED = Costs(start=60, step=0.1, gain=0.25, measured=False)


class Linear(nn.Module):
    """3*8*8 x 4 products and sums for a view."""

    image_size = 8

    def __init__(self) -> None:
        super().__init__()
        self.map = nn.Linear(3 * 8 * 8, 4, bias=False)

    def encode_image(self, views: Tensor) -> Tensor:
        return self.map(views.flatten(1))

    def encode_text(self, texts: list[str]) -> Tensor:
        return torch.ones(len(texts), 4)


def test_auto_weighs_seconds() -> None:
    assert choose("auto", 2401, GUESSED) == Choice(True, "2401 steps win back about 60 s for 60 s (guessed)")
    assert choose("auto", 2400, GUESSED) == Choice(
        False,
        "2400 steps would win back about 60 s, starting costs 60 s (guessed); 'fastclipgen warmup' makes starts quick",
    )
    warm = GUESSED._replace(start=4.25, measured=True)
    assert choose("auto", 500, warm) == Choice(True, "500 steps win back about 12 s for 4.2 s (measured)")
    assert choose("auto", 100, warm) == Choice(
        False, "100 steps would win back about 2.5 s, starting costs 4.2 s (measured)"
    )
    slower = warm._replace(gain=-0.1)
    assert choose("auto", 10**6, slower) == Choice(False, "a compiled step is not faster here (measured)")
    assert choose("auto", 0, GUESSED).on is False


def test_what_was_asked_for_is_done() -> None:
    assert choose("on", 1, GUESSED) == choose("on", 1, GUESSED._replace(gain=-1)) == Choice(True, "asked for")
    assert choose("off", 10**9, GUESSED) == Choice(False, "asked for")


def test_what_cannot_be_is_said() -> None:
    why = "torch.compile needs a C++ compiler, and there is none (g++)"
    assert choose("auto", 10**9, GUESSED, why) == Choice(False, why)
    assert choose("off", 10**9, GUESSED, why).why == "asked for"
    with pytest.raises(UserError, match=r"expected to compile the step, but torch.compile needs a C\+\+ compiler"):
        choose("on", 1, GUESSED, why)


def test_the_line_for_people() -> None:
    assert Choice(True, "asked for").line == "compiling the step: yes, asked for"
    assert Choice(False, "it is dark").line == "compiling the step: no, it is dark"


def test_a_guess_follows_the_work() -> None:
    eye = as_perceptor(Linear())
    assert image_flops(eye) == 2 * 3 * 8 * 8 * 4

    def seconds(views: int, rows: int, guides: int = 1, device: str = "cpu") -> float:
        costs = guess([Guide(eye, 1.0, views, preset("plain"))] * guides, [(rows, 1.0)], torch.device(device))
        assert not costs.measured
        return costs.step

    least = seconds(0, 1)
    assert least > 0
    one = seconds(10**9, 1) - least
    assert one > 0
    assert seconds(10**9, 4) - least == pytest.approx(4 * one)
    assert seconds(10**9, 1, guides=3) - least == pytest.approx(3 * one)
    race = guess([Guide(eye, 1.0, 10**9, preset("plain"))], [(4, 0.25), (2, 0.75)], torch.device("cpu"))
    assert race.step - least == pytest.approx(2.5 * one)
    assert race.start == 2 * guess([], [(1, 1.0)], torch.device("cpu")).start, "each size is compiled"
    assert seconds(10**9, 1, device="cuda") < seconds(10**9, 1)
    assert seconds(10**9, 1, device="mps") == seconds(10**9, 1), "no device is unknown"


def test_a_module_that_shapes_alone_do_not_move_has_no_arithmetic() -> None:
    class Stubborn(Linear):
        def encode_image(self, views: Tensor) -> Tensor:
            return super().encode_image(views) * float(views.detach().sum() * 0 + 1)

    assert image_flops(as_perceptor(Stubborn())) == 0


def test_measured_costs_are_kept(tmp_path: Path) -> None:
    key = key_of({"views": 3})
    assert recall(tmp_path / "none", key) is None
    remember(tmp_path / "new", key, Costs(4.5, 0.2, -0.1, True))
    assert recall(tmp_path / "new", key) == Costs(4.5, 0.2, -0.1, True)
    assert recall(tmp_path / "new", key_of({"views": 4})) is None


@pytest.mark.parametrize(
    "text", ["", "{}", "[1]", '{"start": "x", "step": 1, "gain": 1}', '{"start": NaN, "step": 1, "gain": 1}']
)
def test_a_damaged_record_counts_as_none(tmp_path: Path, text: str) -> None:
    remember(tmp_path, "k", GUESSED)
    [file] = tmp_path.rglob("*.json")
    file.write_text(text)
    assert recall(tmp_path, "k") is None


def test_a_key_depends_on_every_fact_and_not_on_their_order() -> None:
    assert key_of({"a": 1, "b": [2]}) == key_of({"b": [2], "a": 1})
    assert len({key_of({"a": 1}), key_of({"a": 2}), key_of({"b": 1}), key_of({"a": "1"})}) == 4
