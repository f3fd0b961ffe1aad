"""Checkpoints of clip-gen, against a plain implementation of its architecture made of torch's own layers."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from fastclipgen.errors import UserError
from fastclipgen.models.transformer import MEDIUM, Geometry
from fastclipgen.models.transformer_dialects import adopt, build
from fastclipgen.weights.checkpoint import read_tensors

TINY = Geometry(layers=3, width=32, heads=4, vocabulary=11, block=9, condition=6)


class Encoder(nn.Module):
    """A block of the original's shape: torch's layer and a mask that is saved with it."""

    def __init__(self, geometry: Geometry) -> None:
        super().__init__()
        width, block = geometry.width, geometry.block
        self.encoder = nn.TransformerEncoderLayer(
            width, geometry.heads, 4 * width, activation="gelu", batch_first=True, norm_first=True
        )
        self.register_buffer("mask", torch.ones(block, block, dtype=torch.bool).triu(1))

    def forward(self, x: Tensor) -> Tensor:
        t = x.shape[1]
        return self.encoder(x, src_mask=self.get_buffer("mask")[:t, :t])


class Plain(nn.Module):
    """Module names as in clip-gen's checkpoints."""

    def __init__(self, geometry: Geometry) -> None:
        super().__init__()
        width = geometry.width
        self.tok_emb = nn.Embedding(geometry.vocabulary, width)
        self.pos_emb = nn.Parameter(torch.zeros(1, geometry.block, width))
        self.cond_proj = nn.Linear(geometry.condition, width)
        self.blocks = nn.ModuleList(Encoder(geometry) for _ in range(geometry.layers))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, geometry.vocabulary)

    def forward(self, condition: Tensor, tokens: Tensor) -> Tensor:
        x = torch.cat([self.cond_proj(condition)[:, None], self.tok_emb(tokens)], dim=1)
        x = x + self.pos_emb[:, : x.shape[1]]
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x))


@pytest.fixture
def plain() -> Plain:
    """Random everywhere, so that no weight can be in another's place unseen."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = Plain(TINY)
        for parameter in model.parameters():
            nn.init.normal_(parameter, std=0.3)
    return model.eval()


@torch.no_grad()
def test_a_checkpoint_computes_what_it_did(plain: Plain) -> None:
    generator = torch.Generator().manual_seed(1)
    condition = torch.randn(2, TINY.condition, generator=generator)
    tokens = torch.randint(TINY.vocabulary, (2, TINY.block - 1), generator=generator)
    model = build(plain.state_dict(), "gpt.pt", heads=TINY.heads)
    assert model.geometry == TINY
    assert not model.training
    torch.testing.assert_close(model(condition, tokens), plain(condition, tokens), atol=2e-5, rtol=2e-5)
    again = build(model.state_dict(), "ours.pt", heads=TINY.heads)
    assert torch.equal(again(condition, tokens), model(condition, tokens))


def test_a_file_as_clip_gen_writes_it(plain: Plain, tmp_path: Path) -> None:
    optimizer = torch.optim.AdamW(plain.parameters()).state_dict()
    content = {"model": plain.state_dict(), "optimizer": optimizer, "scaler": {}, "epoch": 3, "val_loss": 5.2}
    torch.save(content, tmp_path / "gpt_coco.pt")
    model = build(read_tensors(tmp_path / "gpt_coco.pt", "gpt_coco"), "gpt_coco.pt", heads=TINY.heads)
    assert model.geometry == TINY
    assert torch.equal(model.blocks[2].qkv.bias, plain.blocks[2].encoder.self_attn.in_proj_bias)  # pyright: ignore


def test_the_geometry_of_gpt2_medium() -> None:
    with torch.device("meta"):
        tensors = Plain(MEDIUM).state_dict()
    geometry, ours = adopt(tensors, "gpt_coco.pt")
    assert geometry == MEDIUM
    assert sum(value.numel() for value in ours.values()) == 336_669_696


def test_a_model_says_by_a_tensor_that_it_can_be_guided(plain: Plain) -> None:
    assert build(plain.state_dict(), "gpt.pt", heads=4).null_condition is None
    null = torch.arange(6.0)
    model = build({**plain.state_dict(), "null_condition": null}, "gpt.pt", heads=4)
    assert model.null_condition is not None
    assert torch.equal(model.null_condition, null)
    again = build(model.state_dict(), "ours.pt", heads=4)
    assert again.null_condition is not None
    assert torch.equal(again.null_condition, null)
    with pytest.raises(UserError, match=r"'null_condition' .* is \[5\], expected \[6\]"):
        build({**plain.state_dict(), "null_condition": null[:5]}, "gpt.pt", heads=4)


def test_half_precision_is_widened(plain: Plain) -> None:
    model = build({name: value.half() for name, value in plain.state_dict().items()}, "gpt.pt", heads=4)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}


def test_what_is_no_transformer_of_this_kind() -> None:
    with pytest.raises(UserError, match=r"x\.pt holds no transformer of CLIP-GEN: .* got 'a', 'b', 'c'; give"):
        build({name: torch.ones(1) for name in "abcd"}, "x.pt")
    with pytest.raises(UserError, match="got no tensors"):
        build({}, "x.pt")


def test_weights_that_do_not_fit(plain: Plain) -> None:
    tensors = plain.state_dict()
    name = "blocks.1.encoder.linear1.weight"
    with pytest.raises(UserError, match=r"lacks 'blocks\.1\.widen\.weight'; give the checkpoint as it was published"):
        build({key: value for key, value in tensors.items() if key != name}, "x.pt", heads=4)
    with pytest.raises(UserError, match=r"has more than its architecture knows: 'blocks\.1\.extra\.weight'"):
        build({**tensors, "blocks.1.encoder.extra.weight": torch.ones(1)}, "x.pt", heads=4)
    with pytest.raises(UserError, match=r"'blocks\.1\.widen\.weight' .* is \[5, 32\], expected \[128, 32\]"):
        build({**tensors, name: torch.ones(5, 32)}, "x.pt", heads=4)
    with pytest.raises(UserError, match=r"'blocks\.1\.widen\.weight' .* not finite"):
        build({**tensors, name: torch.full((128, 32), torch.nan)}, "x.pt", heads=4)
    with pytest.raises(UserError, match="multiple of its heads, got 32 and 5"):
        build(tensors, "x.pt", heads=5)
