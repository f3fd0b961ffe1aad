from __future__ import annotations

import pytest
import torch

from fastclipgen.errors import UserError
from fastclipgen.generators.fourier import Fourier


@pytest.mark.parametrize("decay", [0.0, 1.0, 1.5])
@pytest.mark.parametrize("size", [(32, 32), (31, 48)])
def test_unit_coefficients_give_about_unit_planes(size: tuple[int, int], decay: float) -> None:
    generator = Fourier(*size, decay=decay, deviation=1.0)
    spectrum = torch.view_as_complex(generator.init(torch.arange(40))["spectrum"] * generator.scale)
    planes = torch.fft.irfft2(spectrum, s=size, norm="ortho")
    assert planes.std() == pytest.approx(1.0, rel=0.2)


def test_decay_favours_low_frequencies() -> None:
    """Power of a picture made of equal coefficients falls with frequency to the power -2 decay."""
    generator = Fourier(32, 32, decay=1.0)
    ratio = generator.scale[0, 4, 0] / generator.scale[0, 8, 0]
    assert ratio == pytest.approx(2.0)
    flat = Fourier(32, 32, decay=0.0).scale
    assert flat.max() == flat.min()


def test_colours_are_those_of_photographs() -> None:
    """Random spectra give pictures whose channels go together, mostly differing in brightness."""
    generator = Fourier(16, 16, deviation=0.3)
    channels = generator(generator.init(torch.arange(60))).transpose(0, 1).flatten(1)
    correlation = torch.corrcoef(channels)
    assert correlation[0, 1] > 0.85
    assert 0.6 < correlation[0, 2] < correlation[0, 1]


def test_wrong_options_are_refused() -> None:
    with pytest.raises(UserError, match="decay"):
        Fourier(8, 8, decay=-1.0)
    with pytest.raises(UserError, match="deviation"):
        Fourier(8, 8, deviation=float("inf"))
