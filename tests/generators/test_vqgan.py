"""The generator `vqgan`: parameters, starts, sizes and files, on a VQGAN of random weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from fastclipgen.data.shapes import HELD_OUT_SEED, ShapesDataset
from fastclipgen.engine.memory import drawing_bytes
from fastclipgen.errors import UserError
from fastclipgen.generators import create
from fastclipgen.generators.painted_starts import PREVIEW, figure_on_ground
from fastclipgen.generators.vqgan import Vqgan
from fastclipgen.models.vqgan import VQGAN
from fastclipgen.models.vqgan_dialects import build
from fastclipgen.training.measures import psnr

from ..models.vqgan_checkpoints import Plain, Sizes, clip_gen, taming

YAML = """
model:
  target: taming.models.vqgan.VQModel
  params: {{embed_dim: 4, n_embed: {codes}, ddconfig: {{z_channels: 5, resolution: 32, ch: 32, ch_mult: [1, 1, 2],
           num_res_blocks: 2, attn_resolutions: [8]}}}}
"""


@pytest.fixture
def model() -> VQGAN:
    return build(taming(), "x")


def test_a_start_is_random_codes(model: VQGAN) -> None:
    generator = Vqgan(30, 50, model)
    z = generator.init(torch.tensor([1, 2]))["z"]
    assert z.shape == (2, 4, 8, 13)
    codes, indices = model.nearest(z)
    assert torch.equal(codes, z)
    counts = torch.bincount(indices.flatten(), minlength=50)
    assert (counts > 0).sum() > 40  # 208 draws of 50
    assert not torch.equal(indices[0], indices[1])


def test_the_picture_is_the_centre_of_what_the_codes_draw(model: VQGAN) -> None:
    generator = Vqgan(9, 14, model)
    z = 1.5 * torch.randn(2, 4, 3, 4, generator=torch.Generator().manual_seed(0))
    drawn = Plain(taming()).decode(model.nearest(z)[0])  # 12 x 16
    wanted = ((drawn + 1) / 2).clamp(0, 1)[:, :, 1:10, 1:15].float()
    torch.testing.assert_close(generator({"z": z}), wanted, atol=1e-5, rtol=1e-5)


def test_a_start_picture_becomes_the_codes_of_the_encoder() -> None:
    for sizes in (Sizes(), Sizes(gumbel=True)):
        weights = taming(1, sizes)
        generator, plain = Vqgan(8, 12, build(weights, "x")), Plain(weights, sizes)
        images = torch.rand(2, 3, 8, 12, generator=torch.Generator().manual_seed(0))
        wanted = plain.codebook[plain.indices(plain.encode(2 * images - 1))].movedim(-1, 1).float()
        assert torch.equal(generator.init_from(images)["z"], wanted)


def test_among_many_starts_each_is_a_painted_picture_through_the_encoder(model: VQGAN) -> None:
    generator, seeds = Vqgan(8, 12, model), torch.tensor([3, 4])
    painted = figure_on_ground(seeds, 8, 12, varied=True)
    assert torch.equal(generator.init_among_many(seeds)["z"], generator.init_from(painted)["z"])
    assert max(generator.preview_among_many(seeds).shape[2:]) == PREVIEW


def test_projection_keeps_every_coordinate_in_the_codebooks_range(model: VQGAN) -> None:
    generator = Vqgan(8, 8, model)
    z = 9 * torch.randn(2, 4, 2, 2, generator=torch.Generator().manual_seed(0))
    projected = generator.project({"z": z})["z"]
    low, high = model.codebook.min(0).values, model.codebook.max(0).values
    for channel in range(4):
        assert torch.equal(projected[:, channel], z[:, channel].clamp(low[channel], high[channel]))
    inside = generator.init(torch.tensor([3]))
    assert torch.equal(generator.project(inside)["z"], inside["z"])


def test_tiles_draw_the_same_picture(model: VQGAN) -> None:
    params = Vqgan(30, 20, model).init(torch.tensor([4]))
    whole, tiled = (Vqgan(30, 20, model, tile=tile)(params) for tile in (0, 7))
    torch.testing.assert_close(tiled, whole, atol=1e-5, rtol=1e-5)
    # what is planned for is what is kept
    assert drawing_bytes(Vqgan(32, 32, model, tile=8)) < 1.2 * drawing_bytes(Vqgan(32, 32, model))
    with pytest.raises(UserError, match="option 'tile' of generator 'vqgan' must be at least 0, got -1"):
        Vqgan(8, 8, model, tile=-1)


def test_weights_in_bf16_draw_about_the_same_in_float32(model: VQGAN) -> None:
    generator = Vqgan(16, 16, model)
    params = generator.init(torch.tensor([5]))
    whole = generator(params)
    model.decoder.bfloat16()
    model.post_quant_conv.bfloat16()
    half = generator(params)
    assert half.dtype == torch.float32
    assert 0 < (half - whole).abs().mean() < 0.05


def test_files(tmp_path: Path) -> None:
    torch.save({"state_dict": taming(2), "global_step": 7}, tmp_path / "last.ckpt")
    torch.save({"model": clip_gen(2), "epoch": 3}, tmp_path / "coco.pt")
    (tmp_path / "good.yaml").write_text(YAML.format(codes=50))
    (tmp_path / "other.yaml").write_text(YAML.format(codes=51))
    (tmp_path / "broken.yaml").write_text("a: [")
    for name, eps in (("last.ckpt", 1e-6), ("coco.pt", 1e-5)):
        for text in (f"{tmp_path}/{name}", f"{tmp_path}/{name}:{tmp_path}/good.yaml"):
            Vqgan.check_weights(text)
            assert Vqgan.load_weights(text).geometry.eps == eps
    with pytest.raises(UserError, match=r"other.yaml' states codes 51, but the weights have 50"):
        Vqgan.load_weights(f"{tmp_path}/last.ckpt:{tmp_path}/other.yaml")
    with pytest.raises(UserError, match="cannot be read as YAML"):
        Vqgan.load_weights(f"{tmp_path}/last.ckpt:{tmp_path}/broken.yaml")
    for text in (f"{tmp_path}/none.ckpt", f"{tmp_path}/last.ckpt:{tmp_path}/none.yaml"):
        with pytest.raises(UserError, match=r"--vqgan names '.*none\.\w+', and there is no such file"):
            Vqgan.check_weights(text)
    with pytest.raises(UserError, match="is a folder; name the file in it"):
        Vqgan.check_weights(str(tmp_path))


def test_the_built_in_weights_draw_what_they_have_never_seen() -> None:
    Vqgan.check_weights("builtin")
    generator = Vqgan(64, 64, Vqgan.load_weights("builtin"))
    pictures = ShapesDataset(HELD_OUT_SEED, 64).batch(np.arange(5000, 5128)).images  # not those of the model's card
    images = torch.from_numpy(pictures).permute(0, 3, 1, 2)
    with torch.no_grad():
        copies = generator(generator.init_from(images))
    assert float(psnr(copies, images).mean()) >= 28.5  # asked: 24; the card says 29.98


def test_the_registry_asks_for_weights(model: VQGAN) -> None:
    assert isinstance(create("vqgan", 8, 8, "adam", model, tile=4), Vqgan)
    with pytest.raises(UserError, match="generator 'vqgan' draws with weights from a file; name it with --vqgan PATH"):
        create("vqgan", 8, 8)
    with pytest.raises(UserError, match="unknown option of generator 'vqgan' 'modl'"):
        create("vqgan", 8, 8, None, model, modl=3)
