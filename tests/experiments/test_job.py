"""What a job makes of keys of the run: its mask, its first epoch, its optimiser, the pictures that it reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from fastclipgen.errors import UserError
from fastclipgen.experiments import course
from fastclipgen.experiments.job import ExperimentJob
from fastclipgen.experiments.reading import experiment_of
from fastclipgen.experiments.sources import shaped
from fastclipgen.recipes.documents import parse_document

from .tiny import FOX, SIZE, Toy, job, results, state_of


def test_a_mask_keeps_what_is_black(tmp_path: Path) -> None:
    mask = Image.new("L", (SIZE, SIZE))
    mask.paste(255, (0, 0, SIZE // 2, SIZE))
    mask.save(tmp_path / "mask.png")
    [plain], [masked] = results(job(FOX)), results(job(FOX, f"mask={tmp_path}/mask.png"))
    [start] = results(job(FOX, "epochs=1", "learnrate=0"))
    half = SIZE // 2
    assert (masked.pixels[:, half:] == start.pixels[:, half:]).all()
    assert (masked.pixels[:, :half] != start.pixels[:, :half]).any()
    assert (plain.pixels[:, half:] != start.pixels[:, half:]).any()


def test_start_epoch_leaves_out_what_was_before() -> None:
    text = "init: {std: 0, mean: .25}\npostproc: [{add: .125, end: 1}]\n"  # at epochs 0 and 1
    for first, brightness in ((0, 0.5), (1, 0.375), (2, 0.25)):
        made = job(text, f"start_epoch={first}")
        assert made.ticks() == 4 - first
        [result] = results(made)
        assert result.pixels.mean() / 255 == pytest.approx(brightness, abs=0.003)


def test_sparse_adam_is_an_rmsprop_in_compat_alone() -> None:
    slots = []
    for options in (["optimizer=adam"], ["optimizer=sparse_adam"], ["optimizer=sparse_adam", "compat=true"]):
        made = job(FOX, *options)
        results(made)
        slots.append(state_of(made))
    adam, sparse, old = slots
    assert sparse.keys() == adam.keys() != old.keys()
    assert all(torch.equal(value, adam[name]) for name, value in sparse.items())


@pytest.mark.parametrize(
    "text", [FOX + "init: {image: 'https://x.y/a.png'}\n", "targets: [{features: [image: 'https://x.y/a.png']}]\n"]
)
def test_addresses_of_pictures_are_refused(text: str) -> None:
    with pytest.raises(UserError, match=r"https://x\.y/a\.png"):
        results(job(text))


@pytest.mark.parametrize(("rate", "programs"), [(".1", 1), ("'.1 + .1 * random()'", 3)])
def test_batches_of_pictures_share_programs_and_make_what_single_runs_make(
    monkeypatch: pytest.MonkeyPatch, rate: str, programs: int
) -> None:
    made: list[course.Stepper] = []

    class Counted(course.Stepper):
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            made.append(self)

    monkeypatch.setattr(course, "Stepper", Counted)
    text = f"deterministic: true\nlearnrate: {rate}\ntargets: [{{features: [text: '{{a fox|a hen}}']}}]\n"
    whole = job(text, "batch=3")
    assert whole.batches == 3
    together = results(whole)
    assert len(made) == programs
    for result, picture in zip(together, whole.pictures, strict=True):
        again = experiment_of(shaped(parse_document(whole.settings(picture), "again.yaml")))
        [alone] = results(ExperimentJob(again, perceptors=[Toy()], notice=lambda line: None))
        assert (alone.pixels == result.pixels).all()
    assert [carried is None for carried in whole.carry()] == [True, True, False]
