"""The settings of generator gan, and the loop of clipping-CLIP-to-GAN step by step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from fastclipgen.api import Job
from fastclipgen.config.run import make_config
from fastclipgen.errors import UserError

from ..generators import tiny_gan

SIZE = 24  # of the views


class Eye(nn.Module):
    """Colours at 3 x 3 places of a view; texts point somewhere by their letters. Its mean and std are far from 1/2."""

    image_size = SIZE
    mean, std = (0.2, 0.3, 0.4), (0.3, 0.2, 0.1)

    def encode_image(self, views: Tensor) -> Tensor:
        return torch.tanh(F.avg_pool2d(views, 8)).flatten(1)

    def encode_text(self, texts: list[str]) -> Tensor:
        return torch.stack([torch.sin(torch.arange(27.0) * (1 + len(text))) for text in texts])


@pytest.fixture
def weights(tmp_path: Path) -> str:
    """Without noise, which is drawn by other rules here than there."""
    save_file(dict(tiny_gan.network(noise=0.0).state_dict()), tmp_path / "gan.safetensors")
    return str(tmp_path / "gan.safetensors")


def settings(**values: Any) -> dict[str, Any]:
    return {"prompts": ["a red circle"], "gan": "gan.pth"} | values


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"gan": None, "latent_dim": 5}, "the setting 'latent_dim' is of generator 'gan', but generator 'auto' was"),
        ({"gan": None, "gan_range": (0, 1)}, "the setting 'gan_range' is of generator 'gan'"),
        ({"gan": None, "trust_gan": True}, "the setting 'trust_gan' is of generator 'gan'"),
        ({"gan": None, "compat": "clipping-clip-to-gan", "generator": "vae"}, "'compat' is of .*, but generator 'vae'"),
        ({"compat": "clipping"}, "setting 'compat': input should be 'clipping-clip-to-gan', got 'clipping'"),
        ({"compat": "clipping-clip-to-gan", "preset": "best"}, "compat and preset both decide what a run does"),
        ({"gan_range": (1, -1)}, "setting 'gan_range': must be LOW,HIGH with LOW below HIGH"),
        ({"latent_dim": 0}, "setting 'latent_dim': .*greater than or equal to 2, got 0"),
        ({"generator": "vae"}, "'gan' holds weights of generator 'gan', but generator 'vae' was asked for"),
    ],
)
def test_mistakes_are_sentences(values: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        make_config(settings(**values))


def test_no_picture_stores_trust() -> None:
    """A picture from elsewhere could name a file that came with it."""
    config = make_config(settings(trust_gan=True))
    assert config.trust_gan
    assert "trust_gan" not in config.model_dump()
    assert not make_config(config.model_dump()).trust_gan


def test_the_one_that_ships_is_meant_where_none_is_named() -> None:
    assert make_config(settings(gan=None, generator="gan")).gan == "builtin"


def test_a_picture_has_the_size_of_the_network_or_that_asked_for(weights: str) -> None:
    def size(**values: Any) -> tuple[int | None, int | None]:
        job = Job(make_config(settings(gan=weights, steps=0, starts=2, tracks=1, **values)), perceptors=[Eye()])
        [[result]] = list(job.run())
        assert result.pixels.shape == (job.config.height, job.config.width, 3)
        return job.config.width, job.config.height

    assert size() == (32, 32)
    assert size(width=20, height=40) == (20, 40)
    assert size(preset="draft") == (32, 32)


def test_the_loop_of_clipping_clip_to_gan(weights: str) -> None:
    """Its network in training mode with one latent, its resize and its range, its loss, and torch's own SGD."""
    config = make_config(settings(gan=weights, compat="clipping-clip-to-gan", seed=5, steps=6, learning_rate=0.02))
    job = Job(config, perceptors=[Eye()])
    losses, pictures = [], []
    list(job.run([lambda info: losses.append(info.loss.clone()), lambda info: pictures.append(info.images().clone())]))

    network, eye = tiny_gan.network(noise=0.0).train(), Eye()
    z = nn.Parameter(job.generator.init(torch.tensor([5]))["z"])
    optimizer = torch.optim.SGD([z], lr=0.02, weight_decay=1e-5)
    text = eye.encode_text(["a red circle"])
    wanted = []
    for step in range(6):
        image = network(z)
        seen = eye.encode_image(F.interpolate(image, (SIZE, SIZE), mode="bilinear"))
        loss = -1000 * torch.cosine_similarity(text, seen).mean()
        torch.testing.assert_close(losses[step], 1000 + loss.detach()[None], rtol=1e-3, atol=0.02)
        torch.testing.assert_close(pictures[step], ((image + 1) / 2).clamp(0, 1).detach(), rtol=0, atol=2e-3)
        wanted.append(float(loss.detach()))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert wanted[-1] < wanted[0] - 20, "it goes somewhere"


def test_what_else_is_asked_for_comes_before_the_loop_of_another(weights: str) -> None:
    compat = {"gan": weights, "compat": "clipping-clip-to-gan"}
    plain = Job(make_config(settings(**compat)), perceptors=[Eye()]).config
    assert (plain.steps, plain.optimizer, plain.learning_rate, plain.weight_decay) == (100, "sgd", 0.1, 1e-5)
    assert (plain.cutouts, plain.views, plain.starts, plain.loss) == ("signed", 1, 1, "cosine")
    own = {"steps": 7, "optimizer": "adam", "views": 3, "generator_options": {"clamp": True}}
    other = Job(make_config(settings(**compat, **own)), perceptors=[Eye()]).config
    assert (other.steps, other.optimizer, other.views) == (7, "adam", 3)
    assert other.generator_options == plain.generator_options | {"clamp": True}
    again = Job(make_config(other.model_dump()), perceptors=[Eye()]).config
    assert again == other
    assert make_config(settings(**compat)).clip == ["ViT-B-32:openai"]
    assert make_config(settings(compat="clipping-clip-to-gan", gan="builtin")).clip == ["builtin"]


def test_weight_decay_reaches_the_optimiser(weights: str) -> None:
    """Any decay that SGD without a slope has comes from it."""
    values = settings(gan=weights, optimizer="sgd", weight_decay=0.25, starts=1, tracks=1, steps=1)
    job = Job(make_config(values), perceptors=[Eye()])
    assert job.recipe.optimizer.weight_decay == 0.25  # pyright: ignore[reportAttributeAccessIssue]
    assert Job(make_config(values | {"weight_decay": None}), perceptors=[Eye()]).recipe.optimizer.weight_decay == 0  # pyright: ignore[reportAttributeAccessIssue]
