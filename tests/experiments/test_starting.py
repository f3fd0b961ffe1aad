"""The best of many random starts: which it is, and that it depends on the picture alone."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image

from fastclipgen.errors import UserError
from fastclipgen.experiments.drawing import Drawing
from fastclipgen.experiments.experiment import Init
from fastclipgen.experiments.starting import SPREAD, Starts, beginning
from fastclipgen.generators.painted_starts import figure_on_ground
from fastclipgen.ops.philox import Stream, words

from .tiny import FOX, experiment, job, results

SEEDS = torch.tensor([3, 4])
STILL = "epochs=1", "learnrate=0"
FIRST = "resolution=16", *STILL


def test_more_starts_are_never_worse_and_the_first_is_the_pictures_own() -> None:
    losses = [results(job(FOX, *FIRST, f"starts={count}"))[0].loss for count in (1, 2, 8, 64)]
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < losses[0] - 0.5
    [own], [alone] = results(job(FOX, *FIRST)), results(job(FOX, *FIRST, "starts=1"))
    assert (own.pixels == alone.pixels).all()


def test_a_start_is_the_best_of_those_with_the_seeds_that_are_drawn_from_the_pictures_own() -> None:
    [chosen] = results(job(FOX, *FIRST, "starts=5", "init.pattern=blob", "init.std=.26"))
    seeds = [7, *words(torch.tensor([7]), 0, Stream.STARTS, 5)[0, 0, 1:].tolist()]
    losses = [results(job(FOX, *FIRST, f"seed={s}", "init.pattern=blob", "init.std=.26"))[0].loss for s in seeds]
    assert chosen.loss == min(losses)


@pytest.mark.parametrize("generator", ["pixels", "fourier"])
def test_a_picture_begins_alike_alone_and_in_a_batch(generator: str) -> None:
    options = FOX, *STILL, "starts=6", f"generator={generator}"
    both = results(job(*options, "batch=2"))
    for index, together in enumerate(both):
        [alone] = results(job(*options, f"seed={7 + index}"))
        assert (alone.pixels == together.pixels).all()


def test_starts_of_other_generators_are_those_that_are_worth_choosing_among() -> None:
    found = experiment(FOX, "generator=fourier", "starts=3")
    generator = Drawing("fourier", {}, False, torch.device("cpu"), torch.float32, print).at(16, 16)
    made = Starts(found, generator, print).pictures(SEEDS, None)
    torch.testing.assert_close(made, generator(generator.init_among_many(SEEDS)))
    assert not torch.equal(made, generator(generator.init(SEEDS)))


@pytest.mark.parametrize("pattern", ["disc", "blob"])
def test_figures_are_spread_as_noise_is(pattern: str) -> None:
    seeds = torch.arange(300)
    pictures = beginning(Init(mean=(0.5,) * 3, std=(0.1,) * 3, pattern=pattern), seeds, 24, 24, print)
    assert pictures.mean() == pytest.approx(0.5, abs=0.01)
    assert pictures.std() == pytest.approx(0.1, abs=0.01)
    whole = beginning(Init(std=(SPREAD,) * 3, pattern=pattern), SEEDS, 24, 24, print)
    torch.testing.assert_close(whole, figure_on_ground(SEEDS, 24, 24, pattern == "blob"))


def test_every_picture_of_a_batch_begins_with_the_image(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8), (255, 51, 0)).save(tmp_path / "red.png")
    given = Init(image=str(tmp_path / "red.png"), mean=(0.1,) * 3, std=(0.5,) * 3)
    made = beginning(given, SEEDS, 16, 24, print)
    assert made.shape == (2, 3, 16, 24)
    torch.testing.assert_close(made, torch.tensor([0.6, 0.2, 0.1]).view(3, 1, 1).expand_as(made))


def test_many_starts_of_a_given_picture_are_refused() -> None:
    with pytest.raises(UserError, match=r"starts: expected 1 where a picture to start from is given"):
        experiment(FOX, "starts=2", "init.image=fox.png")
    for count in ("0", "70000"):
        with pytest.raises(UserError, match="starts"):
            experiment(FOX, f"starts={count}")
