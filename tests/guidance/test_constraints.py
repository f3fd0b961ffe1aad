"""Constraints: one literal value each, independence of the batch, gradients, and the syntax."""

from __future__ import annotations

import math

import pytest
import torch

from fastclipgen.errors import UserError
from fastclipgen.guidance.constraints import (
    FRAMED,
    LOSSES,
    NEEDS_START,
    Constraint,
    needs_start,
    parse_constraint,
    total,
)
from fastclipgen.guidance.palette import parse_palette


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
    # half differences of neighbours, the border repeated: (0.25, 0.125) everywhere, in each of three channels
    "smoothness": (
        torch.tensor([[0.0, 0.25], [0.5, 0.75]]).expand(1, 3, 2, 2),
        flat(0, 0, 0),
        3 * ((0.25**2 + 0.125**2) ** 0.5 - 6e-4),
    ),
    # one colour: red - green is 0.4 and yellow - blue 0.6 everywhere
    "colourfulness": (flat(0.8, 0.4, 0.0), flat(0, 0, 0), -0.3 * ((0.16 + 0.36) ** 0.5 - 6e-4)),
    # 16 greys, 1/15 apart: 0.3 is nearest to 4/15 and 5/15 alike
    "palette": (flat(0.3, 0.3, 0.3), flat(0, 0, 0), 3**0.5 / 30 - 6e-4),
    "symmetry": (torch.tensor([[0.0, 0.25], [0.5, 0.5]]).expand(1, 3, 2, 2), flat(0, 0, 0), 0.0625 / 2),
    "edge": (flat(0.5, 0.5, 0.5), flat(0, 0, 0), 0.0),  # 5 per cent of two pixels are none
    # half a pixel from the centre of two, a standard deviation of half a pixel: r**2 is 2
    "gaussian": (flat(0.5, 0.5, 0.5), flat(0, 0, 0), 0.5 * (1 - math.exp(-1.0))),
}


def test_every_constraint_has_a_literal_value() -> None:
    assert VALUES.keys() == LOSSES.keys()


@pytest.mark.parametrize("name", VALUES)
def test_literal_values(name: str) -> None:
    image, start, value = VALUES[name]
    found = total([Constraint(name, 2.0)], image, start)
    torch.testing.assert_close(found, torch.tensor([2.0 * value]), atol=1e-5, rtol=1e-5)


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
    one, other = (total([Constraint(name)], images, start) for start in (images, images + 1))
    reads = bool((one != other).any())
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
    assert parse_constraint("smoothness:2:log:anneal=50") == Constraint("smoothness", 2.0, (("type", "log"),), 50.0)
    assert parse_constraint("edge:1: margin=10 :colour=#fff").options == (("margin", "10"), ("colour", "#fff"))
    colours = parse_constraint(r"palette:1:black->red\3;[white]").colours
    torch.testing.assert_close(colours, torch.tensor([[0.0, 0, 0], [0.5, 0, 0], [1, 0, 0], [1, 1, 1]]))
    with pytest.raises(UserError, match="did you mean 'saturation'"):
        parse_constraint("saturatoin:2")
    with pytest.raises(UserError, match=r"tv:0\.2"):
        parse_constraint("tv:much")
    with pytest.raises(UserError, match="got nan"):
        parse_constraint("tv:nan")
    for source, sentence in {
        "smoothness:1:lgo": "unknown choice 'lgo'.*did you mean 'log'",
        "edge:1:margins=3": "unknown option of constraint 'edge' 'margins'.*did you mean 'margin'",
        "edge:1:margin=101": "from 0 to 100",
        "edge:1:margin=1,2": "one margin, or four",
        "gaussian:1:std=0": "from 1 to 1000",
        "tv:1:log": "expected KEY=VALUE behind the weight of constraint 'tv', got 'log'",
        "symmetry:1:both:vertical": "expected KEY=VALUE",
        "symmetry:1:both:axis=both": "given twice",
        "tv:1:anneal=0": "anneal=N with a number of steps above 0",
        "palette:1:blak": "did you mean 'black'",
    }.items():
        with pytest.raises(UserError, match=sentence):
            parse_constraint(source)


def test_annealing_grows_step_by_step() -> None:
    image, start, tv = VALUES["tv"]
    for step in (0, 5, torch.tensor(20)):
        found = total([parse_constraint("tv:2:anneal=10")], image, start, step)
        torch.testing.assert_close(found, torch.tensor([2 * tv * int(step) / 10]))


