from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from fastclipgen.errors import UserError
from fastclipgen.generators import as_generator
from fastclipgen.generators.pixels import Pixels


class Painting(nn.Module):
    """Two colours blended by a mask; also holds a buffer, a frozen parameter and batch statistics."""

    def __init__(self, shape: tuple[int, ...] = (3, 5, 7)) -> None:
        super().__init__()
        self.colours = nn.Parameter(torch.tensor([[0.2, 0.4, 0.6], [0.9, 0.1, 0.3]]))
        self.mask = nn.Parameter(torch.linspace(-2, 2, 35).view(1, 5, 7))
        self.frozen = nn.Parameter(torch.tensor(0.5), requires_grad=False)
        self.register_buffer("share", torch.tensor(0.5))
        self.norm = nn.BatchNorm2d(1, affine=False)
        self.shape = shape

    def forward(self) -> Tensor:
        mask = torch.sigmoid(self.norm(self.mask[None])[0] * (self.frozen + self.get_buffer("share")))
        first, second = self.colours[:, :, None, None]
        return (mask * first + (1 - mask) * second).reshape(self.shape)


@pytest.mark.parametrize("shape", [(3, 5, 7), (1, 3, 5, 7)])
def test_draws_what_the_module_draws(shape: tuple[int, ...]) -> None:
    module = Painting(shape)
    generator = as_generator(module)
    assert (generator.height, generator.width, generator.name) == (5, 7, "Painting")
    params = generator.init(torch.tensor([1, 2]))
    assert set(params) == {"colours", "mask"}
    wanted = module.eval()().reshape(3, 5, 7)
    torch.testing.assert_close(generator(params), wanted.expand(2, -1, -1, -1))


def test_copies_are_independent_and_the_module_unchanged() -> None:
    module = Painting()
    before = {key: value.clone() for key, value in module.state_dict().items()}
    generator = as_generator(module)
    params = {key: value.requires_grad_() for key, value in generator.init(torch.tensor([1, 2])).items()}
    grads = torch.autograd.grad(generator(params)[0].sum(), list(params.values()))
    assert all(grad[0].abs().max() > 0 and grad[1].abs().max() == 0 for grad in grads)
    with torch.no_grad():
        params["colours"][1].zero_()
    images = generator(params)
    assert images[1].max() == 0
    assert images[0].max() > 0
    assert module.training
    assert module.colours.requires_grad
    assert all(torch.equal(value, before[key]) for key, value in module.state_dict().items())


def test_jitter_is_seeded() -> None:
    generator = as_generator(Painting(), jitter=0.1)
    params = generator.init(torch.tensor([1, 2, 1]))
    own = as_generator(Painting()).init(torch.tensor([1]))
    for value in params.values():
        assert torch.equal(value[0], value[2])
        assert not torch.equal(value[0], value[1])
    spread = torch.cat([(value - own[key]).flatten() for key, value in params.items()]).std()
    assert spread == pytest.approx(0.1, rel=0.2)
    with pytest.raises(UserError, match="jitter"):
        as_generator(Painting(), jitter=float("inf"))


def test_a_generator_stays_itself() -> None:
    generator = Pixels(4, 6)
    assert as_generator(generator) is generator
    assert as_generator(generator, 4, 6) is generator
    with pytest.raises(UserError, match="6 wide and 4 high"):
        as_generator(generator, 6, 6)


class Draws(nn.Module):
    """Returns whatever the test wants, touched by its parameter."""

    def __init__(self, result: object, **attributes: object) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))
        self.result = result
        self.__dict__.update(attributes)

    def forward(self) -> object:
        return self.result * self.weight if isinstance(self.result, Tensor) else self.result


class WantsInput(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x)


class Branches(Draws):
    def forward(self) -> Tensor:
        return torch.zeros(3, 4, 4) * self.weight if self.weight.item() > 0 else torch.zeros(3, 4, 4)


class Nothing(nn.Module):
    def forward(self) -> Tensor:
        return torch.zeros(3, 4, 4)


@pytest.mark.parametrize(
    ("module", "sentence"),
    [
        (Nothing(), "needs parameters to optimise"),
        (WantsInput(), "without arguments"),
        (Draws("a text"), r"must return a picture tensor"),
        (Draws(torch.zeros(4, 4)), r"\[3, H, W\]"),
        (Draws(torch.zeros(2, 3, 4, 4)), "one picture a call"),
        (Draws(torch.zeros(4, 4, 3)), "colours first"),
        (Draws(torch.full((3, 4, 4), 255.0)), "from 0 to 1"),
        (Draws(torch.full((3, 4, 4), float("nan"))), "from 0 to 1"),
        (Branches(torch.zeros(1)), "avoid .item()"),
    ],
)
def test_unfit_modules_get_a_sentence(module: nn.Module, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        as_generator(module)


def test_a_size_that_disagrees_is_refused() -> None:
    assert as_generator(Painting(), 5, 7).width == 7
    with pytest.raises(UserError, match="7 wide and 5 high, but 8 x 5"):
        as_generator(Painting(), width=8)


def test_random_drawing_is_refused() -> None:
    class Flickers(Draws):
        calls = 0

        def forward(self) -> Tensor:
            type(self).calls += 1
            return torch.full((3, 4, 4), 0.1 * self.calls) * self.weight

    with pytest.raises(UserError, match="two calls differ"):
        as_generator(Flickers(None))
