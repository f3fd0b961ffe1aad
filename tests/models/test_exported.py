"""Programs of others as generators: how they want to be called is found out, and what they cannot do is said."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from fastclipgen.errors import UserError
from fastclipgen.models.exported import as_exported, stated_latent

Z = torch.randn(3, 5, generator=torch.Generator().manual_seed(0))


class Net(nn.Module):
    """Pictures of 4 x 6 pixels."""

    def __init__(self, change: Callable[[Tensor], Any] = lambda x: x) -> None:
        super().__init__()
        self.lines, self.mix, self.change = nn.Linear(5, 72), nn.Conv2d(3, 3, 3, padding=1), change

    def forward(self, z: Tensor) -> Any:
        return self.change(torch.tanh(self.mix(self.lines(z).view(-1, 3, 4, 6))))


class Deep(Net):
    """Takes [B, D, 1, 1] and nothing else."""

    def forward(self, z: Tensor) -> Any:
        assert z.shape[2:] == (1, 1)
        return super().forward(z[:, :, 0, 0])


def exported(net: nn.Module, batch: int = 2, dynamic: bool = True) -> nn.Module:
    shapes = ({0: torch.export.Dim("batch")},) if dynamic else None
    return torch.export.export(net, (torch.zeros(batch, 5),), dynamic_shapes=shapes).module()


def scripted(net: nn.Module) -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.jit.trace(net, torch.zeros(1, 5))  # pyright: ignore[reportReturnType]


@pytest.mark.parametrize("kind", [exported, scripted, lambda net: exported(net, 1, False)])
def test_pictures_and_gradients_are_those_of_the_network(kind: Callable[[nn.Module], nn.Module]) -> None:
    """Also of a program for a batch of one, which draws a batch picture by picture."""
    net = Net()
    made = as_exported(kind(net), "it", 5, -1, 1)
    assert (made.size, made.flat) == ((4, 6), True)
    assert not any(parameter.requires_grad for parameter in made.parameters())
    leaf, other = Z.clone().requires_grad_(), Z.clone().requires_grad_()
    torch.testing.assert_close(made(leaf), net(other))
    made(leaf).square().sum().backward()
    net(other).square().sum().backward()
    torch.testing.assert_close(leaf.grad, other.grad)


def test_a_batch_of_one_is_known() -> None:
    assert as_exported(exported(Net(), 1, False), "it", 5, -1, 1).alone
    assert not as_exported(exported(Net()), "it", 5, -1, 1).alone


def test_pictures_that_mix_in_a_batch_are_drawn_alone() -> None:
    made = as_exported(Net(lambda x: x * (1 + x.mean(0))), "it", 5, -1, 1)
    assert made.alone
    torch.testing.assert_close(made(Z)[1:2], made(Z[1:2]))


def test_the_first_of_several_outputs_and_deep_latents() -> None:
    net = Deep(lambda x: (x, x[:, :, ::2]))
    made = as_exported(net, "it", 5, -1, 1)
    assert not made.flat
    torch.testing.assert_close(made(Z), net(Z[:, :, None, None])[0])


def test_another_range_becomes_that_of_all() -> None:
    net = Net()
    made = as_exported(Net(lambda x: 10 * x + 20), "it", 5, 10, 30)
    made.program.load_state_dict(net.state_dict())
    torch.testing.assert_close(made(Z), net(Z), rtol=1e-4, atol=1e-5)


def test_it_stays_in_its_mode() -> None:
    made = as_exported(exported(Net()), "it", 5, -1, 1)
    assert made.eval() is made  # torch's own exported modules raise


def test_what_a_file_says_of_its_latents() -> None:
    assert stated_latent(exported(Net())) == 5
    assert stated_latent(scripted(Net())) is None
    assert stated_latent(Net()) is None


class Cut(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        return torch.zeros_like(grads[0])


@pytest.mark.parametrize(
    ("net", "latent", "sentence"),
    [
        (Net(), 6, r"it takes no latents \[1, 6\] or \[1, 6, 1, 1\] \(.*\); give the length .* with --latent-dim"),
        (Net(lambda x: x[0]), 5, r"must make a picture \[1, 3, H, W\] .*, got \[3, 4, 6\]"),
        (Net(lambda x: x[:, :1]), 5, r"got \[1, 1, 4, 6\]"),
        (Net(lambda x: {"image": x}), 5, "got dict"),
        (Net(lambda x: ()), 5, "got tuple"),
        (Net(lambda x: x / 0), 5, "values that are not finite"),
        (Net(lambda x: x.detach()), 5, "no finite gradient with respect to the latent"),
        (Net(lambda x: (x * 9).round()), 5, "no finite gradient with respect to the latent"),
        (Net(lambda x: Cut.apply(x)), 5, "no finite gradient with respect to the latent"),
    ],
)
def test_what_cannot_be_optimised_is_said(net: nn.Module, latent: int, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence) as caught:
        as_exported(net, "it", latent, -1, 1)
    assert "\n" not in str(caught.value)
