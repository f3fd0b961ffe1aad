"""Tables as text."""

from __future__ import annotations

from fastclipgen.evaluation.tables import csv_table, markdown_table, plain_table


def test_markdown() -> None:
    assert markdown_table(["a", "b"], [[1, "x"]]) == "| a | b |\n|---|---|\n| 1 | x |"


def test_csv_quotes_and_leaves_empty() -> None:
    assert csv_table(["a", "b"], [[None, 'x, "y"']]) == 'a,b\n,"x, ""y"""\n'


def test_numbers_stand_to_the_right_and_texts_are_cut() -> None:
    text = plain_table(["name", "share"], [["a", "5.0%"], ["b" * 12, "-"]], widest=10)
    assert text == "name        share\na            5.0%\nbbbbbbb...      -"
    assert plain_table(["a", "b"], []) == "a  b"
