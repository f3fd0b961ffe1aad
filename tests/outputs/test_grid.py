from __future__ import annotations

import numpy as np
import pytest
from PIL import ImageFont

from fastclipgen.errors import UserError
from fastclipgen.outputs.grid import _wrap, contact_sheet


def plain(value: int, height: int = 20, width: int = 30) -> np.ndarray:
    return np.full((height, width, 3), value, np.uint8)


@pytest.mark.parametrize(("count", "columns", "rows"), [(1, 1, 1), (2, 2, 1), (3, 2, 2), (5, 3, 2), (16, 4, 4)])
def test_near_square(count: int, columns: int, rows: int):
    sheet = contact_sheet([plain(9)] * count, padding=2)
    assert sheet.shape == (rows * 22 + 2, columns * 32 + 2, 3)
    assert sheet.dtype == np.uint8


def test_reading_order_and_background():
    sheet = contact_sheet([plain(10), plain(20), plain(30)], columns=2, padding=3, background=(1, 2, 3))
    assert sheet[3:23, 3:33].tolist() == plain(10).tolist()
    assert sheet[3:23, 36:66].tolist() == plain(20).tolist()
    assert sheet[26:46, 3:33].tolist() == plain(30).tolist()
    assert (sheet[26:46, 36:66] == (1, 2, 3)).all()
    assert (sheet[:3] == (1, 2, 3)).all()


def test_smaller_pictures_are_centred():
    sheet = contact_sheet([plain(0, 10, 10), plain(0, 20, 30)], padding=0)
    assert sheet.shape == (20, 60, 3)
    assert (sheet[5:15, 10:20] == 0).all()
    assert (sheet[:5, :30] == 255).all()


def test_labels_stay_in_their_cell():
    width = 60
    sheet = contact_sheet([plain(0, 40, width)] * 2, ["word " * 200, ""], padding=4)
    text = sheet[44:-4] < 128
    assert text[:, 4 : 4 + width].any()
    assert not text[:, 4 + width :].any()


def test_short_labels_take_one_line_and_long_ones_two():
    heights = [contact_sheet([plain(0)], [label], padding=0).shape[0] - 20 for label in ("a", "word " * 9, "w" * 99)]
    assert heights[1] == heights[2] == 2 * heights[0] > 0


def test_what_is_left_out_is_one_ellipsis():
    font = ImageFont.load_default(14)
    lines = _wrap("word " * 99, font, 90, 2)
    assert lines == ["word word", "word word…"]
    assert max(font.getlength(line) for line in lines) <= 90
    assert _wrap("word  word", font, 90, 2) == ["word word"]


def test_label_ink_shows_on_any_background():
    for background in ((0, 0, 0), (255, 255, 255)):
        sheet = contact_sheet([plain(0)], ["cat"], background=background, padding=0)
        assert np.abs(sheet[20:].astype(int) - background[0]).max() > 128


def test_mistakes():
    with pytest.raises(UserError, match="at least one picture"):
        contact_sheet([])
    with pytest.raises(UserError, match="one label a picture"):
        contact_sheet([plain(0)], ["a", "b"])
    with pytest.raises(UserError, match="columns=0"):
        contact_sheet([plain(0)], columns=0)


def test_heads_stand_above_and_beside_the_pictures():
    pictures = [plain(value) for value in (10, 20, 30, 40, 50, 60)]
    sheet = contact_sheet(pictures, columns=3, padding=4)
    headed = contact_sheet(pictures, column_heads=["a", "b", "c"], row_heads=["x", "y"], padding=4)
    above, left = headed.shape[0] - sheet.shape[0], headed.shape[1] - sheet.shape[1]
    assert left == 30 + 4  # one column more
    assert headed[above:, left:].tolist() == sheet.tolist()
    ink = headed < 128
    assert [bool(ink[:above, 34 + 4 + 34 * n : 34 + 34 + 34 * n].any()) for n in range(3)] == [True] * 3
    assert not ink[:above, :34].any()
    assert [bool(ink[above + 4 + 24 * n : above + 24 + 24 * n, :34].any()) for n in range(2)] == [True] * 2


def test_long_heads_make_room_and_stand_on_their_pictures():
    headed = contact_sheet([plain(200)] * 2, column_heads=["word " * 5, "w"], padding=0, background=(255, 255, 255))
    above = headed.shape[0] - 20
    short = np.flatnonzero((headed[:above, 30:] < 128).any((1, 2)))
    long = np.flatnonzero((headed[:above, :30] < 128).any((1, 2)))
    assert short.min() > above / 2 > long.min()
    beside = contact_sheet([plain(200)], row_heads=["word " * 5], padding=0)
    assert beside.shape[0] > 20


def test_heads_must_be_as_many_as_what_they_are_for():
    with pytest.raises(UserError, match="one head a row but got 1 heads for 2 rows"):
        contact_sheet([plain(0)] * 4, row_heads=["a"])
    with pytest.raises(UserError, match="one head a column but got 3 heads for 2 columns"):
        contact_sheet([plain(0)] * 4, column_heads=["a", "b", "c"], columns=2)
