"""What `--reference` names."""

from __future__ import annotations

from pathlib import Path

import pytest

from fastclipgen.errors import UserError
from fastclipgen.evaluation.references import reference_of

from .made import colours


def test_shapes_are_as_many_and_as_large_as_asked() -> None:
    found = reference_of("shapes:12", 40)
    assert len(found.items) == 12
    assert found.items[11].open().load().shape == (3, 40, 40)
    assert found.name == "12 pictures of the shapes world, 40 px"
    assert len(reference_of("shapes", 40).items) == 1000


@pytest.mark.parametrize("text", ["shapes:1", "shapes:many", "shapes:-3"])
def test_a_number_of_shapes_that_is_none(text: str) -> None:
    with pytest.raises(UserError, match=f"a number of 2 or more, got '{text}'"):
        reference_of(text, 64)


def test_a_folder(tmp_path: Path) -> None:
    colours(tmp_path, [(1, 1, 1), (2, 2, 2)])
    found = reference_of(str(tmp_path), 64)
    assert [Path(item.name).name for item in found.items] == ["00.png", "01.png"]
    assert found.name == f"2 pictures of '{tmp_path}'"
