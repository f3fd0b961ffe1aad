"""What is made of what, in which order, and what happens to those that would come from a missing one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from fastclipgen.errors import UserError
from fastclipgen.film.plans import Animated, Frame, Plan, Styled

SOURCES = [Path(name) for name in ("a.png", "b.png", "c.png")]


def played(plan: Plan, bad: Sequence[str] = ()) -> list[list[Frame]]:
    """All stages, each made but for what comes from bad sources."""
    stages = []
    for stage in plan.stages():
        stages.append(stage)
        for frame in stage:
            if frame.source.name not in bad:
                frame.target.parent.mkdir(parents=True, exist_ok=True)
                frame.target.touch()
    return stages


def test_frames_without_each_other_are_one_stage(tmp_path: Path) -> None:
    plan = Styled(SOURCES, tmp_path)
    targets = [tmp_path / source.name for source in SOURCES]
    assert played(plan) == [[Frame(source, target) for source, target in zip(SOURCES, targets, strict=True)]]
    assert (plan.targets, plan.shown) == ([targets], targets)


def test_each_lies_under_the_one_before_it(tmp_path: Path) -> None:
    plan = Styled(SOURCES, tmp_path, previous=0.25)
    overs = [[frame.over for frame in stage] for stage in played(plan)]
    assert overs == [[None], [f"{tmp_path}/a.png:0.25"], [f"{tmp_path}/b.png:0.25"]]
    assert [len(stage) for stage in plan.targets] == [1, 1, 1]


def test_what_is_missing_is_passed_over(tmp_path: Path) -> None:
    stages = played(Styled(SOURCES, tmp_path, previous=0.25), bad=["b.png"])
    assert stages[2] == [Frame(SOURCES[2], tmp_path / "c.png", f"{tmp_path}/a.png:0.25")]
    rounds = played(Animated(SOURCES, tmp_path, 3, 0.5), bad=["b.png"])
    first = tmp_path / "round-01"
    assert rounds[1] == [
        Frame(first / "a.png", tmp_path / "round-02" / "a.png", f"{first}/c.png:0.5"),
        Frame(first / "c.png", tmp_path / "round-02" / "c.png", f"{first}/a.png:0.5"),
    ]


def test_an_animation_goes_round(tmp_path: Path) -> None:
    plan = Animated(SOURCES, tmp_path, 2, 0.5)
    first, second = (tmp_path / f"round-{n:02}" for n in (1, 2))
    begin, end = played(plan)
    assert begin == [Frame(source, first / source.name) for source in SOURCES], "the pictures as they are"
    assert end == [
        Frame(first / "a.png", second / "a.png", f"{first}/c.png:0.5"),
        Frame(first / "b.png", second / "b.png", f"{first}/a.png:0.5"),
        Frame(first / "c.png", second / "c.png", f"{first}/b.png:0.5"),
    ]
    assert plan.shown == [second / source.name for source in SOURCES]
    assert played(Animated(SOURCES[:1], tmp_path / "alone", 2, 0.5))[1][0].over is None
    assert played(Animated(SOURCES, tmp_path / "apart", 2, 0.0))[1][0].over is None


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan")])
def test_opacities(value: float, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="expected an opacity from 0 to 1 for previous, got"):
        Styled(SOURCES, tmp_path, value)
    with pytest.raises(UserError, match="expected an opacity from 0 to 1 for alpha, got"):
        Animated(SOURCES, tmp_path, 2, value)
    with pytest.raises(UserError, match="expected 1 round or more of an animation, got 0"):
        Animated(SOURCES, tmp_path, 0, 0.5)
