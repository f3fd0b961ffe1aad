"""The generator `autoencoder`: on random weights, and on the real ones where they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from fastclipgen.errors import UserError
from fastclipgen.generators.autoencoder import Autoencoder
from fastclipgen.outputs.load import fit

from ..material import MATERIAL
from ..models import taesd_checkpoints as tiny


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_file(tiny.decoder(), tmp_path / "tiny_decoder.safetensors")
    save_file(tiny.encoder(), tmp_path / "tiny_encoder.safetensors")
    return tmp_path


def test_latents_of_any_size(folder: Path) -> None:
    model = Autoencoder.load_weights(str(folder))
    generator = Autoencoder(9, 14, model)
    latents = generator.init(torch.tensor([1, 2]))["latents"]
    assert latents.shape == (2, 4, 3, 4)
    assert latents.std() == pytest.approx(0.5, rel=0.2)
    assert not Autoencoder(9, 14, model, noise=0.0).init(torch.tensor([1]))["latents"].any()
    drawn = tiny.plain_decode(tiny.decoder(), latents).clamp(0, 1)[:, :, 1:10, 1:15].float()
    torch.testing.assert_close(generator({"latents": latents}), drawn, atol=1e-5, rtol=1e-5)


def test_a_start_picture_goes_through_the_encoder(folder: Path) -> None:
    generator = Autoencoder(8, 12, Autoencoder.load_weights(str(folder / "tiny_decoder.safetensors")))
    images = torch.rand(2, 3, 8, 12, generator=torch.Generator().manual_seed(0))
    wanted = tiny.plain_encode(tiny.encoder(), images).float()
    torch.testing.assert_close(generator.init_from(images)["latents"], wanted, atol=1e-5, rtol=1e-5)


def test_without_an_encoder(folder: Path) -> None:
    (folder / "tiny_encoder.safetensors").unlink()
    generator = Autoencoder(8, 8, Autoencoder.load_weights(str(folder)))
    assert generator(generator.init(torch.tensor([1]))).shape == (1, 3, 8, 8)
    with pytest.raises(UserError, match="through the autoencoder's encoder, but there is none"):
        generator.init_from(torch.rand(1, 3, 8, 8))


def test_files_that_do_not_belong_together(folder: Path) -> None:
    save_file(tiny.encoder(channels=16), folder / "tiny_encoder.safetensors")
    with pytest.raises(UserError, match=r"makes latents of 16 channels, .* reads 4"):
        Autoencoder.load_weights(str(folder))


def test_names(folder: Path) -> None:
    Autoencoder.check_weights(str(folder))
    with pytest.raises(UserError, match=r"--autoencoder names .*none\.pth', and there is no such file"):
        Autoencoder.check_weights(str(folder / "none.pth"))
    save_file(tiny.decoder(), folder / "other_decoder.safetensors")
    with pytest.raises(UserError, match=r"has 'other_decoder.safetensors', 'tiny_decoder.safetensors'; name the file"):
        Autoencoder.check_weights(str(folder))
    (folder / "empty").mkdir()
    with pytest.raises(UserError, match="has none; name the file"):
        Autoencoder.check_weights(str(folder / "empty"))


@pytest.mark.skipif(not (MATERIAL / "taef2").is_dir(), reason="material: no taef2 beside the checkout")
def test_photographs_come_back() -> None:
    """At 256 pixels, cut to a square: the mean over 16 photographs that another implementation reached is 27.2 dB."""
    files = sorted((MATERIAL / "coco" / "val2017").glob("*.jpg"))[:16]
    assert len(files) == 16
    photographs = []
    for file in files:
        with Image.open(file) as image:
            pixels = torch.from_numpy(np.array(image.convert("RGB"))).movedim(-1, 0).float() / 255
        photographs.append(fit(pixels, 256, 256))
    images = torch.stack(photographs)
    generator = Autoencoder(256, 256, Autoencoder.load_weights(str(MATERIAL / "taef2")))
    assert generator.grid.rows == 32
    parts = []
    with torch.no_grad():
        for some in images.split(4):
            parts.append(generator(generator.init_from(some)))
    errors = (torch.cat(parts) - images).square().mean((1, 2, 3))
    decibels = (-10 * errors.log10()).mean()
    assert decibels >= 27.0, f"{decibels:.2f} dB"
