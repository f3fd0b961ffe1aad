"""The networks of a run: files of both dialects, and pairs that do not belong together."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from fastclipgen.clip_gen import networks
from fastclipgen.errors import UserError
from fastclipgen.models.vqgan_dialects import build
from fastclipgen.perceptors import as_perceptor

from ..models.vqgan_checkpoints import taming
from . import tiny


def test_tokens_become_pictures() -> None:
    vqgan = build(taming(0, tiny.SIZES), "x")
    made = networks.join(tiny.transformer(), vqgan)
    assert (made.side, made.grid) == (16, 4)
    tokens = torch.arange(32).view(2, 16)
    codes = made.codes(tokens)
    assert torch.equal(codes[1, :, 0, 1], vqgan.codebook[17])  # rows first
    torch.testing.assert_close(made.decode(tokens), vqgan.decode(codes))


def test_files(tmp_path: Path) -> None:
    for guided in (False, True):
        path = tiny.write(tmp_path, f"{guided}.safetensors", guided=guided)
        model = networks.load_transformer(str(path))
        assert (model.null_condition is not None) == guided
        assert model.geometry == tiny.GEOMETRY
        assert not any(parameter.requires_grad for parameter in model.parameters())
    with pytest.raises(UserError, match=r"--clip-gen names '.*none.pt', and there is no such file; check the path"):
        networks.load_transformer(str(tmp_path / "none.pt"))
    with pytest.raises(UserError, match="holds no transformer of CLIP-GEN"):
        networks.load_transformer(str(tiny.write_vqgan(tmp_path)))


def test_the_built_in_weights_are_an_asset(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[str] = []
    path = tiny.write(tmp_path)

    def asset(name: str) -> Path:
        asked.append(name)
        return path

    monkeypatch.setattr(networks, "asset", asset)
    assert networks.load_transformer("builtin").geometry == tiny.GEOMETRY
    assert asked == ["shapes_clip_gen.safetensors"]


def test_what_does_not_belong_together() -> None:
    vqgan = build(taming(0, tiny.SIZES), "x")
    with pytest.raises(UserError, match="draws tokens of 51 kinds, but the VQGAN has 50 codes; give the VQGAN that"):
        networks.join(tiny.transformer(replace(tiny.GEOMETRY, vocabulary=51)), vqgan)
    with pytest.raises(UserError, match="draws 15 tokens a picture, which make no square"):
        networks.join(tiny.transformer(replace(tiny.GEOMETRY, block=15)), vqgan)
    model = tiny.transformer(replace(tiny.GEOMETRY, condition=28))
    with pytest.raises(UserError, match="takes embeddings of 28 numbers, but CLIP 'eye' gives 27; name the CLIP"):
        networks.check_perceptor(model, as_perceptor(tiny.Eye()))
    networks.check_perceptor(tiny.transformer(), as_perceptor(tiny.Eye()))
