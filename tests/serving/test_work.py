"""From settings to pictures: what is not drawn again, and what the pictures say of files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fastclipgen.config.run import make_config
from fastclipgen.errors import UserError
from fastclipgen.serving.desk import Desk
from fastclipgen.serving.events import Feed
from fastclipgen.serving.limits import Limits
from fastclipgen.serving.places import Places
from fastclipgen.serving.work import Maker, file_name

TINY = {
    "prompts": ["a Red/circle"], "clip": ["builtin"], "generator": "pixels", "steps": 1, "width": 16, "height": 16,
    "views": 2, "starts": 1, "tracks": 1, "finalists": 1, "seed": 7, "deterministic": True,
}  # fmt: skip


def maker(folder: Path | None = None, **limits: int) -> Maker:
    return Maker(Places(folder), Limits(**limits), "cpu")


def test_what_is_done_is_not_drawn_again() -> None:
    work = maker().make({**TINY, "count": 3}, lambda line: None, Desk(Feed()))
    whole = [result for batch in work.run((), [], lambda: False) for result in batch]
    rest = [result for batch in work.run({0, 2}, [], lambda: False) for result in batch]
    assert [(one.index, one.seed) for one in rest] == [(1, 8)]
    assert np.array_equal(rest[0].pixels, whole[1].pixels)
    assert (work.ticks(()), work.ticks({0, 2})) == (3, 1)  # a deterministic run draws one picture at a time
    assert str(file_name(rest[0])) == "0001-a-red-circle-8.png"


def test_pictures_name_files_as_they_were_asked_for(tmp_path: Path) -> None:
    Image.fromarray(np.full((8, 8, 3), 200, np.uint8)).save(tmp_path / "start.png")
    work = maker(tmp_path).make({**TINY, "init": "start.png"}, lambda line: None, Desk(Feed()))
    [[result]] = list(work.run((), [], lambda: False))
    assert result.metadata["settings"]["init"] == "start.png"
    assert abs(result.pixels.astype(int) - 200).mean() < 20
    assert str(tmp_path) not in repr(result.metadata)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"generator": "pixel"}, "unknown generator 'pixel'; did you mean 'pixels'"),
        ({"steps": 99}, "expected at most 5 for steps"),
        ({"init": "x.png"}, "lends none"),
        ({"device": "cuda:7"}, "cannot come with a request"),
    ],
)
def test_mistakes_are_found_before_a_model_is_loaded(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        maker(steps=5).check(make_config({**TINY, **settings}))
