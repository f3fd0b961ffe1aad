"""Generator cvae by itself: what it is told, what its options do, and what it refuses."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from fastclipgen.errors import UserError
from fastclipgen.generators import registry
from fastclipgen.generators.conditioned import Trained
from fastclipgen.generators.cvae import Cvae
from fastclipgen.models.cvae import Geometry

from ..models.cvae_checkpoints import ABOUT, made, uniform

GEOMETRY = ABOUT.geometry


def generator(height: int = 16, width: int = 16, geometry: Geometry = GEOMETRY, **options: Any) -> Cvae:
    return Cvae(height, width, Trained(made(geometry), replace(ABOUT, geometry=geometry)), **options)


def unit(count: int, seed: int = 1) -> Tensor:
    return torch.nn.functional.normalize(
        torch.randn(count, GEOMETRY.embedding, generator=torch.Generator().manual_seed(seed)), dim=1
    )


def test_the_prompt_decides_what_is_drawn() -> None:
    one = generator(attributes=["a", "-c"])
    params, embeddings = one.init(torch.tensor([1, 1, 2])), unit(3)
    fixed = one.fixed(embeddings)
    assert torch.equal(fixed["condition"], torch.cat([torch.tensor([[1.0, 0, -1]]).expand(3, -1), embeddings], 1))
    drawn = one(params | fixed)
    assert not torch.equal(drawn[0], drawn[1])  # the same latent
    truth = made().decode(params["w"], fixed["condition"])
    torch.testing.assert_close(drawn, truth)
    nothing = one.fixed(torch.zeros(3, GEOMETRY.embedding))
    assert torch.equal(one(params), one(params | nothing))


def test_embeddings_have_the_length_of_the_training() -> None:
    about = replace(ABOUT, length=4.0)
    one = Cvae(16, 16, Trained(made(), about), free_condition=True)
    assert torch.equal(one.fixed(unit(2))["condition"][:, 3:], 4 * unit(2))
    assert torch.equal(generator(length=4.0).fixed(unit(2))["condition"], one.fixed(unit(2))["condition"])
    kept = one.project({"w": torch.zeros(1, 6), "condition": torch.ones(1, 8)})
    assert kept["condition"][0, 3:].norm().item() == pytest.approx(4)


def test_guidance_goes_on_from_the_picture_of_nothing() -> None:
    params = generator().init(torch.tensor([1, 2]))
    fixed = generator().fixed(unit(2))
    told, untold = generator()(params | fixed), generator()(params)
    assert torch.equal(generator(guidance=0.0)(params | fixed), untold)
    torch.testing.assert_close(generator(guidance=3.0)(params | fixed), (untold + 3 * (told - untold)).clamp(0, 1))


def test_latents_and_free_conditions_keep_their_range() -> None:
    one = generator(norm=0.5, free_condition=True)
    assert one.freed == ("condition",)
    assert generator().freed == ()
    kept = one.project({"w": torch.full((1, 6), 4.0), "condition": torch.full((1, 8), 3.0)})
    assert kept["w"].norm().item() == pytest.approx(0.5 * 6**0.5)
    assert kept["condition"][0, :3].tolist() == [1, 1, 1]
    assert kept["condition"][0, 3:].norm().item() == pytest.approx(1)
    short = torch.full((1, 6), 0.01)
    assert torch.equal(one.project({"w": short})["w"], short)
    original = generator(geometry=replace(GEOMETRY, signed=False), free_condition=True)
    assert original.project({"w": short, "condition": torch.full((1, 8), -3.0)})["condition"][0, :3].tolist() == [0] * 3


def test_a_start_picture_goes_through_the_encoder() -> None:
    one, images = generator(), uniform(2, 3, 16, 16)
    mean, _ = made().encode(images, torch.zeros(2, 8))
    torch.testing.assert_close(one.init_from(images)["w"], mean)


def test_other_sizes_are_its_own_resized() -> None:
    params = generator().init(torch.tensor([1]))
    large = generator(32, 48)(params)
    assert large.shape == (1, 3, 32, 48)
    small = torch.nn.functional.interpolate(large, (16, 16), mode="area")
    assert (small - generator()(params)).abs().max() < 0.05


def test_options_from_texts() -> None:
    parsed = registry.parse_options("cvae", ["attributes=a, -c", "free_condition=true", "guidance=2"])
    assert parsed == {"attributes": ["a", "-c"], "free_condition": True, "guidance": 2.0}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"attributes": ["d"]}, "unknown attribute 'd'"),
        ({"norm": 0.0}, "between 0.1 and 10"),
        ({"guidance": -1.0}, "between 0.0 and 20"),
        ({"geometry": replace(GEOMETRY, attributes=0, embedding=0), "free_condition": True}, "this has none"),
    ],
)
def test_what_cannot_be_is_told(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        generator(**options)


def test_attributes_are_for_models_that_know_some() -> None:
    about = replace(ABOUT, geometry=replace(GEOMETRY, attributes=0), attributes=())
    with pytest.raises(UserError, match="trained without attributes"):
        Cvae(16, 16, Trained(made(about.geometry), about), attributes=["a"])


def test_without_the_one_that_ships(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fastclipgen.generators.cvae.WEIGHTS", "none.safetensors")
    with pytest.raises(UserError, match=r"no CVAE ships with this version; give one with --cvae PATH"):
        Cvae.check_weights("builtin")
    with pytest.raises(UserError, match=r"--cvae names 'x\.pth', and there is no such file"):
        Cvae.check_weights("x.pth")