def test_framed_losses_see_what_is_published() -> None:
    canvas = torch.rand(1, 3, 12, 12, generator=torch.Generator().manual_seed(0))
    inside = canvas[..., 2:10, 2:10]
    for name in LOSSES:
        constraint = [Constraint(name)]
        with_margin, without = (total(constraint, image, image) for image in (canvas, inside))
        wanted = without if name in FRAMED else with_margin
        assert torch.equal(total(constraint, canvas, canvas, 0, inside), wanted)


def descend(source: str, images: torch.Tensor, steps: int = 60) -> torch.Tensor:
    """What the constraint alone makes of pictures."""
    images = images.clone().requires_grad_()
    optimizer = torch.optim.Adam([images], lr=0.02)
    constraint = [parse_constraint(source)]
    for _ in range(steps):
        optimizer.zero_grad()
        total(constraint, images, images.detach()).sum().backward()
        optimizer.step()
    return images.detach()


def test_what_a_few_steps_of_each_do() -> None:
    images = torch.rand(2, 3, 16, 20, generator=torch.Generator().manual_seed(0))

    def apart(images: torch.Tensor) -> torch.Tensor:
        colours = torch.tensor(parse_palette(r"black->red->white\5"))
        return torch.cdist(images.movedim(1, -1).reshape(-1, 3), colours).min(1).values.mean()

    assert apart(descend(r"palette:1:black->red->white\5", images)) < 0.2 * apart(images)
    mild = 0.5 + 0.2 * (images - 0.5)
    for kind in ("default", "clipped", "log"):
        smoothed = descend(f"smoothness:1:{kind}", mild, 20)
        steep = [(image[..., 2:] - image[..., :-2]).abs().mean() for image in (smoothed, mild)]
        assert steep[0] < 0.5 * steep[1]
    for axis, sides in {"horizontal": [3], "vertical": [2], "both": [2, 3]}.items():
        found = descend(f"symmetry:1:{axis}", images)
        assert [side for side in (2, 3) if (found - found.flip(side)).abs().mean() < 0.02] == sides
    grey = 0.5 + 0.1 * (images - 0.5)
    spread = descend("colourfulness:1", grey).std(1).mean()
    assert spread > 3 * grey.std(1).mean()
    framed = descend("edge:1:navy:margin=10,25,0,0", images)
    navy = torch.tensor([0.0, 0.0, 128 / 255]).view(3, 1, 1)
    assert (framed[..., :2] - navy).abs().mean() < 0.03
    assert (framed[..., :4, :] - navy).abs().mean() < 0.03
    assert torch.equal(framed[..., 4:, 2:], images[..., 4:, 2:])
    centred = descend("gaussian:1:black:std=20", images, 20) - images
    assert centred[..., 0, 0].mean() < -0.2
    assert centred[..., 7:9, 9:11].abs().mean() < centred[..., 0, :].abs().mean()


def test_clipped_smoothness_leaves_sharp_edges_alone() -> None:
    image = torch.zeros(1, 3, 4, 8)
    image[..., 4:] = 1.0
    slopes = {}
    for kind in ("default", "clipped", "log"):
        leaf = image.clone().requires_grad_()
        [slopes[kind]] = torch.autograd.grad(total([parse_constraint(f"smoothness:1:{kind}")], leaf).sum(), leaf)
    assert slopes["clipped"].abs().max() == 0
    assert 0 < slopes["log"].abs().max() < slopes["default"].abs().max()


def test_colour_tv_prefers_channels_that_change_together() -> None:
    together, apart = torch.zeros(1, 3, 8, 8), torch.zeros(1, 3, 8, 8)
    together[..., 4:] = 1.0
    for channel, edge in enumerate((3, 4, 5)):
        apart[:, channel, :, edge:] = 1.0
    losses = {
        name: [float(total([Constraint(name)], image, image)) for image in (together, apart)]
        for name in ("tv", "colour_tv")
    }
    assert losses["tv"][0] == pytest.approx(losses["tv"][1])
    assert losses["colour_tv"][0] == pytest.approx(losses["tv"][0] * 7 / 8, abs=1e-3)  # tv averages over 7 columns
    assert losses["colour_tv"][1] > 1.7 * losses["colour_tv"][0]
