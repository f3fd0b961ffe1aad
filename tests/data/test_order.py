"""The order of pictures in a training."""

from __future__ import annotations

import numpy as np

from fastclipgen.data.order import Order


def test_every_epoch_has_every_picture_once_in_an_order_of_its_own() -> None:
    order = Order(3, 11)
    epochs = order.at(np.arange(33)).reshape(3, 11)
    assert (np.sort(epochs, axis=1) == np.arange(11)).all()
    assert len({tuple(epoch) for epoch in epochs}) == 3
    assert not (np.diff(epochs[0]) == 1).all()


def test_a_position_is_the_same_whatever_else_is_asked() -> None:
    whole = Order(3, 11).at(np.arange(40))
    late = Order(3, 11)
    assert [int(late.at(np.array([p]))[0]) for p in (39, 0, 25)] == [whole[39], whole[0], whole[25]]
    assert (Order(3, 11).at(np.array([[12, 3], [38, 12]])) == [[whole[12], whole[3]], [whole[38], whole[12]]]).all()
    assert (Order(4, 11).at(np.arange(40)) != whole).any()


def test_the_next_epoch_differs_from_the_next_seed() -> None:
    assert (Order(0, 50).at(np.arange(50, 100)) != Order(1, 50).at(np.arange(50))).any()
