"""What is foretold of a batch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastclipgen.jobs.plan import GroupPlan, plan_batch

SMALL: dict[str, Any] = {
    "count": 1, "clip": ["builtin"], "generator": "pixels", "width": 16, "height": 16, "starts": 1, "tracks": 1,
    "views": 2, "steps": 3, "compile": "off",
}  # fmt: skip


def test_rows_of_equal_settings_are_packed_and_bad_ones_are_named(tmp_path: Path) -> None:
    file = tmp_path / "p.csv"
    rows = [f"a fox {i},," for i in range(20)] + ["a bus,6,", "a bus,6,", "a cat,x,", "a hat,,none.png"]
    file.write_text("prompt,steps,init\n" + "\n".join(rows))
    plan = plan_batch(file, SMALL, [None, None], lambda line: None)
    many, one, broken = plan.groups
    assert (many.pictures, many.packs, many.together) == (20, 2, 16)
    assert (one.pictures, one.packs, one.together) == (2, 1, 2)
    assert many.settings["generator"] == "pixels"
    assert one.settings["steps"] == 6
    assert many.bytes is not None
    assert one.bytes is not None
    assert 7.9 < many.bytes / one.bytes < 8.1  # sixteen pictures against two
    assert many.seconds is not None
    assert plan.seconds * 2 >= many.seconds > 0
    assert "none.png" in (broken.error or "")
    assert [row.line for row in plan.refused] == [24]
    assert plan.lines()[-1].startswith("23 pictures in 3 groups, about 0 s by 2 processes")


def test_a_group_is_said_in_a_line() -> None:
    group = GroupPlan(20, 2, 16, {"generator": "vae", "steps": 40}, 3 << 20, 90.0)
    assert (
        group.line() == "20 pictures in 2 packs of up to 16: generator vae, steps 40; about 3 MiB at work; about 90 s"
    )
    assert "time unknown" in group._replace(seconds=None).line()
