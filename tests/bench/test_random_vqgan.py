from __future__ import annotations

from pathlib import Path

from bench.random_vqgan import write_vqgan
from fastclipgen.generators.vqgan import Vqgan
from fastclipgen.models.vqgan import Geometry

TINY = Geometry(channels=32, multipliers=(1, 1), attention=(1,), blocks=1, z_channels=4, embed=4, codes=50)


def test_it_loads_as_a_published_one_does(tmp_path: Path) -> None:
    model = Vqgan.load_weights(str(write_vqgan(tmp_path / "x.safetensors", TINY)))
    assert model.geometry == TINY
    assert len(model.codebook.unique()) > 100  # no two codes alike
