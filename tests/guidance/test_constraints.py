"""Constraints: one literal value each, independence of the batch, gradients, and the syntax."""

from __future__ import annotations

import pytest
import torch

from fastclipgen.errors import UserError
from fastclipgen.guidance.constraints import LOSSES, NEEDS_START, Constraint, needs_start, parse_constraint, total


def flat(red: float, green: float, blue: float) -> torch.Tensor:
    """[1,3,2,2] of one colour."""
    return torch.tensor([red, green, blue]).view(1, 3, 1, 1).expand(1, 3, 2, 2)


# name, picture [1,3,2,2], start, value
VALUES = {
    # rows differ by 0.5 everywhere, columns by 0.25
    "tv": (torch.tensor([[0.0, 0.25], [0.5, 0.75]]).expand(1, 3, 2, 2), flat(0, 0, 0), 0.5 + 0.25),
    # the last row and column have no neighbours below and to the right
    "colour_tv": (
        torch.tensor([[0.0, 0.25], [0.5, 0.75]]).expand(1, 3, 2, 2),
        flat(0, 0, 0),
        ((0.5**2 + 0.25**2) ** 0.5 + 0.5 + 0.25) / 4 - 0.75 * 6e-4,
    ),
    "l1": (flat(0.5, 0.2, 0.0), flat(0.0, 0.5, 0.0), (0.5 + 0.3) / 3),
    "l2": (flat(0.5, 0.2, 0.0), flat(0.0, 0.5, 0.0), (0.25 + 0.09) / 3),
    "saturation": (flat(0.9, 0.3, 0.3), flat(0, 0, 0), (0.4 + 0.2 + 0.2) / 3),
    "range": (flat(0.0, 0.5, 1.1), flat(0, 0, 0), (0.02 + 0.12) / 3),
}


def test_every_constraint_has_a_literal_value() -> None:
    assert VALUES.keys() == LOSSES.keys()


@pytest.mark.parametrize("name", VALUES)
def test_literal_values(name: str) -> None:
    image, start, value = VALUES[name]
    torch.testing.assert_close(total([Constraint(name, 2.0)], image, start), torch.tensor([2.0 * value]))


@pytest.mark.parametrize("name", LOSSES)
def test_pictures_do_not_meet_and_gradients_are_right(name: str) -> None:
    generator = torch.Generator().manual_seed(0)
    images = 1.2 * torch.rand(3, 3, 4, 5, dtype=torch.float64, generator=generator) - 0.1
    start = torch.rand(3, 3, 4, 5, dtype=torch.float64, generator=generator)
    loss = total([Constraint(name)], images, start)
    alone = torch.cat([total([Constraint(name)], images[i : i + 1], start[i : i + 1]) for i in range(3)])
    assert torch.equal(loss, alone)
    images.requires_grad_()
    assert torch.autograd.gradcheck(lambda x: total([Constraint(name)], x, start), (images,))


@pytest.mark.parametrize("name", LOSSES)
def test_needs_start_tells_who_reads_it(name: str) -> None:
    images = torch.full((1, 3, 2, 2), 0.3)
    reads = bool((LOSSES[name](images, images) != LOSSES[name](images, images + 1)).any())
    assert reads == (name in NEEDS_START)


def test_total_adds_up_and_is_zero_without_constraints() -> None:
    image, start, tv = VALUES["tv"]
    l1 = float(total([Constraint("l1")], image, start))
    both = total([Constraint("tv", 0.5), Constraint("l1", -1.0)], image, start)
    torch.testing.assert_close(both, torch.tensor([0.5 * tv - l1]))
    assert total([], image).tolist() == [0.0]


def test_one_pixel_has_no_variation() -> None:
    assert total([Constraint("tv")], torch.rand(2, 3, 1, 1)).tolist() == [0.0, 0.0]


def test_l1_and_l2_need_a_start_picture() -> None:
    assert needs_start([Constraint("tv"), Constraint("l2")])
    assert not needs_start([Constraint("tv")])
    with pytest.raises(UserError, match="start picture"):
        total([Constraint("l1")], torch.rand(1, 3, 2, 2))


def test_compiles_into_one_graph() -> None:
    constraints = [Constraint(name, 0.5) for name in LOSSES]
    images, start = torch.rand(2, 3, 4, 4), torch.rand(2, 3, 4, 4)
    compiled = torch.compile(total, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(constraints, images, start), total(constraints, images, start))


def test_syntax() -> None:
    assert parse_constraint("tv") == Constraint("tv", 1.0)
    assert parse_constraint(" tv : -0.5 ") == Constraint("tv", -0.5)
    with pytest.raises(UserError, match="did you mean 'saturation'"):
        parse_constraint("saturatoin:2")
    with pytest.raises(UserError, match=r"tv:0\.2"):
        parse_constraint("tv:much")
    with pytest.raises(UserError, match="got nan"):
        parse_constraint("tv:nan")


def test_colour_tv_prefers_channels_that_change_together() -> None:
    together, apart = torch.zeros(1, 3, 8, 8), torch.zeros(1, 3, 8, 8)
    together[..., 4:] = 1.0
    for channel, edge in enumerate((3, 4, 5)):
        apart[:, channel, :, edge:] = 1.0
    losses = {name: [float(total([Constraint(name)], image, image)) for image in (together, apart)] for name in LOSSES}
    assert losses["tv"][0] == pytest.approx(losses["tv"][1])
    assert losses["colour_tv"][0] == pytest.approx(losses["tv"][0] * 7 / 8, abs=1e-3)  # tv averages over 7 columns
    assert losses["colour_tv"][1] > 1.7 * losses["colour_tv"][0]
