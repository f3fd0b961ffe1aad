"""The patch discriminator: sizes, names and beginnings of taming-transformers."""

from __future__ import annotations

import torch

from fastclipgen.training.discriminator import BatchNorm, PatchDiscriminator


def test_sizes_and_names_are_those_of_taming_transformers() -> None:
    model = PatchDiscriminator()
    assert sum(p.numel() for p in model.parameters()) == 2_765_633  # as clip-gen has it
    assert {k: list(v.shape) for k, v in model.state_dict().items() if k.endswith("weight") and v.ndim == 4} == {
        "main.0.weight": [64, 3, 4, 4], "main.2.weight": [128, 64, 4, 4], "main.5.weight": [256, 128, 4, 4],
        "main.8.weight": [512, 256, 4, 4], "main.11.weight": [1, 512, 4, 4],
    }  # fmt: skip
    assert model.state_dict()["main.9.running_mean"].shape == (512,)
    assert model(torch.zeros(2, 3, 64, 64)).shape == (2, 1, 6, 6)


def test_it_begins_as_dcgan() -> None:
    torch.manual_seed(0)
    model = PatchDiscriminator()
    convolution, norm = model.get_parameter("main.5.weight"), model.get_parameter("main.6.weight")
    assert abs(convolution.std().item() - 0.02) < 1e-3
    assert abs(norm.mean().item() - 1) < 0.01
    assert 0.015 < norm.std().item() < 0.025
    assert not model.get_parameter("main.6.bias").any()


def test_alone_the_norm_is_torchs(monkeypatch) -> None:
    """And with the moments of several processes, all of whose pictures are alike, it is the same."""
    torch.manual_seed(0)
    x = torch.randn(4, 3, 5, 5) * 2 + 1
    theirs, ours, shared = torch.nn.BatchNorm2d(3), BatchNorm(3), BatchNorm(3)
    expected = theirs(x)
    assert torch.equal(ours(x), expected)
    monkeypatch.setattr("fastclipgen.training.processes.count", lambda: 2)
    monkeypatch.setattr("fastclipgen.training.processes.mean", lambda moments: moments)
    torch.testing.assert_close(shared(x), expected)
    torch.testing.assert_close(shared.running_mean, theirs.running_mean)
    number = x.numel() // 3  # of two processes there are twice as many
    wide = x.var((0, 2, 3), unbiased=False) * (2 * number) / (2 * number - 1)
    torch.testing.assert_close(shared.running_var, 0.9 + 0.1 * wide)
    shared.eval()
    torch.testing.assert_close(shared(x).mean(), theirs.eval()(x).mean(), rtol=1e-2, atol=1e-2)
