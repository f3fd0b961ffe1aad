"""What each method of the field does to its views, against the table in docs/cutouts.md."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from fastclipgen.errors import UserError
from fastclipgen.ops.cutout_presets import FORMER, PRESETS, preset
from fastclipgen.ops.cutout_spec import PADDINGS, CutoutSpec
from fastclipgen.ops.cutouts import CutoutParams, cutouts, sample_cutouts

SEEDS = torch.tensor([7, -3])
VIEWS = 1500  # of each of two pictures: shares are known to a hundredth
HEIGHT, WIDTH, SIZE = 300, 400, 128
METHODS = ("original", "updated", "nrupdated", "updatedpooling", "latest", "clipit", "pixray")


def drawn(name: str, height: int = HEIGHT, width: int = WIDTH, step: int = 0, views: int = VIEWS) -> CutoutParams:
    return sample_cutouts(preset(name), SEEDS, step, views, height, width, SIZE)


def share(chosen: Tensor) -> float:
    return chosen.double().mean().item()


def corners(params: CutoutParams) -> Tensor:
    """Where the corners of views lie in what views are cut out of: [B, N, 4, 2]."""
    points = torch.tensor([[0.0, 0, 1], [1, 0, 1], [1, 1, 1], [0, 1, 1]]) * torch.tensor([SIZE, SIZE, 1.0])
    found = points.double() @ params.matrix.double().mT
    return found[..., :2] / found[..., 2:]


def perspective(params: CutoutParams) -> Tensor:
    return params.matrix[..., 2, :2].abs().amax(-1) > 1e-7


@pytest.mark.parametrize("name", ["original", "updated", "nrupdated"])
def test_crop_sizes_are_uniform_from_the_view_to_the_short_side(name: str) -> None:
    """K. Crowson's law. Warps keep the area but for perspective: views without one are counted."""
    params = drawn(name)
    plain = ~perspective(params)
    sides = (params.matrix[..., :2, :2].det().abs().sqrt() * SIZE)[plain]
    assert 127.9 < sides.min() < 130
    assert 297 < sides.max() < 300.1
    assert sides.mean() == pytest.approx((128 + 300) / 2, abs=4)
    assert sides.std() == pytest.approx((300 - 128) / math.sqrt(12), abs=4)
    small = drawn(name, 100, 110)  # smaller than the view: the whole short side, always
    sides = (small.matrix[..., :2, :2].det().abs().sqrt() * SIZE)[~perspective(small)]
    torch.testing.assert_close(sides, torch.full_like(sides, 100.0), rtol=0, atol=1e-2)


# How often each stage is there, and how far it goes; None: never. (probability, amount)
TABLE: dict[str, dict[str, tuple[float, float] | None]] = {
    "original": {"turned": None, "perspective": None, "colour": None, "sharp": None, "erased": None},
    "updated": {"turned": (0.8, 30), "perspective": (0.4, 0.2), "colour": (0.7, 0.01), "sharp": (0.4, 0.3),
                "erased": None},
    "nrupdated": {"turned": (0.7, 30), "perspective": (0.7, 0.5), "colour": (0.7, 0.1), "sharp": None,
                  "erased": (0.7, 0.4)},
    "updatedpooling": {"turned": (0.7, 15), "perspective": (0.7, 0.7), "colour": (0.7, 0.1), "sharp": None,
                       "erased": (0.7, 0.4)},
    "latest": {"turned": (0.7, 15), "perspective": (0.7, 0.7), "colour": (0.7, 0.1), "sharp": None,
               "erased": (0.7, 0.4)},
}  # fmt: skip


@pytest.mark.parametrize("name", TABLE)
def test_probabilities_and_ranges(name: str) -> None:
    params, row = drawn(name), TABLE[name]
    skewed = perspective(params)
    angle = torch.atan2(params.matrix[..., 1, 0], params.matrix[..., 1, 1])[~skewed].abs()
    hue = params.colour[..., 3].abs()
    factor = params.sharpness if params.sharpness is not None else torch.ones(2, VIEWS)
    for stage, chosen, amount in (
        ("turned", angle > 1e-6, math.degrees(angle.max())),
        ("perspective", skewed, _inward(params, name)),
        ("colour", hue > 0, hue.max().item()),
        ("sharp", factor != 1, factor[factor != 1].max().item() if (factor != 1).any() else 0.0),
    ):
        wanted = row[stage] or (0.0, 0.0)
        assert share(chosen) == pytest.approx(wanted[0], abs=0.04), stage
        assert amount == pytest.approx(wanted[1], rel=0.05, abs=1e-3), stage
    # one box for all views of a picture, so it is counted over pictures
    boxes = sample_cutouts(preset(name), torch.arange(1000), 0, 2, HEIGHT, WIDTH, SIZE).erase
    assert torch.equal(boxes[:, 0], boxes[:, 1])
    area = (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1]) / SIZE**2
    chance, most = row["erased"] or (0.0, 0.0)
    assert share(area > 0) == pytest.approx(chance, abs=0.05)
    assert area.max() == pytest.approx(most, abs=0.02)
    noise = params.noise_scale
    wanted = (0.0, 0.0) if name == "original" else (0.05, 0.1)
    assert (noise.mean().item(), noise.max().item()) == pytest.approx(wanted, abs=0.002)


