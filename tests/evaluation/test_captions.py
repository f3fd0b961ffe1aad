"""Which text belongs to a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fastclipgen.errors import UserError
from fastclipgen.evaluation.captions import listed_prompts, stored_guides, stored_prompt
from fastclipgen.outputs.images import save_image

from .made import colours


def stored(path: Path, prompts: list[str], **more: Any) -> str:
    return str(save_image(np.zeros((20, 20, 3), np.uint8), path, {"settings": {"prompts": prompts}, **more}))


def test_the_text_is_the_prompt_without_its_syntax(tmp_path: Path) -> None:
    assert stored_prompt(stored(tmp_path / "a.png", ["a fox:2:0.1"])) == "a fox"
    assert stored_prompt(stored(tmp_path / "b.png", ["a fox | oil painting:0.5 | blurry:-1"])) == "a fox, oil painting"
    assert stored_prompt(stored(tmp_path / "c.png", [])) is None


def test_pictures_of_others_have_none(tmp_path: Path) -> None:
    [file] = colours(tmp_path, [(1, 2, 3)])
    assert stored_prompt(str(file)) is None
    assert stored_guides(str(file)) == set()
    assert stored_prompt(str(tmp_path / "gone.png")) is None


def test_guides_are_named_without_their_size(tmp_path: Path) -> None:
    file = stored(tmp_path / "a.png", ["x"], clip=["shapes-clip (64 px)", "RN50:openai (224 px)"])
    assert stored_guides(file) == {"shapes-clip", "RN50:openai"}


def test_a_csv_names_files_by_path_folder_or_name(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text('prompt,file\n"a fox, red",in/a.png\nan owl,b.png\na bear,/far/c.png\n')
    files = [str(tmp_path / "in" / "a.png"), "elsewhere/b.png", "/far/c.png", "/far/d.png"]
    assert listed_prompts(files, tmp_path / "list.csv") == ["a fox, red", "an owl", "a bear", None]


def test_a_text_a_line_in_the_order_of_the_files(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("a fox\n\nan owl: 2\n")
    assert listed_prompts(["x.png", "y.png"], tmp_path / "list.txt") == ["a fox", "an owl: 2"]
    with pytest.raises(UserError, match="has 2 lines for 1 pictures"):
        listed_prompts(["x.png"], tmp_path / "list.txt")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("name,prompt\na.png,x\n", "needs the columns file and prompt, its first line has name, prompt"),
        ("", "its first line has nothing"),
        ("file,prompt\nb.png,x\n", "names none of the 1 pictures"),
    ],
)
def test_lists_that_do_not_fit(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "list.csv").write_text(content)
    with pytest.raises(UserError, match=message):
        listed_prompts(["a.png"], tmp_path / "list.csv")


def test_a_list_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"gone\.csv' cannot be read"):
        listed_prompts(["a.png"], tmp_path / "gone.csv")
