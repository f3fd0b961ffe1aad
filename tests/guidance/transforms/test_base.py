"""The random numbers of a step: of each picture its own, of each place, step and frame others."""

from __future__ import annotations

import torch

from fastclipgen.guidance.transforms.base import Draws, per_channel, per_picture

SEEDS = torch.tensor([3, -1])


def test_shapes_and_ranges() -> None:
    drawn = Draws(SEEDS, 0, 4, place=0)
    uniform, normal = drawn.uniform(1000), drawn.normal(3, 10, 7)
    assert (uniform.shape, uniform.dtype) == ((2, 4, 1000), torch.float32)
    assert 0 <= float(uniform.min()) < 0.01
    assert 0.99 < float(uniform.max()) < 1
    assert (normal.shape, normal.dtype) == ((2, 4, 3, 10, 7), torch.float32)
    assert abs(float(normal.mean())) < 0.1
    assert 0.9 < float(normal.std()) < 1.1


def test_places_steps_pictures_and_frames_are_apart() -> None:
    drawn = [Draws(SEEDS, step, 3, place).uniform(2) for step in (0, 1) for place in (0, 1, 2)]
    rows = torch.stack(drawn).flatten(0, -2)  # [2 * 3 * 2 * 3, 2]
    assert len({tuple(row) for row in rows.tolist()}) == 36


def test_a_picture_draws_by_its_seed_alone_and_a_frame_by_its_number() -> None:
    both, second = Draws(SEEDS, 5, 3, place=1), Draws(SEEDS[1:], torch.tensor(5), 8, place=1)
    assert torch.equal(both.normal(5)[1:], second.normal(5)[:, :3])


def test_numbers_go_with_frames() -> None:
    frames = torch.zeros(2, 3, 3, 4, 5)
    by_channel = frames + per_channel(torch.tensor([[1.0, 2, 3], [4, 5, 6]]))
    assert by_channel[:, 2, :, 3, 4].tolist() == [[1, 2, 3], [4, 5, 6]]
    by_picture = frames + per_picture(torch.tensor([1.0, 2]))
    assert by_picture.amin((1, 2, 3, 4)).tolist() == by_picture.amax((1, 2, 3, 4)).tolist() == [1, 2]
