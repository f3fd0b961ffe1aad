from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from fastclipgen.ops.cutout_sharpness import sharpen
from fastclipgen.ops.cutouts import CutoutSpec, cutouts, reference_cutouts, sample_cutouts

KERNEL = torch.tensor([[1.0, 1, 1], [1, 5, 1], [1, 1, 1]], dtype=torch.float64) / 13
SPEC = CutoutSpec(
    crop=(0.5, 1.0),
    hue=0.1,
    sharpness=0.3,
    sharpness_probability=0.5,
    erase_area=(0.1, 0.2),
    erase_probability=0.6,
    noise="normal",
    noise_scale=(0.0, 0.1),
    clamp=True,
)


def pictures(height: int, width: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.rand(3, 3, height, width, generator=torch.Generator().manual_seed(2), dtype=dtype)


def test_inner_pixels_are_blended_with_the_smoothed_view_and_edges_are_not() -> None:
    views, factors = pictures(7, 6), torch.tensor([0.0, 0.25, 1.0], dtype=torch.float64)
    smooth = functional.conv2d(views.flatten(0, 1)[:, None], KERNEL[None, None])[:, 0].unflatten(0, (3, 3))
    found, share = sharpen(views, factors), factors[:, None, None, None]
    torch.testing.assert_close(found[..., 1:-1, 1:-1], smooth + (views[..., 1:-1, 1:-1] - smooth) * share)
    for edge in ((..., 0, slice(None)), (..., -1, slice(None)), (..., 0), (..., -1)):
        assert torch.equal(found[edge], views[edge])
    assert torch.equal(found[2], views[2])
    assert found.max() <= 1


@pytest.mark.parametrize(("height", "width"), [(1, 1), (2, 5), (3, 3)])
def test_small_views(height: int, width: int) -> None:
    views = pictures(height, width)
    found = sharpen(views, torch.zeros(3, dtype=torch.float64))
    assert found.shape == views.shape
    assert torch.equal(found, views) == (min(height, width) < 3)


def test_gradcheck() -> None:
    views = (0.2 + 0.6 * pictures(4, 5)).requires_grad_()
    factors = torch.tensor([0.0, 0.3, 1.0], dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda v: sharpen(v, factors), views)


def test_factors_are_drawn_as_the_spec_says() -> None:
    params = sample_cutouts(SPEC, torch.tensor([1, 2]), 0, 800, 20, 20, 8)
    assert params.sharpness is not None
    touched = params.sharpness[params.sharpness != 1]
    assert len(touched) / 1600 == pytest.approx(0.5, abs=0.04)
    assert touched.min() < 0.01
    assert touched.max() == pytest.approx(0.3, abs=0.01)
    assert sample_cutouts(CutoutSpec(hue=0.1), torch.tensor([1]), 0, 2, 20, 20, 8).sharpness is None


@pytest.mark.parametrize("patch", [0, 4])
def test_every_backend_sharpens_between_colour_and_erasing(patch: int) -> None:
    """The public op, whose kernels know nothing of it, equals the reference: colour, then sharpness, then erasing."""
    images = pictures(40, 32, torch.float32)[:2].requires_grad_()
    params = sample_cutouts(SPEC, torch.tensor([1, 2]), 3, 6, 40, 32, 20)
    rest = ((0.4, 0.5, 0.6), (0.2, 0.3, 0.25), torch.float32)
    found = cutouts(images, params, 20, *rest, patch=patch)
    wanted = reference_cutouts(images, params, *rest, patch=patch)
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-4)
    slopes = [torch.autograd.grad(views.square().sum(), images)[0] for views in (found, wanted)]
    torch.testing.assert_close(*slopes, rtol=1e-3, atol=1e-3)
    without = params._replace(sharpness=torch.ones_like(params.sharpness))  # pyright: ignore[reportArgumentType]
    assert (cutouts(images, without, 20, *rest, patch=patch) - found).abs().max() > 0.1
    # what is erased has sharp edges: zeros, before noise
    bare = params._replace(noise_scale=torch.zeros(2, 6))
    views = cutouts(images, bare, 20, (0, 0, 0), (1, 1, 1), torch.float32)
    box = next(box for box in params.erase.flatten(0, 1).int().tolist() if box[2] > box[0])
    view = views[params.erase.flatten(0, 1).int().tolist().index(box)]
    assert (view[:, box[1] : box[3], box[0] : box[2]] == 0).all()
