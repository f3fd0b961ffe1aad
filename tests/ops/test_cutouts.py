from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from fastclipgen.errors import UserError
from fastclipgen.ops import philox
from fastclipgen.ops.cutout_warp import mip_range, sample_by_grid, sample_by_index, source_points, view_levels, warp
from fastclipgen.ops.cutouts import PRESETS, AnySpec, CutoutParams, CutoutSpec, cutouts, sample_cutouts
from fastclipgen.ops.philox import Stream

SEEDS = torch.tensor([5, 6])
ZERO, ONE = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
MEAN, STD = (0.48, 0.46, 0.41), (0.27, 0.26, 0.28)


def noise_picture(batch: int, height: int, width: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.rand(batch, 3, height, width, generator=torch.Generator().manual_seed(1), dtype=dtype)


def smooth_picture(height: int, width: int) -> torch.Tensor:
    y, x = torch.meshgrid(torch.linspace(0, 3, height), torch.linspace(0, 3, width), indexing="ij")
    return (0.5 + 0.4 * torch.stack((torch.sin(x + y), torch.cos(x), torch.sin(2 * y - x))))[None]


def views_of(images: torch.Tensor, spec: AnySpec, views: int, size: int, step: int = 0, **kwargs) -> torch.Tensor:
    params = sample_cutouts(spec, SEEDS[: len(images)], step, views, images.shape[2], images.shape[3], size)
    return cutouts(images, params, size, ZERO, ONE, images.dtype, **kwargs)


def with_matrix(rows: list[list[float]], height: int, width: int, size: int, padding: str = "border") -> CutoutParams:
    """Parameters of one given view, rendered through the general path."""
    spec = CutoutSpec(rotation=1.0, padding=padding)
    params = sample_cutouts(spec, SEEDS[:1], 0, 1, height, width, size)
    return params._replace(matrix=torch.tensor(rows)[None, None])


def render(images: torch.Tensor, params: CutoutParams) -> torch.Tensor:
    return cutouts(images, params, params.size, ZERO, ONE, images.dtype)


def test_identity_view_is_the_picture() -> None:
    images = noise_picture(2, 33, 33)
    assert torch.equal(views_of(images, PRESETS["plain"], 2, 33), images.repeat_interleave(2, 0))
    general = render(images[:1], with_matrix([[1.0, 0, 0], [0, 1, 0], [0, 0, 1]], 33, 33, 33))
    torch.testing.assert_close(general, images[:1], rtol=0, atol=1e-5)


def test_rows_are_picture_major() -> None:
    images = torch.stack((torch.zeros(3, 8, 8), torch.ones(3, 8, 8)))
    assert views_of(images, PRESETS["plain"], 3, 8).mean((1, 2, 3)).tolist() == [0, 0, 0, 1, 1, 1]


def test_quarter_turn_and_flip_of_an_asymmetric_picture() -> None:
    images = noise_picture(1, 16, 16)
    # Counter-clockwise by 90 degrees: the view's (x, y) shows the source's (16 - y, x).
    turned = render(images, with_matrix([[0.0, -1, 16], [1, 0, 0], [0, 0, 1]], 16, 16, 16))
    torch.testing.assert_close(turned, images.rot90(1, (2, 3)), rtol=0, atol=1e-5)
    flipped = views_of(images, CutoutSpec(flip_probability=1.0), 1, 16)
    torch.testing.assert_close(flipped, images.flip(3), rtol=0, atol=1e-5)


def test_positive_angles_turn_counter_clockwise() -> None:
    """The sampled rotation by an angle a continues the quarter turn of the test above: [[cos, -sin], [sin, cos]]."""
    params = sample_cutouts(CutoutSpec(rotation=90.0), SEEDS, 0, 40, 16, 16, 16)
    angle = (2 * philox.uniforms(SEEDS, 0, Stream.GEOMETRY, 6, 40)[..., 5] - 1) * (torch.pi / 2)
    rows = torch.stack((angle.cos(), -angle.sin(), angle.sin(), angle.cos()), -1).unflatten(-1, (2, 2))
    torch.testing.assert_close(params.matrix[..., :2, :2], rows, rtol=0, atol=1e-5)


@pytest.mark.parametrize("factor", [2, 4])
def test_shrinking_averages_areas(factor: int) -> None:
    images = smooth_picture(16 * factor, 16 * factor)
    view = views_of(images, PRESETS["plain"], 1, 16)
    torch.testing.assert_close(view, torch.nn.functional.avg_pool2d(images, factor), rtol=0, atol=1e-5)


@pytest.mark.parametrize(("height", "width", "size"), [(90, 90, 32), (97, 61, 24), (41, 75, 32), (50, 50, 48)])
def test_odd_and_uneven_sizes_are_antialiased(height: int, width: int, size: int) -> None:
    images = smooth_picture(height, width)
    view = views_of(images, PRESETS["plain"], 1, size)
    expected = torch.nn.functional.interpolate(images, (size, size), mode="bilinear", antialias=True)
    assert (view - expected).abs().max() < 0.02
    # White noise loses its contrast when it shrinks; bilinear samples without averaging would keep two thirds of it.
    noisy = views_of(noise_picture(1, height, width), PRESETS["plain"], 1, size)
    ratio = (height * width) ** 0.5 / size
    assert noisy.std() < 0.29 / ratio * 1.3


def test_mip_levels_follow_the_sizes() -> None:
    def levels(spec: AnySpec, side: int) -> tuple[int, int]:
        return mip_range(sample_cutouts(spec, SEEDS, 0, 4, side, side, 64))

    assert levels(PRESETS["plain"], 48) == (0, 0)
    assert levels(PRESETS["plain"], 128) == (1, 1)
    assert levels(PRESETS["plain"], 256) == (2, 2)
    assert levels(PRESETS["gentle"], 64) == (0, 0)
    assert levels(CutoutSpec(crop=(0.25, 1.0)), 512) == (1, 3)
    assert levels(CutoutSpec(crop=(0.25, 0.5), whole=1), 512) == (1, 3)
    assert levels(CutoutSpec(perspective=0.5), 128) == (1, 2)


def test_each_view_takes_its_own_level() -> None:
    """Views of several scales in one spec: each equals the area average at its own scale."""
    images = smooth_picture(64, 64)
    params = sample_cutouts(CutoutSpec(crop=(0.1, 1.0)), SEEDS[:1], 0, 3, 64, 64, 16)
    params = params._replace(matrix=torch.diag_embed(torch.tensor([[[4.0, 4, 1], [2, 2, 1], [1, 1, 1]]])))
    got = render(images, params)
    for view, scale in zip(got, (4, 2, 1), strict=True):
        crop = images[..., : 16 * scale, : 16 * scale]
        torch.testing.assert_close(view, torch.nn.functional.avg_pool2d(crop, scale)[0], rtol=0, atol=1e-5)


def test_level_is_that_of_the_scale_at_the_centre() -> None:
    scales = torch.tensor([[4.0, 4, 1], [2, 8, 1], [1.2, 1.2, 1], [0.3, 0.3, 1], [2, 2, 1], [3, 3, 1]])
    level = view_levels(torch.diag_embed(scales)[None], 16)[0]
    assert level.tolist() == pytest.approx([2, 2, 0, 0, 1, 1.585], abs=1e-3)
    params = sample_cutouts(CutoutSpec(crop=(4.0, 4.0), perspective=0.6), SEEDS[:1], 0, 5, 64, 64, 32)
    nearby = torch.tensor([[16.0, 16, 1], [16.001, 16, 1], [16, 16.001, 1]]).double() @ params.matrix[0].double().mT
    points = nearby[..., :2] / nearby[..., 2:]  # [N, 3, 2]
    jacobian = (points[:, 1:] - points[:, :1]) / 0.001
    torch.testing.assert_close(
        view_levels(params.matrix, 32)[0].double(), jacobian.det().abs().log2() / 2, rtol=0, atol=1e-3
    )


def test_integer_shift_is_a_bit_exact_crop() -> None:
    images = noise_picture(2, 20, 24)
    spec = replace(PRESETS["das"], noise="none", clamp=False)
    params = sample_cutouts(spec, SEEDS, 3, 6, 20, 24, 16)
    got = cutouts(images, params, 16, ZERO, ONE, torch.float32).unflatten(0, (2, 6))
    for b in range(2):
        for n in range(6):
            x, y = (int(v) for v in params.matrix[b, n, :2, 2])
            assert torch.equal(got[b, n], images[b, :, y : y + 16, x : x + 16])


def test_padding_modes() -> None:
    images = torch.full((1, 3, 8, 8), 0.25)
    beside = [[1.0, 0, 20], [0, 1, 0], [0, 0, 1]]  # a view wholly to the right of the picture
    assert render(images, with_matrix(beside, 8, 8, 8, "zeros")).abs().max() == 0
    assert torch.equal(render(images, with_matrix(beside, 8, 8, 8, "border")), images)
    filled = render(images, with_matrix(beside, 8, 8, 8, "colour"))
    torch.testing.assert_close(filled, torch.full_like(images, 0.5))
    half = [[1.0, 0, 4], [0, 1, 0], [0, 0, 1]]
    noise = noise_picture(1, 8, 8)
    mirrored = render(noise, with_matrix(half, 8, 8, 8, "reflection"))
    expected = torch.cat((noise, noise.flip(3)), 3)[..., 4:12]
    torch.testing.assert_close(mirrored, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
def test_reading_by_index_equals_grid_sample(padding: str) -> None:
    """The path whose backward has a fixed order of additions, forward and backward."""
    images = noise_picture(2, 13, 9).requires_grad_()
    spec = CutoutSpec(crop=(0.5, 1.6), rotation=40.0, perspective=0.5, overhang=0.3)
    params = sample_cutouts(spec, SEEDS, 0, 3, 13, 9, 12)
    points = source_points(params.matrix, 12, True)
    weights = torch.rand(2, 3, 36, 12, generator=torch.Generator().manual_seed(4))
    results = []
    for sample in (sample_by_grid, sample_by_index):
        out = sample(images, points, padding)
        results.append((out, torch.autograd.grad((out * weights).sum(), images)[0]))
    torch.testing.assert_close(results[0], results[1], rtol=1e-5, atol=2e-5)


def test_deterministic_flag_gives_the_same_views() -> None:
    images = noise_picture(2, 40, 40)
    both = [views_of(images, PRESETS["latest"], 4, 24, deterministic=flag) for flag in (False, True)]
    torch.testing.assert_close(both[0], both[1], rtol=1e-5, atol=2e-5)


def test_behind_the_horizon_is_outside() -> None:
    """A view whose divisor turns negative on its right shows no mirrored picture there, and nothing is infinite."""
    params = with_matrix([[1.0, 0, 0], [0, 1, 0], [-0.2, 0, 2.6]], 16, 16, 16, "zeros")
    params = params._replace(spec=CutoutSpec(perspective=0.5, padding="zeros"))
    view = render(torch.ones(1, 3, 16, 16), params)
    assert view.isfinite().all()
    assert view[..., 13:].abs().max() == 0
    assert view[..., 0:4].min() > 0
    # Here both coordinates and the divisor are negative on the right: their ratio lies inside the picture.
    mirrored = params._replace(matrix=torch.tensor([[[[-1.0, 0, 10], [0, 1, -16], [-0.2, 0, 2.6]]]]))
    assert render(torch.ones(1, 3, 16, 16), mirrored)[..., 13:].abs().max() == 0


@pytest.mark.parametrize("name", PRESETS)
def test_a_view_does_not_depend_on_the_other_pictures(name: str) -> None:
    images = noise_picture(2, 40, 40)
    together = views_of(images, PRESETS[name], 3, 32)
    assert together.isfinite().all()
    alone = views_of(images[:1], PRESETS[name], 3, 32)
    assert torch.equal(together[:3], alone)
    assert torch.equal(together, views_of(images, PRESETS[name], 3, 32))


def test_noise_is_philox_in_pixel_order_then_clamped() -> None:
    images = torch.full((2, 3, 8, 8), 0.95)
    got = views_of(images, PRESETS["das"], 2, 8, step=9).unflatten(0, (2, 2))
    noise = philox.uniforms(SEEDS, 9, Stream.NOISE, 3 * 64, 2).view(2, 2, 3, 8, 8)
    torch.testing.assert_close(got, (0.95 + 0.2 * noise).clamp(0, 1))
    assert got.max() == 1
    normal = CutoutSpec(noise="normal", noise_scale=(0.5, 0.5))
    assert views_of(images, normal, 2, 8).std() == pytest.approx(0.5, rel=0.1)
    assert views_of(images, normal, 2, 8).max() > 1  # not clamped unless asked


def test_erasing_blanks_the_box() -> None:
    images = torch.ones(1, 3, 20, 20)
    spec = CutoutSpec(frame="picture", erase_area=(0.1, 0.3), erase_probability=1.0)
    params = sample_cutouts(spec, SEEDS[:1], 0, 4, 20, 20, 20)
    views = cutouts(images, params, 20, ZERO, ONE, torch.float32)
    for view, box in zip(views, params.erase[0].int().tolist(), strict=True):
        expected = images[0].clone()
        expected[:, box[1] : box[3], box[0] : box[2]] = 0
        assert torch.equal(view, expected)
        assert view.min() == 0


def test_normalisation_and_dtype() -> None:
    images = noise_picture(1, 16, 16)
    params = sample_cutouts(PRESETS["plain"], SEEDS[:1], 0, 1, 16, 16, 16)
    got = cutouts(images, params, 16, MEAN, STD, torch.bfloat16)
    expected = (images - torch.tensor(MEAN)[:, None, None]) / torch.tensor(STD)[:, None, None]
    assert got.dtype == torch.bfloat16
    assert torch.equal(got, expected.to(torch.bfloat16))


GRADCHECK = CutoutSpec(
    crop=(0.5, 1.2),
    rotation=30.0,
    shear=10.0,
    perspective=0.4,
    flip_probability=0.5,
    brightness=0.02,
    contrast=0.1,
    saturation=0.1,
    hue=0.05,
    erase_area=(0.1, 0.2),
    erase_probability=0.5,
    noise="normal",
    noise_scale=(0.0, 0.1),
    whole=1,
)


@pytest.mark.parametrize("padding", ["zeros", "border", "reflection", "colour"])
def test_gradcheck_through_everything(padding: str) -> None:
    images = 0.2 + 0.6 * noise_picture(2, 9, 11, torch.float64)
    params = sample_cutouts(replace(GRADCHECK, padding=padding), SEEDS, 1, 2, 9, 11, 5)

    def op(pixels: torch.Tensor) -> torch.Tensor:
        return cutouts(pixels, params, 5, MEAN, STD, torch.float64)

    assert torch.autograd.gradcheck(op, images.requires_grad_(), eps=1e-7, atol=1e-5, fast_mode=True)


def test_gradcheck_of_exact_crops() -> None:
    params = sample_cutouts(replace(PRESETS["das"], noise_scale=(0.01, 0.01)), SEEDS, 1, 3, 7, 8, 5)
    images = (0.2 + 0.5 * noise_picture(2, 7, 8, torch.float64)).requires_grad_()
    assert torch.autograd.gradcheck(lambda i: cutouts(i, params, 5, MEAN, STD, torch.float64), images)


@pytest.mark.parametrize("name", PRESETS)
def test_empty_batch(name: str) -> None:
    params = sample_cutouts(PRESETS[name], SEEDS[:0], 0, 3, 20, 20, 16)
    assert cutouts(torch.zeros(0, 3, 20, 20), params, 16, MEAN, STD, torch.float32).shape == (0, 3, 16, 16)


def test_views_of_a_strided_picture() -> None:
    images = noise_picture(1, 20, 40)[..., ::2]
    assert torch.equal(views_of(images, GRADCHECK, 2, 12), views_of(images.contiguous(), GRADCHECK, 2, 12))


def test_exact_path_equals_the_general_one() -> None:
    images = noise_picture(2, 20, 20)
    params = sample_cutouts(replace(PRESETS["das"], noise="none"), SEEDS, 0, 3, 20, 20, 16)
    exact = warp(images, params, False)
    general = warp(images, params._replace(spec=CutoutSpec(rotation=1.0)), False)
    torch.testing.assert_close(exact, general, rtol=0, atol=1e-5)


def test_mistakes_are_explained() -> None:
    images = noise_picture(2, 20, 20)
    params = sample_cutouts(PRESETS["plain"], SEEDS, 0, 2, 20, 20, 16)
    with pytest.raises(UserError, match=r"shape \[2, 3, 20, 20\] \(B, 3, H, W\), got \[2, 3, 20, 18\]"):
        cutouts(images[..., :18], params, 16, MEAN, STD, torch.float32)
    with pytest.raises(UserError, match="views of 16 pixels, asked for 32"):
        cutouts(images, params, 32, MEAN, STD, torch.float32)
    with pytest.raises(UserError, match="of a float type"):
        cutouts(images.long(), params, 16, MEAN, STD, torch.float32)
    with pytest.raises(UserError, match="patches of 5 pixels do not divide views of 16"):
        cutouts(images, params, 16, MEAN, STD, torch.float32, patch=5)
    with pytest.raises(UserError, match="mean must be three numbers"):
        cutouts(images, params, 16, (0.5,), STD, torch.float32)


@pytest.mark.parametrize("name", ["das", "latest", "updated", "pixray"])
def test_sampling_and_op_compile_fullgraph_once_for_all_steps(name: str) -> None:
    torch.compiler.reset()
    spec = PRESETS[name]

    def run(pixels: torch.Tensor, seeds: torch.Tensor, step: torch.Tensor) -> torch.Tensor:
        params = sample_cutouts(spec, seeds, step, 2, 20, 20, 12)
        return cutouts(pixels, params, 12, MEAN, STD, torch.float32)

    compiled = torch.compile(run, fullgraph=True, backend="aot_eager")
    images = noise_picture(2, 20, 20).requires_grad_()
    with torch._dynamo.config.patch(error_on_recompile=True):
        for step in (0, 1):
            out = compiled(images, SEEDS, torch.tensor(step))
            expected = run(images, SEEDS, torch.tensor(step))
            torch.testing.assert_close(out, expected)
            torch.testing.assert_close(
                torch.autograd.grad(out.square().sum(), images), torch.autograd.grad(expected.square().sum(), images)
            )
