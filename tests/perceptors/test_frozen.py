"""Simplified towers compute the same, with gradients, and keep less."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch
import torch.nn.functional as F
from open_clip.modified_resnet import ModifiedResNet
from torch import Tensor, nn

from fastclipgen.engine.memory import activation_bytes
from fastclipgen.perceptors.builtin import load_builtin
from fastclipgen.perceptors.frozen import patch_side, simplify


@pytest.fixture
def resnet() -> ModifiedResNet:
    """With statistics and weights that are far from neutral."""
    tower = ModifiedResNet([1, 2, 1, 1], output_dim=8, heads=2, image_size=64, width=8).eval()
    generator = torch.Generator().manual_seed(0)
    for norm in tower.modules():
        if isinstance(norm, nn.BatchNorm2d):
            for values, low, high in (
                (norm.running_mean, -0.5, 0.5), (norm.running_var, 0.5, 2),
                (norm.weight, 0.5, 1.5), (norm.bias, -1, 1),
            ):  # fmt: skip
                assert values is not None
                values.data.uniform_(low, high, generator=generator)
    return tower


def seen(tower: nn.Module, views: Tensor) -> tuple[Tensor, Tensor]:
    """The embeddings, and the gradient of a weighted sum of them to the views."""
    views = views.detach().requires_grad_()
    out = tower(views)
    (gradient,) = torch.autograd.grad((out * torch.arange(1, out.shape[1] + 1)).sum(), views)
    return out.detach(), gradient


def test_a_folded_resnet_is_the_same_function(resnet: ModifiedResNet) -> None:
    views = torch.randn(3, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    truth = seen(copy.deepcopy(resnet).double(), views.double())
    plain = seen(resnet, views)
    folded = copy.deepcopy(resnet)
    simplify(folded)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in folded.modules())
    for got, before, exact in zip(seen(folded, views), plain, truth, strict=True):
        assert (got - exact).abs().max() <= 2 * (before - exact).abs().max() + 1e-6 * exact.abs().max()


def test_weights_have_their_channels_last(resnet: ModifiedResNet) -> None:
    simplify(resnet)
    for dtype in (torch.float32, torch.bfloat16):
        weight = resnet.to(dtype).get_parameter("layer2.0.conv2.weight")
        assert weight.is_contiguous(memory_format=torch.channels_last)


def test_other_towers_are_left_alone(arch: str) -> None:
    model: Any = open_clip.create_model(arch)
    tower = model.visual.eval()
    before = {name: value.clone() for name, value in tower.state_dict().items()}
    simplify(tower)
    assert all(torch.equal(value, before[name]) for name, value in tower.state_dict().items())


def test_the_built_in_clip_is_simplified_and_keeps_half() -> None:
    perceptor = load_builtin(print)
    assert isinstance(perceptor.module.visual, ModifiedResNet)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in perceptor.module.visual.modules())
    kept = activation_bytes(perceptor)
    size = perceptor.image_size
    assert kept < 40 * 3 * size * size * 4


def kept_bytes(tower: nn.Module, views: Tensor) -> int:
    """Bytes that autograd keeps of a forward pass, weights aside."""
    weights = {value.untyped_storage().data_ptr() for value in tower.parameters()}
    saved: dict[int, Tensor] = {}

    def pack(value: Tensor) -> Tensor:
        saved[value.untyped_storage().data_ptr()] = value
        return value

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda value: value):
        held = tower(views.requires_grad_())
    assert held.requires_grad
    return sum(value.untyped_storage().nbytes() for place, value in saved.items() if place not in weights)


def test_frozen_weights_keep_nothing_of_their_own(add_arch: Callable[..., Path]) -> None:
    """Of each layer of width 64: the inputs of both norms, q, k, v, the attention's output, and 4 of the activation."""
    add_arch("Tiny-Test-Deep", width=64, head_width=32, layers=8, patch_size=8)
    model: Any = open_clip.create_model("Tiny-Test-Deep")
    tower = model.visual.eval().requires_grad_(False)
    views = torch.zeros(1, 3, 32, 32)
    frozen = kept_bytes(tower, views)
    token, tokens, layers = 64 * 4, 17, 8
    assert 10 * layers * tokens * token < frozen < 11.5 * layers * tokens * token
    assert kept_bytes(tower.requires_grad_(True), views) > 1.4 * frozen


def test_attention_is_fused_where_gradients_flow(arch: str, checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """open_clip's blocks reach torch's scaled_dot_product_attention, which picks the fused kernel."""
    model: Any = open_clip.create_model(arch, pretrained=str(checkpoint)).eval().requires_grad_(False)
    calls: list[bool] = []
    plain = F.scaled_dot_product_attention
    monkeypatch.setattr(
        F, "scaled_dot_product_attention", lambda *args, **kw: calls.append(args[0].requires_grad) or plain(*args, **kw)
    )
    monkeypatch.setattr("torch.nn.functional.scaled_dot_product_attention", F.scaled_dot_product_attention)
    views = torch.randn(1, 3, 32, 32, requires_grad=True)
    model.encode_image(views).sum().backward()
    assert calls == [True]


def test_patches_are_the_views(arch: str) -> None:
    model: Any = open_clip.create_model(arch)
    tower = model.visual.eval()
    simplify(tower)
    side = patch_side(tower)
    assert side > 0
    size = tower.image_size[0] if isinstance(tower.image_size, tuple) else tower.image_size
    views = torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(0)).requires_grad_()
    cells = views.unfold(2, side, side).unfold(3, side, side)  # [2, 3, rows, columns, p, p]
    patches = cells.permute(0, 2, 3, 1, 4, 5).flatten(3).flatten(1, 2)
    found = [(out, torch.autograd.grad(out.square().sum(), views)[0]) for out in (tower(views), tower(patches))]
    torch.testing.assert_close(found[0], found[1], rtol=1e-4, atol=1e-5)
