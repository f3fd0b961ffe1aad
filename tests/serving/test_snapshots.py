"""Pictures on their way off the device: what they hold, and how little they take of the drawing thread."""

from __future__ import annotations

import io
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from fastclipgen.outputs.images import to_uint8
from fastclipgen.serving.snapshots import Gallery, Snapshot, Snapshots, to_levels

CPU = torch.device("cpu")


def info(step: int, images: torch.Tensor) -> Any:
    return SimpleNamespace(step=step, images=lambda: images)


def test_pixels_are_those_that_files_get() -> None:
    images = torch.rand(2, 3, 5, 7, generator=torch.Generator().manual_seed(0)) * 1.2 - 0.1
    images[0, :, 0, :4] = torch.tensor([0.5 / 255, 1.5 / 255, 254.5 / 255, 1.0])
    assert np.array_equal(to_levels(images).numpy(), to_uint8(images))


def test_what_is_not_finite_is_drawn() -> None:
    images = torch.tensor([float("nan"), float("inf"), -float("inf"), 0.5]).view(1, 1, 1, 4).expand(1, 3, 1, 4)
    assert to_levels(images)[0, 0, :, 0].tolist() == [0, 255, 0, 128]


@pytest.mark.parametrize(("cost", "expected"), [(0.0, 0.1), (0.005, 0.5)])
def test_how_often(cost: float, expected: float) -> None:
    """Ten times a second, or where a copy takes long, so seldom that it takes a hundredth of the time."""
    now = 0.0

    def images() -> torch.Tensor:
        nonlocal now
        now += cost
        return torch.zeros(1, 3, 2, 2)

    came: list[float] = []
    snapshots = Snapshots(CPU, lambda _: came.append(now), clock=lambda: now)
    for step in range(1, 2001):
        snapshots.after_step(SimpleNamespace(step=step, images=images), 0)  # pyright: ignore[reportArgumentType]
        now += 0.001
    gaps = np.diff(came)
    assert len(gaps) >= 3
    assert gaps.min() == pytest.approx(expected, abs=0.002 + cost)
    assert gaps.max() == pytest.approx(expected, abs=0.002 + cost)


def test_each_batch_has_its_own() -> None:
    now = 0.0
    came: list[Snapshot] = []
    snapshots = Snapshots(CPU, came.append, clock=lambda: now)
    for first, pictures in ((0, 3), (3, 3), (6, 1)):
        snapshots.after_step(info(1, torch.full((pictures, 3, 2, 2), first / 255)), first)
        now += 1.0
    assert [(one.first, one.step, one.pixels.shape, int(one.pixels.max())) for one in came] == [
        (0, 1, (3, 2, 2, 3), 0), (3, 1, (3, 2, 2, 3), 3), (6, 1, (1, 2, 2, 3), 6),
    ]  # fmt: skip


def test_a_gallery_encodes_what_is_asked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    from fastclipgen.serving import snapshots

    encoded: list[int] = []
    plain = snapshots.encode_fast
    monkeypatch.setattr(
        snapshots, "encode_fast", lambda pixels: (encoded.append(int(pixels[0, 0, 0])), plain(pixels))[1]
    )
    gallery = Gallery()
    assert gallery.png(0) is None
    gallery.put(Snapshot(4, 10, np.arange(2, dtype=np.uint8).repeat(12).reshape(2, 2, 2, 3)))
    assert encoded == []
    shown = gallery.png(11)
    assert shown is not None
    assert shown[0] == "10-4-11"
    assert np.asarray(Image.open(io.BytesIO(shown[1]))).tolist() == [[[1] * 3] * 2] * 2
    assert gallery.png(11) == shown
    assert encoded == [1]
    assert gallery.png(9) is None
    assert gallery.png(12) is None
    gallery.put(Snapshot(5, 10, np.zeros((2, 2, 2, 3), np.uint8)))
    assert gallery.tag(11) == "10-5-11"


@pytest.mark.gpu
def test_on_a_device_nothing_waits() -> None:
    """The copy is queued behind the step, and arrives at a later call."""
    came: list[Snapshot] = []
    snapshots = Snapshots(torch.device("cuda"), came.append)
    images = torch.full((1, 3, 64, 64), 0.5, device="cuda")
    snapshots.after_step(info(1, images), 0)
    torch.cuda.synchronize()
    snapshots.after_step(info(2, images), 0)
    assert [one.step for one in came] == [1]
    assert int(came[0].pixels.min()) == 128
