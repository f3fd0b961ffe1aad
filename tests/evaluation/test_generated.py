"""Sets that are drawn to be measured: names, seeds, going on, other settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fastclipgen.errors import UserError
from fastclipgen.evaluation.generated import draw_set
from fastclipgen.outputs.metadata import read_metadata

PROMPTS = ["a red circle", "a blue square", "a green star"]
TINY: dict[str, Any] = {
    "clip": ["builtin"], "steps": 0, "width": 32, "height": 32, "views": 1, "starts": 1, "tracks": 1, "device": "cpu",
    "compile": "off",
}  # fmt: skip


def draw(folder: Path, jobs: list[Any], prompts: list[str] = PROMPTS, **more: Any) -> list[Path]:
    settings = {**TINY, **more}
    return draw_set("pixels", prompts, folder, 7, settings, on_start=jobs.append, notice=lambda line: None)


def test_a_set_is_drawn_once_and_goes_on_where_pictures_are_missing(tmp_path: Path) -> None:
    jobs: list[Any] = []
    paths = draw(tmp_path / "set", jobs)
    assert [path.name for path in paths] == ["00000.png", "00001.png", "00002.png"]
    stored = [read_metadata(path)["settings"] for path in paths]
    assert [(one["prompts"], one["seed"]) for one in stored] == [([p], 7 + i) for i, p in enumerate(PROMPTS)]
    before = [path.read_bytes() for path in paths]
    assert draw(tmp_path / "set", jobs) == paths
    assert len(jobs) == 1  # nothing was to be drawn
    paths[1].unlink()
    assert draw(tmp_path / "set", jobs) == paths
    assert [picture.prompt for picture in jobs[1].pictures] == PROMPTS[1:]
    assert [path.read_bytes() for path in paths] == before  # the same seed, the same picture
    assert sorted(path.name for path in (tmp_path / "set").iterdir()) == [*(p.name for p in paths), "asked.json"]


def test_a_set_of_other_settings_is_refused(tmp_path: Path) -> None:
    draw(tmp_path / "set", [], PROMPTS[:1])
    with pytest.raises(UserError, match=r"drawn with another prompts, settings; give the same"):
        draw(tmp_path / "set", [], steps=1)
    (tmp_path / "set" / "asked.json").write_text("[")
    with pytest.raises(UserError, match=r"asked\.json' cannot be read"):
        draw(tmp_path / "set", [])


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("x")
    with pytest.raises(UserError, match="holds something else already"):
        draw(tmp_path, [])


def test_what_the_set_decides_is_not_a_setting(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="has its own 'count'"):
        draw(tmp_path / "set", [], count=2)
    assert not (tmp_path / "set").exists()
