"""Batches of samples: any of the candidates alone, batches that are given up, ways that do not work."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from fastclipgen.clip_gen import draw
from fastclipgen.clip_gen.draw import Drawer, Way
from fastclipgen.errors import UserError
from fastclipgen.sampling.choice import Choice
from fastclipgen.sampling.sampler import Sampler, TokenInfo

from . import tiny

CONDITIONS = torch.eye(2, tiny.GEOMETRY.condition)
SEEDS = torch.tensor([3, 4])


def drawer(rows: int, way: Way = Way(), notes: list[str] | None = None) -> Drawer:  # noqa: B008
    return Drawer(tiny.transformer(), rows, Choice(), way, print if notes is None else notes.append)  # type: ignore[arg-type]


def after(calls: int) -> Any:
    """A watch that gives up at that call."""
    seen: list[TokenInfo] = []

    def watch(info: TokenInfo) -> bool:
        seen.append(info)
        return len(seen) == calls

    return watch


def test_candidates_by_their_numbers() -> None:
    everything = Sampler(tiny.transformer(), 8).sample(CONDITIONS, SEEDS, candidates=4)
    assert len(everything.flatten(0, 1).unique(dim=0)) == 8
    found = drawer(3).draw(CONDITIONS, SEEDS, [0, 1, 2, 3])
    assert found is not None
    assert torch.equal(found, everything)
    some = drawer(8).draw(CONDITIONS, SEEDS, [3, 1])
    assert some is not None
    assert torch.equal(some, everything[:, [3, 1]])


def test_what_is_finished_when_a_batch_is_given_up() -> None:
    block = tiny.GEOMETRY.block
    whole = drawer(2).draw(CONDITIONS[:1], SEEDS[:1], range(6))
    assert whole is not None
    part = drawer(2).draw(CONDITIONS[:1], SEEDS[:1], range(6), after(2 * block + 1))
    assert part is not None
    assert torch.equal(part, whole[:, :4])
    assert drawer(2).draw(CONDITIONS[:1], SEEDS[:1], range(6), after(block)) is None
    # of several pictures all or nothing
    assert drawer(2).draw(CONDITIONS, SEEDS, range(6), after(3 * block + 1)) is None


def test_a_way_that_does_not_work(monkeypatch: pytest.MonkeyPatch) -> None:
    class Failing(Sampler):
        def draw(self, *arguments: Any) -> Any:
            if not self.plain:
                raise UserError("the sampler cannot be compiled (why); leave out compiled=True")
            return super().draw(*arguments)

    monkeypatch.setattr(draw, "Sampler", Failing)
    notes: list[str] = []
    found = drawer(4, Way(compiled=True), notes).draw(CONDITIONS, SEEDS, [0])
    assert found is not None
    assert torch.equal(found, Sampler(tiny.transformer(), 4).sample(CONDITIONS, SEEDS))
    assert [note.partition(": ")[0] for note in notes] == ["tokens are drawn without compiling and recording"]
    with pytest.raises(UserError, match="cannot be compiled"):
        drawer(4, Way(compiled=True, strict=True)).draw(CONDITIONS, SEEDS, [0])