def _inward(params: CutoutParams, name: str) -> float:
    """How far corners move inwards, in halves of a side: of views whose other stages are undone."""
    spec = preset(name)
    assert isinstance(spec, CutoutSpec)
    if not spec.has_perspective:
        return 0.0
    bare = CutoutSpec(perspective=spec.perspective, perspective_probability=spec.perspective_probability)
    matrix = sample_cutouts(bare, SEEDS, 0, VIEWS, SIZE, SIZE, SIZE).matrix
    assert torch.equal(matrix[..., 2, :2].abs().amax(-1) > 1e-7, perspective(params))
    inverse = torch.linalg.inv(matrix.double())
    corner = inverse[..., :2, 2] / inverse[..., 2:, 2]  # the image of the top left corner
    return (corner.max() / (0.5 * SIZE)).item()


def test_updated_mirrors_half_of_its_views_and_original_none() -> None:
    for name, wanted in (("updated", 0.5), ("original", 0.0), ("nrupdated", 0.0)):
        assert share(drawn(name).matrix[..., :2, :2].det() < 0) == pytest.approx(wanted, abs=0.04)


@pytest.mark.parametrize(("name", "part", "chance"), [("clipit", 2 / 3, 0.7), ("pixray", 0.6, 1.0)])
def test_shares_of_zoomed_and_wide_views(name: str, part: float, chance: float) -> None:
    spec = preset(name)
    for views in (1, 3, 5, 10, 30, 40):
        assert [end - first for _, first, end in spec.parts(views)] == [int(part * views), views - int(part * views)]
    params = drawn(name, 200, 200)
    count = int(part * VIEWS)
    zoomed = (params.matrix[:, :count, :2, :2].det().abs().sqrt() < 0.97) & ~perspective(params)[:, :count]
    assert share(zoomed) / 0.3 == pytest.approx(chance, abs=0.1)  # three tenths are without perspective
    assert share(perspective(params)) == pytest.approx(0.7, abs=0.03)
    assert share(params.colour[..., 3] != 0) == pytest.approx(0.8, abs=0.03)
    assert params.colour[..., 3].abs().max() == pytest.approx(0.1, rel=0.02)
    assert params.noise_scale.max() == pytest.approx(0.1, rel=0.02)


@pytest.mark.parametrize(("name", "low", "high"), [("clipit", 0.1, 0.75), ("pixray", 0.25, 0.95)])
@pytest.mark.parametrize(("height", "width"), [(200, 200), (200, 300), (300, 200)])
def test_zoomed_views_have_their_area_and_shape(name: str, low: float, high: float, height: int, width: int) -> None:
    """clipit zooms into a square of the picture, pixray into the picture, both with boxes nearly square as one sees."""
    params = drawn(name, height, width)
    spec, first, end = preset(name).parts(VIEWS)[0]
    points = corners(params)[:, first:end]
    zoomed = ~perspective(params)[:, first:end] & (params.matrix[:, first:end, 0, 0] < 0.99 / max(1.0, width / height))
    # as the stretched picture has it: its short side is SIZE
    scale = torch.tensor([max(1.0, width / height), max(1.0, height / width)])
    sides = (points[..., 2, :] - points[..., 0, :])[zoomed] * scale / SIZE
    frame = 1.0 if spec.frame == "square" else max(width / height, height / width)
    area = sides.prod(-1) / frame
    assert low - 1e-3 < area.min() < low + 0.02
    assert area.max() < high + 1e-3
    if frame == 1.0:
        assert area.max() > high - 0.05
    ratio = sides[:, 0] / sides[:, 1]
    assert 0.849 < ratio.min() < 0.87
    assert 1.18 < ratio.max() < 1.201
    assert points[zoomed].amin() > -1e-3  # inside the picture
    assert points[zoomed].amax() < SIZE + 1e-3
    # and all over it
    assert points[zoomed].amin((0, 1)).max() < 0.05 * SIZE
    assert points[zoomed].amax((0, 1)).min() > 0.95 * SIZE


@pytest.mark.parametrize("name", ["clipit", "pixray"])
@pytest.mark.parametrize(("height", "width"), [(200, 200), (200, 300), (300, 200)])
def test_wide_views_show_the_whole_picture_in_its_shape(name: str, height: int, width: int) -> None:
    params = drawn(name, height, width)
    _, first, end = preset(name).parts(VIEWS)[1]
    plain = ~perspective(params)[:, first:end]
    matrix = params.matrix[:, first:end].double()[plain]  # [M, 3, 3]
    scale = torch.tensor([max(1.0, width / height), max(1.0, height / width)], dtype=torch.float64)
    shrink = 1.0 / (matrix[:, 0, 0] * scale[0])  # of the stretched picture, whose short side is SIZE
    torch.testing.assert_close(shrink, 1.0 / (matrix[:, 1, 1] * scale[1]), rtol=1e-5, atol=0)
    fit = min(height, width) / max(height, width)
    low, high = (0.95, 0.95) if fit == 1 else (0.9 * fit, fit)
    assert (shrink.min().item(), shrink.max().item()) == pytest.approx((low, high), abs=0.002)
    # the middle of the picture in the view: shifted along the short side only
    middle = torch.linalg.inv(matrix)[:, :2] @ torch.tensor([SIZE / 2, SIZE / 2, 1.0], dtype=torch.float64)
    shift = (middle / SIZE - 0.5).abs().amax(0)
    room = 0.5 * (1 - high)
    wanted = (room if width <= height else 0.0, room if height <= width else 0.0)
    assert shift.tolist() == pytest.approx(wanted, abs=0.004)


