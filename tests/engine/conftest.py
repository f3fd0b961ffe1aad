"""Toys for the engine: perceptors that are a fixed linear map, a generator with a handful of parameters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from fastclipgen.engine.optimizers import Adam
from fastclipgen.engine.recipe import Guide, Recipe, Task
from fastclipgen.generators.base import Generator, Params
from fastclipgen.generators.pixels import Pixels
from fastclipgen.guidance.prompts import parse_prompts
from fastclipgen.guidance.targets import build_targets
from fastclipgen.ops.cutout_mix import AnySpec
from fastclipgen.ops.cutout_presets import preset
from fastclipgen.ops.cutout_spec import CutoutSpec
from fastclipgen.ops.philox import Stream, normals
from fastclipgen.perceptors import FrozenPerceptor, as_perceptor

SIZE = 16
MILD = CutoutSpec(crop=(0.8, 1.0), rotation=5.0, noise="normal", noise_scale=(0.0, 0.05))


def vector(name: str) -> Tensor:
    """A fixed direction for a text."""
    return torch.randn(6, generator=torch.Generator().manual_seed(sum(map(ord, name))))


class Toy(nn.Module):
    """Embeds 16 x 16 pictures by a fixed random linear map."""

    image_size = SIZE

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.weight = nn.Parameter(torch.randn(6, 3 * SIZE * SIZE, generator=generator) / 28)

    def encode_image(self, views: Tensor) -> Tensor:
        return (views - 0.5).flatten(1) @ self.weight.T

    def encode_text(self, texts: list[str]) -> Tensor:
        return torch.stack([vector(text) for text in texts])


class Brightness(nn.Module):
    """Embeds how bright a picture is; NaN for pictures brighter than `limit`."""

    image_size = SIZE

    def __init__(self, limit: float = 9.0) -> None:
        super().__init__()
        self.limit = limit

    def encode_image(self, views: Tensor) -> Tensor:
        mean = views.mean((1, 2, 3))
        mean = torch.where(mean > self.limit, torch.nan, mean)
        return torch.stack([mean, 1 - mean], 1)

    def encode_text(self, texts: list[str]) -> Tensor:
        known = {"white": [1.0, 0.0], "black": [0.0, 1.0]}
        return torch.tensor([known.get(text, [1.0, 1.0]) for text in texts])


class Mixture(Generator):
    """A sigmoid of five fixed random fields, mixed by the parameters; whole fields, so every pixel sees every one."""

    name = "mixture"

    def __init__(self, height: int = SIZE, width: int = SIZE) -> None:
        super().__init__(height, width)
        fields = torch.randn(5, 3, height, width, generator=torch.Generator().manual_seed(1))
        self.register_buffer("fields", fields)

    def init(self, seeds: Tensor) -> Params:
        return {"mix": normals(seeds, 0, Stream.INIT, 5)[:, 0]}

    def forward(self, params: Params) -> Tensor:
        return torch.einsum("bk,kchw->bchw", params["mix"], self.get_buffer("fields")).sigmoid()


@pytest.fixture
def toy() -> Callable[..., FrozenPerceptor]:
    """`toy(seed)`: a linear perceptor."""
    return lambda seed=0: as_perceptor(Toy(seed))


@pytest.fixture
def brightness() -> Callable[..., FrozenPerceptor]:
    """`brightness(limit)`: sees how bright a picture is, NaN above the limit."""
    return lambda limit=9.0: as_perceptor(Brightness(limit))


@pytest.fixture
def mixture() -> Mixture:
    return Mixture()


@pytest.fixture
def make_recipe(toy: Callable[..., FrozenPerceptor]) -> Callable[..., Recipe]:
    """`make_recipe(generator, perceptors, spec, views, ...)`: Adam on pixels under one toy, unless told otherwise."""

    def make(
        generator: Generator | None = None,
        perceptors: Sequence[FrozenPerceptor | tuple[FrozenPerceptor, float]] | None = None,
        spec: AnySpec | str = MILD,
        views: int = 4,
        **changed: Any,
    ) -> Recipe:
        spec = preset(spec) if isinstance(spec, str) else spec
        pairs = [one if isinstance(one, tuple) else (one, 1.0) for one in perceptors or [toy()]]
        guides = tuple(Guide(eye, weight, views, spec) for eye, weight in pairs)
        return Recipe(generator or Pixels(SIZE, SIZE), guides, **{"optimizer": Adam(), **changed})

    return make


@pytest.fixture
def make_task() -> Callable[..., Task]:
    """`make_task(recipe, prompts, seeds, negatives)`: what the pictures of a recipe are to become."""

    def make(
        recipe: Recipe, prompts: Sequence[str], seeds: Sequence[int] | None = None, negatives: Sequence[str] = ()
    ) -> Task:
        against = [prompt for text in negatives for prompt in parse_prompts(text)]
        eyes = [guide.perceptor for guide in recipe.guides]
        targets = build_targets(eyes, [parse_prompts(text) for text in prompts], [against] * len(prompts))
        numbers = torch.tensor(list(seeds) if seeds is not None else range(5, 5 + len(prompts)))
        return Task(numbers, tuple(targets))

    return make
