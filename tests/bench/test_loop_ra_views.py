from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from bench.loop_ra_views import NotebookViews, lanczos_resize
from fastclipgen.ops.cutout_params import sample_cutouts
from fastclipgen.ops.cutout_presets import preset
from fastclipgen.ops.cutout_spec import CutoutSpec
from fastclipgen.ops.cutouts import cutouts

IMAGE = torch.rand(1, 3, 60, 60, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("size", [24, 60, 96])
def test_resizing_equals_the_op(size: int) -> None:
    """By two matrices in the op, by convolution and interpolation in the notebook; the whole picture has no chance."""
    spec = preset("original")
    assert isinstance(spec, CutoutSpec)
    spec = replace(spec, crop=(1.0, 1.0))
    params = sample_cutouts(spec, torch.tensor([1]), 0, 1, 60, 60, size)
    wanted = cutouts(IMAGE, params, size, (0, 0, 0), (1, 1, 1), torch.float32)
    torch.testing.assert_close(NotebookViews(spec, size, 1).draw(IMAGE, 1), wanted, rtol=0, atol=2e-5)


def test_only_axes_that_shrink_are_smoothed() -> None:
    stripes = (torch.arange(20)[:, None] & 1).float().expand(1, 3, 20, 60)
    torch.testing.assert_close(lanczos_resize(stripes, 20), stripes[..., :20], rtol=0, atol=1e-5)
    checks = (torch.arange(60)[:, None] + torch.arange(60) & 1).float().expand(1, 3, 60, 60)
    assert lanczos_resize(checks, 20).std() < 0.02  # what is finer than the view is gone
    assert lanczos_resize(checks, 60).std() > 0.4


def test_crops_are_square_and_never_enlarged() -> None:
    rows, columns = torch.meshgrid(torch.linspace(0, 1, 60), torch.linspace(0, 1, 60), indexing="ij")
    spec = preset("original")
    assert isinstance(spec, CutoutSpec)
    views = NotebookViews(spec, 30, 1).draw(torch.stack([rows, columns, rows])[None], 40)
    heights = views[:, 0, -1].mean(-1) - views[:, 0, 0].mean(-1)
    widths = views[:, 1, :, -1].mean(-1) - views[:, 1, :, 0].mean(-1)
    assert (heights - widths).abs().max() < 0.02
    assert 0.48 < heights.min() < 0.55
    assert heights.max() > 0.9
