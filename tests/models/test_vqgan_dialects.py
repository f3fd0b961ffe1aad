"""What is found in checkpoints of either dialect, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import yaml

from fastclipgen.errors import UserError
from fastclipgen.models.vqgan import Geometry
from fastclipgen.models.vqgan_dialects import adopt, build, check_agreement, geometry_of_config

from .vqgan_checkpoints import Sizes, clip_gen, taming

GEOMETRIES = [
    (Sizes(), Geometry(32, (1, 1, 2), (2,), 2, 5, 4, 50)),
    (Sizes(widths=(64, 128, 64), attention=(0, 1), blocks=1, z=3), Geometry(64, (1, 2, 1), (0, 1), 1, 3, 4, 50)),
    (Sizes(widths=(32,), attention=(), blocks=3, codes=9), Geometry(32, (1,), (), 3, 5, 4, 9)),
]
CONFIG = """
model:
  base_learning_rate: 4.5e-06
  target: taming.models.vqgan.VQModel
  params:
    embed_dim: 256
    n_embed: 16384
    ddconfig: {double_z: false, z_channels: 256, resolution: 256, in_channels: 3, out_ch: 3, ch: 128,
               ch_mult: [1, 1, 2, 2, 4], num_res_blocks: 2, attn_resolutions: [16], dropout: 0.0}
"""


@pytest.mark.parametrize(("sizes", "geometry"), GEOMETRIES)
def test_geometry_from_the_weights(sizes: Sizes, geometry: Geometry) -> None:
    assert adopt(taming(0, sizes), "x")[0] == geometry
    found = adopt(clip_gen(0, sizes), "x")[0]
    assert found.eps == 1e-5
    check_agreement(geometry, found, "x")
    assert build(taming(0, sizes), "x").geometry == geometry


def test_a_gumbel_codebook_is_seen() -> None:
    assert adopt(taming(0, Sizes(gumbel=True)), "x")[0].gumbel


def test_inside_the_checkpoint_of_a_transformer() -> None:
    inner = taming()
    whole = {f"first_stage_model.{name}": value for name, value in inner.items()}
    whole |= {"transformer.pos_emb": torch.zeros(1), "cond_stage_model.x": torch.zeros(1)}
    geometry, weights = adopt(whole, "x")
    assert geometry == adopt(inner, "x")[0]
    assert set(weights) == {name for name in inner if not name.startswith("loss.")}


def test_the_model_is_frozen_and_in_float32() -> None:
    model = build({name: value.half() for name, value in taming().items()}, "x")
    assert not model.training
    assert all(not value.requires_grad and value.dtype == torch.float32 for value in model.parameters())


def test_what_training_keeps_beside_the_codes_is_left_out() -> None:
    more = {"quantize.cluster_size": torch.zeros(50), "quantize.embed_avg": torch.zeros(50, 4)}
    assert build(taming() | more, "x").geometry.codes == 50


@pytest.mark.parametrize("maker", [taming, clip_gen])
def test_incomplete_and_unfit_weights(maker: Any) -> None:
    for name in ("decoder.conv_in.bias", "encoder.conv_in.weight"):
        weights = maker()
        del weights[name]
        with pytest.raises(UserError, match=f"the file.* lacks '{name}'"):
            build(weights, "the file")
    with pytest.raises(UserError, match=r"is \[32, 4, 3, 3\], expected \[32, 3, 3, 3\]"):
        build(maker() | {"encoder.conv_in.weight": torch.zeros(32, 4, 3, 3)}, "the file")
    with pytest.raises(UserError, match=r"'decoder\.conv_in\.bias' .* not finite"):
        build(maker() | {"decoder.conv_in.bias": torch.full((64,), torch.nan)}, "the file")
    with pytest.raises(UserError, match=r"20 channels, times \(1, 2\).*multiples of 8"):
        build(maker(0, Sizes(widths=(20, 40), attention=())), "the file")


def test_more_than_the_architecture() -> None:
    with pytest.raises(UserError, match="has more than its architecture knows: 'encoder"):
        build(taming() | {"encoder.mid.block_3.x": torch.zeros(1)}, "the file")


def test_something_else() -> None:
    with pytest.raises(UserError, match=r"the file holds no VQGAN.*got 'a', 'b', 'c' and 1 more"):
        adopt(dict.fromkeys("abcd", torch.zeros(1)), "the file")
    with pytest.raises(UserError, match="got no tensors"):
        adopt({}, "the file")


def test_geometry_from_yaml() -> None:
    config = yaml.safe_load(CONFIG)
    assert geometry_of_config(config, "x") == Geometry()
    transformer = {"model": {"target": "taming.models.cond_transformer.Net2NetTransformer", "params": {
        "first_stage_config": config["model"]}}}  # fmt: skip
    assert geometry_of_config(transformer, "x") == Geometry()
    gumbel = yaml.safe_load(CONFIG.replace("VQModel", "GumbelVQ").replace("[1, 1, 2, 2, 4]", "[1, 1, 2, 4]"))
    gumbel["model"]["params"]["ddconfig"]["attn_resolutions"] = [32]
    assert geometry_of_config(gumbel, "x") == Geometry(multipliers=(1, 1, 2, 4), attention=(3,), gumbel=True)


@pytest.mark.parametrize("config", [None, [], "text", {"model": {}}, {"model": {"params": {"ddconfig": {"ch": "x"}}}}])
def test_what_is_no_such_yaml(config: Any) -> None:
    with pytest.raises(UserError, match=r"the file should state a VQGAN.*leave it out"):
        geometry_of_config(config, "the file")


def test_yaml_and_weights_must_agree() -> None:
    stated = geometry_of_config(yaml.safe_load(CONFIG), "x")
    with pytest.raises(UserError, match="the file states codes 16384, but the weights have 1024"):
        check_agreement(stated, Geometry(codes=1024, eps=1e-5), "the file")
    check_agreement(stated, Geometry(eps=1e-5), "the file")
