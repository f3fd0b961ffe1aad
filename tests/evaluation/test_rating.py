"""The table of `rate`: order, summary, files."""

from __future__ import annotations

import pytest
import torch

from fastclipgen.errors import UserError
from fastclipgen.evaluation.rating import Rating

VALUES = torch.tensor([[3.0, -1.0], [1.0, 5.0], [2.0, 5.0], [6.0, 0.0]], dtype=torch.float64)
RATING = Rating(["a.png", "b.png", "c.png", "d, or so.png"], ["a fox", "x" * 40], VALUES, "tiny")


def test_sorted_by_a_column_up_or_down() -> None:
    assert [name[0] for name in RATING.ordered(1).files] == ["b", "c", "a", "d"]
    assert [name[0] for name in RATING.ordered(-1).files] == ["d", "a", "c", "b"]
    down = RATING.ordered(-2)
    assert [name[0] for name in down.files] == ["b", "c", "d", "a"]  # equals in their order
    assert down.values[:, 0].tolist() == [1.0, 2.0, 6.0, 3.0]


@pytest.mark.parametrize("column", [0, 3, -3])
def test_a_column_that_is_not_there(column: int) -> None:
    with pytest.raises(UserError, match=f"1 to 2, or its negative .* got {column}"):
        RATING.ordered(column)


def test_the_summary_is_that_of_a_sample() -> None:
    summary = RATING.summary()
    first = {name: row[0] for name, row in summary.items()}
    assert first == pytest.approx(
        {"count": 4, "mean": 3.0, "std": (14 / 3) ** 0.5, "min": 1, "25%": 1.75, "50%": 2.5, "75%": 3.75, "max": 6}
    )
    assert Rating(["a"], ["t"], VALUES[:1, :1], "tiny").summary()["std"] == [None]


def test_csv_and_json_and_the_table() -> None:
    assert RATING.csv().splitlines()[0] == "file,a fox," + "x" * 40
    assert RATING.csv().splitlines()[4] == '"d, or so.png",6.0000,0.0000'
    values = RATING.as_dict()
    assert values["files"][1] == {"file": "b.png", "scores": [1.0, 5.0]}
    assert (values["clip"], values["columns"][0]) == ("tiny", "a fox")
    lines = RATING.table().splitlines()
    assert lines[0] == "file          a fox  " + "x" * 21 + "..."
    assert lines[1] == "a.png          3.00" + " " * 21 + "-1.00"
    assert lines[8].split() == ["mean", "3.00", "2.25"]


def test_of_a_long_path_the_end_is_shown() -> None:
    line = Rating(["/far/away" * 9 + "/fox.png"], ["t"], VALUES[:1, :1], "tiny").table().splitlines()[1]
    assert line.startswith("...")
    assert line.split()[0].endswith("/fox.png")
    assert len(line.split()[0]) == 60
