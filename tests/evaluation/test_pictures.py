"""Which files are meant."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from fastclipgen.errors import UserError
from fastclipgen.evaluation.pictures import files_of, items_of

from .made import colours


def test_folders_are_the_pictures_in_them_and_none_comes_twice(tmp_path: Path) -> None:
    files = colours(tmp_path / "a", [(1, 1, 1), (2, 2, 2)])
    assert files_of([files[1], tmp_path / "a", tmp_path / "gone.png"], "rate") == [
        files[1],
        files[0],
        tmp_path / "gone.png",
    ]


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="rate needs pictures"):
        files_of([tmp_path], "rate")


def test_what_was_digested_is_what_is_decoded(tmp_path: Path) -> None:
    [file] = colours(tmp_path, [(255, 0, 51)])
    opened = items_of([file])[0].open()
    file.unlink()
    torch.testing.assert_close(opened.load()[:, 0, 0], torch.tensor([1.0, 0.0, 0.2]))
