from __future__ import annotations

import math

import pytest
import torch

from fastclipgen.errors import UserError
from fastclipgen.generators.siren import Siren


def test_layers_and_bounds() -> None:
    generator = Siren(8, 8, layers=3, hidden=64, omega=20.0)
    params = generator.init(torch.arange(3))
    assert [tuple(params[f"w{i}"].shape[1:]) for i in range(4)] == [(2, 64), (64, 64), (64, 64), (64, 3)]
    for index, bound in enumerate([0.5, *[math.sqrt(6 / 64) / 20.0] * 3]):
        assert params[f"w{index}"].abs().max() <= bound
        assert params[f"w{index}"].std() == pytest.approx(bound / math.sqrt(3), rel=0.1)


def test_every_picture_has_its_own_network() -> None:
    generator = Siren(6, 9, layers=2, hidden=16)
    params = generator.init(torch.tensor([1, 2, 3]))
    together = generator(params)
    for index in range(3):
        values = generator.coordinates[0]
        for layer in range(3):
            values = values @ params[f"w{layer}"][index] + params[f"b{layer}"][index]
            values = torch.sin(30.0 * values) if layer < 2 else torch.sigmoid(values)
        torch.testing.assert_close(together[index], values.T.reshape(3, 6, 9), atol=1e-4, rtol=0)


def test_pixels_are_square() -> None:
    grid = Siren(4, 8).coordinates.view(4, 8, 2)
    assert grid[0, 0].tolist() == [-0.375, -0.875]
    assert grid[3, 7].tolist() == [0.375, 0.875]


def test_same_picture_twice_is_fitted_the_same() -> None:
    images = torch.linspace(0, 1, 3 * 36).view(1, 3, 6, 6).expand(2, -1, -1, -1)
    params = Siren(6, 6, layers=1, hidden=8, fit_steps=3).init_from(images)
    assert all(torch.allclose(value[0], value[1], atol=1e-6) for value in params.values())


def test_wrong_options_are_refused() -> None:
    for key in ("layers", "hidden", "omega"):
        with pytest.raises(UserError, match=key):
            Siren(8, 8, **{key: 0})
    with pytest.raises(UserError, match="fit_steps"):
        Siren(8, 8, fit_steps=-1)
