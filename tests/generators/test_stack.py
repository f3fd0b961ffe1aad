from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from fastclipgen.errors import UserError
from fastclipgen.generators.stack import Stack


@pytest.fixture
def float64() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def loss(canvas: Tensor) -> Tensor:
    """Something curved, different at every pixel, without symmetry."""
    weights = torch.linspace(0, 50, canvas[0].numel()).cos().view(1, *canvas.shape[1:])
    return ((canvas * weights).sin() + weights * (canvas - 0.2 * weights).square()).mean((1, 2, 3)).sum()


def sgd(generator: Stack, steps: int, lr: float) -> Tensor:
    params = generator.init(torch.tensor([0, 1]))
    for _ in range(steps):
        params = {key: value.requires_grad_() for key, value in params.items()}
        grads = torch.autograd.grad(loss(generator.canvas(params)), list(params.values()))
        moves = generator.precondition(dict(zip(params, grads, strict=True)))
        params = {key: (value - lr * moves[key]).detach() for key, value in params.items()}
    return generator.canvas(params)


@pytest.mark.parametrize(("size", "margin"), [((16, 16), 4), ((8, 16), 3), ((15, 7), 0)])
@pytest.mark.usefixtures("float64")
def test_collapsed_equals_every_resolution(size: tuple[int, int], margin: int) -> None:
    """20 SGD steps on one preconditioned plane and on all planes p_1..p_S draw the same."""
    collapsed = Stack(*size, margin=margin)
    everything = range(1, max(collapsed.canvas_size) + 1)
    faithful = Stack(*size, margin=margin, resolutions=everything, collapsed=False)
    assert len(faithful.init(torch.tensor([0]))) == len(everything)
    one, other = sgd(collapsed, 20, 0.2), sgd(faithful, 20, 0.2)
    assert (one - 0.5).abs().max() > 0.2
    assert (one - other).abs().max() < 1e-10


@pytest.mark.usefixtures("float64")
def test_rank_comes_close() -> None:
    exact, near = Stack(16, 16), Stack(16, 16, rank=8)
    assert exact.precondition_error == 0.0
    assert 0.0 < near.precondition_error < 0.01
    difference = (sgd(exact, 5, 0.2) - sgd(near, 5, 0.2)).abs().max()
    assert 0.0 < difference < 0.01


def test_true_stack_is_a_sum_of_bicubic_planes() -> None:
    generator = Stack(12, 20, margin=2, resolutions=[1, 6, 24], collapsed=False)
    params = generator.init(torch.tensor([0]))
    assert {key: tuple(value.shape) for key, value in params.items()} == {
        "p_1": (1, 3, 1, 1),
        "p_6": (1, 3, 4, 6),
        "p_24": (1, 3, 16, 24),
    }
    params = {key: torch.linspace(-1, 1, value.numel()).view_as(value) for key, value in params.items()}
    raw = sum(F.interpolate(p, size=(16, 24), mode="bicubic", align_corners=False) for p in params.values())
    torch.testing.assert_close(generator.canvas(params), 0.5 + 0.5 * torch.tanh(torch.as_tensor(raw)))


def test_every_start_is_the_same_grey() -> None:
    for collapsed in (True, False):
        generator = Stack(10, 8, collapsed=collapsed)
        assert torch.equal(generator.canvas(generator.init(torch.tensor([1, 99]))), torch.full((2, 3, 14, 12), 0.5))


def test_margin_is_a_quarter_and_goes_on_from_the_edges() -> None:
    generator = Stack(30, 23)
    assert generator.margin == 5
    assert Stack(224, 224, rank=1, resolutions=[1]).canvas_size == (336, 336)
    image = torch.full((1, 3, 30, 23), 0.5)
    image[..., 0, :], image[..., -1] = 0.25, 0.75
    canvas = generator.canvas(generator.init_from(image))
    assert canvas.shape == (1, 3, 40, 33)
    assert canvas[0, :, :5, 5:27] == pytest.approx(torch.full((3, 5, 22), 0.25), abs=1e-4)
    assert canvas[0, :, :, 28:] == pytest.approx(torch.full((3, 40, 5), 0.75), abs=1e-4)
    assert canvas[0, :, 6:, :5] == pytest.approx(torch.full((3, 34, 5), 0.5), abs=1e-4)


def test_coarse_stack_starts_from_the_nearest_picture() -> None:
    generator = Stack(16, 16, margin=0, resolutions=[2, 8], collapsed=False)
    smooth = 0.5 + 0.3 * torch.sin(torch.linspace(0, 2, 16)).expand(1, 3, 16, 16)
    assert (generator(generator.init_from(smooth)) - smooth).abs().max() < 0.01


def test_form_follows_the_optimiser() -> None:
    assert Stack.options_for("sgd") == {"collapsed": True}
    assert Stack.options_for("adam") == {"collapsed": False}


def test_wrong_options_are_refused() -> None:
    with pytest.raises(UserError, match="margin"):
        Stack(8, 8, margin=-1)
    with pytest.raises(UserError, match="rank"):
        Stack(8, 8, rank=0)
    with pytest.raises(UserError, match="collapsed is false"):
        Stack(8, 8, collapsed=False, rank=4)
    with pytest.raises(UserError, match="1 to 12"):
        Stack(8, 8, resolutions=[13])
