"""How sampling goes through memory: how many samples are drawn at once, how many pictures are decoded and ranked.

Counted in plain integers before anything is allocated. Knows nothing of how either is done.
"""

from __future__ import annotations

from typing import NamedTuple

from fastclipgen.config.sampling import ROWS
from fastclipgen.engine.memory import format_bytes
from fastclipgen.errors import UserError
from fastclipgen.models import transformer, vqgan

MAX_ROWS = 128  # beyond it a step of the transformer takes about as much longer as there are more rows
MAX_DECODED = 16
_LOGIT_COPIES = 10  # numbers for each token of the vocabulary: logits, sorted, their places, weights, sums
_MAP_COPIES = 6  # maps of the decoder's widest level alive at once
_PICTURE_COPIES = 3  # of every candidate until it is ranked


class Layout(NamedTuple):
    """rows: samples drawn together; group: prompts whose candidates are drawn and ranked together; decoded: pictures
    at once through the VQGAN and the CLIP."""

    rows: int
    group: int
    decoded: int

    def batches(self, pictures: int, candidates: int) -> int:
        """How many times `rows` samples are drawn for so many prompts."""
        whole, rest = divmod(pictures, self.group)
        return whole * -(-self.group * candidates // self.rows) + -(-rest * candidates // self.rows)


def row_bytes(geometry: transformer.Geometry, guided: bool, itemsize: int, side: int) -> int:
    """Bytes that one sample takes: its keys and values, the choice of a token, and its picture of `side` pixels."""
    cache = 2 * geometry.layers * geometry.block * geometry.width * itemsize * (2 if guided else 1)
    return cache + 4 * (_LOGIT_COPIES * geometry.vocabulary + _PICTURE_COPIES * 3 * side * side)


def decoded_bytes(geometry: vqgan.Geometry, side: int) -> int:
    """Bytes that decoding one picture of `side` pixels takes."""
    widest = max(width * (side >> level) ** 2 for level, width in enumerate(geometry.multipliers))
    return 4 * _MAP_COPIES * geometry.channels * widest


def plan(pictures: int, candidates: int, row: int, decoded: int, budget: int | None, rows: int | None = None) -> Layout:
    """The layout of `pictures` prompts with so many candidates each.

    row, decoded: bytes of a sample and of a picture that is decoded; budget: bytes to stay within, None for no limit;
    rows: as many as were asked for, if memory has room for them. Raises UserError where there is none for one.
    """
    if budget is not None and row + decoded > budget:
        raise UserError(
            f"a sample needs about {format_bytes(row + decoded)}, but {format_bytes(max(budget, 0))} can be used; "
            "raise --memory, or take a device with more"
        )
    room = MAX_ROWS if budget is None else (budget - decoded) // row
    rows = min(rows or _fitting(pictures, candidates, room), room)
    at_once = MAX_DECODED if budget is None else (budget - rows * row) // decoded
    return Layout(rows, max(1, rows // candidates), max(1, min(MAX_DECODED, at_once)))


def _fitting(pictures: int, candidates: int, room: int) -> int:
    """Rows for so many prompts: few batches, all of about the same size, in multiples of ROWS where there is room."""
    most = min(room, MAX_ROWS)
    most = most // ROWS * ROWS or most
    # several batches for one prompt, or several prompts in one batch
    share = _even(candidates, most) if candidates > most else candidates * _even(pictures, most // candidates)
    whole = -(-share // ROWS) * ROWS
    return whole if whole <= room else share


def _even(count: int, most: int) -> int:
    """The size of equal parts of `count` things, at most `most` in each and as few parts as that allows."""
    return -(-count // -(-count // most))
