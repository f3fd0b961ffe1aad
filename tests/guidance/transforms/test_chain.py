"""Collapsed runs against the same transforms one by one."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

from fastclipgen.guidance.transforms import chain
from fastclipgen.guidance.transforms.base import Draws, Transform, Values
from fastclipgen.guidance.transforms.chain import Link, run_chain
from fastclipgen.guidance.transforms.geometry import resized
from fastclipgen.ops import library

from .moving import link, row, smooth

HEIGHT, WIDTH, FRAMES = 48, 64, 3
ROTATE: dict[str, Any] = {"degree": row(-30, 30), "center": row(0.3, 0.7)}


def frames_one_by_one(images: Tensor, links: Sequence[Link]) -> Tensor:
    frames = images[:, None]
    for each in links:
        frames = chain._applied(frames, each)
    return frames


def one_by_one(images: Tensor, links: Sequence[Link], size: int) -> Tensor:
    return resized(frames_one_by_one(images, links), size, size, "bicubic").clamp(0.0, 1.0)


def weighted(images: Tensor, run: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
    """The result and the gradient of its sum under smooth weights, blurred: single pixels may differ."""
    images = images.clone().requires_grad_()
    result = run(images)
    weights = smooth(*result.shape[-2:])[:, None]
    (gradient,) = torch.autograd.grad((result * weights).sum(), images)
    return result.detach(), torch.nn.functional.avg_pool2d(gradient, 8)


def one_of(choose: random.Random, place: int) -> Link:
    """A geometric transform with numbers drawn by `choose`, half of those that keep the size active in one picture."""
    size = (choose.randint(30, 60), choose.randint(30, 60))
    kinds: list[tuple[str, dict[str, Any]]] = [
        ("shift", {"offset": row(choose.uniform(-1, 1), choose.randint(-9, 9))}),
        ("random_shift", {"offset": row(-1, 1)}),
        ("rotate", {"degree": torch.tensor([choose.uniform(-60, 60), 10]), "center": row(0.4, 0.5)}),
        ("random_rotate", ROTATE),
        ("random_scale", {"scale": row(0.6, 1.4)}),
        ("random_translate", {"offset": row(0.2, 0.1)}),
        ("center_crop", {"size": size}),
        ("random_crop", {"size": size}),
        ("crop", {"xywh": (0.1, 3, 0.8, 0.75)}),
        ("resize", {"size": (choose.randint(40, 80), choose.randint(40, 80))}),
        ("repeat", {"count": (choose.randint(1, 2), choose.randint(1, 2))}),
        ("pad", {"size": (3, 5), "mode": choose.choice(["fill", "edge", "wrap"]), "color": row(0.2, 0.9, 0.4)}),
    ]
    name, values = choose.choice(kinds)
    made = link(name, place, FRAMES, **values)
    if not made.transform.resizes and choose.random() < 0.5:
        made = made._replace(active=torch.tensor([True, False]))
    return made


@pytest.mark.parametrize("seed", range(40))
def test_a_collapsed_chain_is_the_chain(seed: int) -> None:
    """On average within 0.005, and 19 of 20 pixels within 0.02, before the last resize: what is left are black
    edges, drawn once instead of several times. A last resize by mip levels, not bicubic, takes those further apart.
    """
    choose = random.Random(seed)
    links = [one_of(choose, place) for place in range(choose.randint(1, 5))]
    names = [each.transform.name for each in links]
    size = choose.choice([24, 32, 48])

    def collapsed(images: Tensor) -> Tensor:
        whole = chain._Chain(images[:, None], False)
        for each in links:
            whole.add(each)
        return whole.drawn()

    result, gradient = weighted(smooth(HEIGHT, WIDTH), collapsed)
    expected, wanted = weighted(smooth(HEIGHT, WIDTH), lambda images: frames_one_by_one(images, links))
    assert result.shape == expected.shape, names
    error = (result - expected).abs()
    assert error.mean() < 0.005, names
    assert error.flatten().quantile(0.95) < 0.02, names
    assert (gradient - wanted).abs().mean() < 0.02 * wanted.abs().mean(), names

    result, gradient = weighted(smooth(HEIGHT, WIDTH), lambda images: run_chain(images, links, size))
    expected, wanted = weighted(smooth(HEIGHT, WIDTH), lambda images: one_by_one(images, links, size))
    assert result.shape == expected.shape, names
    assert (result - expected).abs().mean() < 0.025, names
    assert (gradient - wanted).abs().mean() < 0.06 * wanted.abs().mean(), names


STRAWBERRIES = [
    link("random_shift", 0, FRAMES, offset=row(-1, 1)),
    link("random_rotate", 1, FRAMES, degree=row(-10, 10), center=row(0, 1)),
    link("random_scale", 2, FRAMES, scale=row(0.5, 1)),
    link("center_crop", 3, FRAMES, size=(32, 32)),
]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many steps each collapsed run has had."""
    made: list[int] = []
    plain = chain.collapsed

    def counted(frames: Tensor, steps: list, deterministic: bool) -> Tensor:
        made.append(len(steps))
        return plain(frames, steps, deterministic)

    monkeypatch.setattr(chain, "collapsed", counted)
    return made


class Darker(Transform):
    """Not geometric, so that it ends runs."""

    name = "darker"

    def apply(self, frames: Tensor, values: Values, draws: Draws) -> Tensor:
        return frames * 0.5


