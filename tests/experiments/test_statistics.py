"""What is said of targets, features and constraints, against figures by hand."""

from __future__ import annotations

import torch

from fastclipgen.experiments.statistics import Statistics

from .test_scene import PICTURES, cosine, staged
from .tiny import job, results, timetable

TEXT = """
targets:
  - {name: closed, end: 0, features: [text: a sea]}
  - name: open
    weight: 2
    select: best
    features: [{text: a fox, weight: 3, scale: 100}, {text: a hill}]
    constraints: [{mean: {above: 1}}]
"""


def test_figures_of_a_sample() -> None:
    scene, task = staged(TEXT, epoch=1)
    statistics = Statistics([timed.target for timed in timetable("batch: 2\n" + TEXT).targets])
    assert statistics.lines == []
    statistics.note(scene, scene.look(PICTURES, task, 1))
    fox, hill = cosine(PICTURES, "a fox"), cosine(PICTURES, "a hill")
    best = [(fox * 100 > hill), (fox * 100 <= hill)]
    parts = [3 * (1 - fox), 1 - hill]
    similar = [(100 * 100 * fox).mean(), (100 * hill).mean()]
    target, *features, constraint = statistics.lines
    mean = 100 * (1 - PICTURES.mean((2, 3))).square().mean(1)
    total = 2 * (torch.where(best[0], *parts) + mean).mean()
    assert target == f"target 'open': loss {total:.3f} ({total:.3f} to {total:.3f})"
    for name, line, used, part, shown in zip(("a fox", "a hill"), features, best, parts, similar, strict=True):
        loss = f"{part[used].mean():.3f}" if bool(used.any()) else None
        begin = "no loss" if loss is None else f"loss {loss} ({loss} to {loss})"
        assert line == (
            f"  feature '{name}': {begin}, similarity {shown:.3f} ({shown:.3f} to {shown:.3f}), "
            f"used {100 * used.float().mean():.0f} %"
        )
    held = f"{2 * mean.mean() / 2:.3f}"
    assert constraint == f"  constraint 'mean': loss {held} ({held} to {held})"


def test_spans_are_of_several_samples() -> None:
    made = job("targets: [{name: one, features: [text: a fox]}]\n", "learnrate=20")
    losses: list[float] = []

    def sample(info) -> None:
        losses.append(float(info.loss))
        lines.append(made.measure(info))

    lines: list[list[str]] = []
    results(made, callbacks=[sample])
    assert lines[-1][0] == f"target 'one': loss {sum(losses) / 4:.3f} ({min(losses):.3f} to {max(losses):.3f})"
    assert "used 100 %" in lines[-1][1]


def test_a_features_loss_is_of_the_frames_it_is_used_in() -> None:
    text = "targets: [{features: [text: a fox]}]\n"
    scene, task = staged(text)
    [seen] = scene.look(PICTURES, task, 0)
    chosen = seen.features[0]._replace(used=torch.tensor([[[True]], [[False]]]), parts=torch.tensor([[[3.0]], [[0.0]]]))
    statistics = Statistics([timed.target for timed in timetable("batch: 2\n" + text).targets])
    statistics.note(scene, [seen._replace(features=[chosen])])
    assert statistics.lines[1].startswith("  feature 'a fox': loss 3.000 (3.000 to 3.000), similarity ")
    assert statistics.lines[1].endswith(", used 50 %")