def test_paddings_alternate_by_step_and_by_nothing_else() -> None:
    for name, wide in (("clipit", "zeros"), ("pixray", "colour")):
        count = preset(name).parts(30)[0][2]
        for step, zoomed in ((0, "reflection"), (1, "border"), (4, "reflection")):
            around = drawn(name, step=step, views=30).around
            assert around is not None
            assert (around[:, :count, 0] == PADDINGS.index(zoomed)).all()
            assert (around[:, count:, 0] == PADDINGS.index(wide)).all()
        # the number that keys the draws may be another than the step
        turned = sample_cutouts(preset(name), SEEDS, 1, 30, 50, 50, SIZE, turn=torch.tensor(6)).around
        assert turned is not None
        assert (turned[:, :count, 0] == PADDINGS.index("reflection")).all()


def test_pixray_lays_wide_views_on_a_grey_of_the_step() -> None:
    greys = torch.stack([_grey(step) for step in range(20)])  # [20, 2]
    assert greys.min() < 0.2
    assert greys.max() > 0.8
    assert greys.std(0).min() > 0.15  # from step to step
    assert (greys[:, 0] != greys[:, 1]).all()  # and from picture to picture


def _grey(step: int) -> Tensor:
    around = drawn("pixray", step=step, views=10).around
    assert around is not None
    fill = around[:, 6:, 1:]
    assert (fill == fill[:, :1, :1]).all()  # of all wide views of a picture, and grey
    return fill[:, 0, 0]


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize(("height", "width"), [(40, 56), (30, 24)])
def test_the_gradient_reaches_the_picture(name: str, height: int, width: int) -> None:
    images = torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(3)).requires_grad_()
    params = sample_cutouts(preset(name), SEEDS, 0, 12, height, width, 28)
    views = cutouts(images, params, 28, (0.5, 0.5, 0.5), (0.2, 0.2, 0.2), torch.float32)
    (found,) = torch.autograd.grad(views.square().sum(), images)
    assert found.isfinite().all()
    assert (found != 0).double().mean() > 0.9


@pytest.mark.parametrize("name", METHODS)
def test_views_of_a_picture_alone_and_in_a_batch(name: str) -> None:
    """The same bits, whatever is beside it; other bits by another seed or step."""
    images = torch.rand(2, 3, 40, 56, generator=torch.Generator().manual_seed(3))

    def views(rows: slice, seeds: Tensor, step: int) -> Tensor:
        params = sample_cutouts(preset(name), seeds, step, 5, 40, 56, 28)
        return cutouts(images[rows], params, 28, (0, 0, 0), (1, 1, 1), torch.float32)

    together = views(slice(2), SEEDS, 3)
    assert torch.equal(views(slice(1, 2), SEEDS[1:], 3), together[5:])
    assert not torch.equal(views(slice(1, 2), SEEDS[1:], 4), together[5:])
    assert not torch.equal(views(slice(1, 2), SEEDS[:1], 3), together[5:])


def test_stored_names_still_mean_what_they_did() -> None:
    assert FORMER == {"crowson": "original", "vqgan": "latest"}
    for old, new in FORMER.items():
        assert preset(old) is PRESETS[new]


@pytest.mark.parametrize(
    ("name", "augments", "message"),
    [
        ("clipt", None, "unknown cutout preset 'clipt'; did you mean 'clipit'?"),
        ("clipit", ["Af"], "augments are those of cutouts latest and nrupdated, got 'clipit'; add --cutouts latest"),
        ("gone", ["Af"], "unknown cutout preset 'gone'"),
    ],
)
def test_mistakes_are_explained(name: str, augments: Any, message: str) -> None:
    with pytest.raises(UserError, match=message.replace("?", r"\?")):
        preset(name, augments)


@pytest.mark.parametrize("size", [(40, 40), (40, 24), (9, 9)])
def test_signed_views_are_what_clipping_clip_to_gan_shows(size: tuple[int, int]) -> None:
    """torch's own interpolation, larger and smaller, as -1..1 whatever mean and std the perceptor asks for."""
    images = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(1))
    params = sample_cutouts(PRESETS["signed"], SEEDS[:2], 3, 2, *size, 16)
    views = cutouts(images, params, 16, (0.4, 0.5, 0.6), (0.2, 0.3, 0.4), torch.float32)
    wanted = torch.nn.functional.interpolate(2 * images - 1, (16, 16), mode="bilinear").repeat_interleave(2, 0)
    torch.testing.assert_close(views, wanted, rtol=0, atol=1e-6)