def test_what_is_one_reading(calls: list[int]) -> None:
    def runs(size: int, *links: Link) -> list[int]:
        calls.clear()
        run_chain(smooth(HEIGHT, WIDTH), links, size)
        return list(calls)

    shift, turn = link("shift", offset=row(3, 4)), link("random_rotate", **ROTATE)
    assert runs(32, *STRAWBERRIES) == [4]
    assert runs(24, *STRAWBERRIES) == [5]  # the last resize is a part of it
    assert runs(40, *STRAWBERRIES) == [4]  # but not where it enlarges
    assert runs(32) == []
    assert runs(48, link("center_crop", size=(48, 48))) == []  # a slice
    assert runs(48, link("random_crop", size=(48, 48))) == []
    assert runs(48, shift, link("center_crop", size=(48, 48))) == [2]
    assert runs(32, turn, Link(Darker(), {}, turn.draws), turn) == [1, 2]
    # the frame repeats where it is the picture, or whole pictures, and not after a turn
    assert runs(48, shift, link("repeat", count=(2, 2)), shift, turn) == [5]
    assert runs(48, turn, shift) == [1, 2]
    assert runs(48, shift, link("pad", size=(5, 5), mode="wrap"), turn) == [4]
    assert runs(48, shift, link("pad", size=(5, 5), mode="wrap"), shift) == [2, 2]
    assert runs(48, turn, link("pad", size=(5, 5), mode="edge")) == [1]
    # what was made small stays coarse
    assert runs(32, turn, link("resize", size=(16, 12)), link("resize", size=(64, 64))) == [2, 2]


def test_frames_are_one_until_something_is_random() -> None:
    images = smooth(HEIGHT, WIDTH)
    assert run_chain(images, [link("rotate", degree=torch.tensor([9.0]), center=row(0, 0))], 32).shape[:2] == (2, 1)
    assert run_chain(images, STRAWBERRIES, 32).shape == (2, FRAMES, 3, 32, 32)
    assert run_chain(images, [], 16).shape == (2, 1, 3, 16, 16)


def test_the_last_resize_is_bicubic_and_the_result_clamped() -> None:
    images = smooth(8, 8).round()
    expected = torch.nn.functional.interpolate(images, (24, 24), mode="bicubic", antialias=True)
    assert expected.max() > 1.01
    assert torch.equal(run_chain(images, [], 24)[:, 0], expected.clamp(0, 1))


def test_what_is_not_active_leaves_a_picture_as_it_is() -> None:
    images = smooth(32, 32)
    for on in (torch.tensor([True, False]), torch.tensor([False, True])):
        links = [each._replace(active=on) for each in STRAWBERRIES[:3]]
        result = run_chain(images, links, 32)
        same = (result - images[:, None]).abs().amax((1, 2, 3, 4)) < 1e-4
        assert torch.equal(same, ~on)


def test_a_picture_alone_is_what_it_is_in_a_batch() -> None:
    images = smooth(HEIGHT, WIDTH)
    together = run_chain(images, STRAWBERRIES, 24)
    for i, seed in enumerate((3, 4)):
        own = [each._replace(draws=Draws(torch.tensor([seed]), 5, FRAMES, p)) for p, each in enumerate(STRAWBERRIES)]
        assert torch.equal(run_chain(images[i : i + 1], own, 24)[0], together[i])


def test_backends_agree() -> None:
    results = []
    for backend in ("reference", "auto"):
        with library.using(backend, "cpu"):
            results.append(weighted(smooth(HEIGHT, WIDTH), lambda images: run_chain(images, STRAWBERRIES, 24)))
    torch.testing.assert_close(results[0][0], results[1][0], rtol=0, atol=1e-5)
    torch.testing.assert_close(results[0][1], results[1][1], rtol=0, atol=1e-4)


@pytest.fixture
def fresh_compiler() -> Iterator[None]:
    torch.compiler.reset()
    yield
    torch.compiler.reset()


def test_a_chain_is_one_graph_for_all_numbers(fresh_compiler: None) -> None:
    def step(images: Tensor, at: Tensor, offset: Tensor, degree: Tensor, active: Tensor) -> Tensor:
        links = [each._replace(draws=Draws(torch.tensor([3, 4]), at, FRAMES, p)) for p, each in enumerate(STRAWBERRIES)]
        links[0] = links[0]._replace(values={"offset": offset})
        links[1] = links[1]._replace(values={"degree": degree, "center": row(0, 1)}, active=active)
        padded = link("pad", size=(2, 2), mode="fill", color=row(1, 0, 0))
        return run_chain(images, [*links, padded, Link(Darker(), {}, links[0].draws), links[1]], 24)

    compiled = torch.compile(step, fullgraph=True, backend="aot_eager")
    images = smooth(HEIGHT, WIDTH).requires_grad_()
    for at in range(3):
        given = torch.tensor(at), row(-1, at), row(-at, 5), torch.tensor([at < 2, at > 0])
        with torch._dynamo.config.patch(error_on_recompile=at > 0):
            result = compiled(images, *given)
        expected = step(images, *given)
        torch.testing.assert_close(result, expected, rtol=0, atol=1e-5)
        gradients = [torch.autograd.grad(each.square().sum(), images)[0] for each in (result, expected)]
        torch.testing.assert_close(gradients[0], gradients[1], rtol=1e-4, atol=1e-4)
