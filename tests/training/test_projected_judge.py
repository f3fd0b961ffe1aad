"""A discriminator over a CLIP's layers: what is trained of it, whom it teaches, what it asks of the CLIP."""

from __future__ import annotations

import pytest
import torch

from fastclipgen.data.source import ShapesSource
from fastclipgen.errors import UserError
from fastclipgen.models.fastgan import Geometry
from fastclipgen.perceptors.base import FrozenPerceptor
from fastclipgen.perceptors.builtin import load_builtin
from fastclipgen.training.fastgan import FastGANOptions, FastGANTask
from fastclipgen.training.projected_judge import LAYERS, ProjectedJudge
from fastclipgen.training.task import TrainOptions

BATCH = 4


@pytest.fixture(scope="module")
def eye() -> FrozenPerceptor:
    return load_builtin(lambda line: None)


def make(eye: FrozenPerceptor, projected: float) -> FastGANTask:
    options = TrainOptions(steps=4, batch=BATCH, learning_rate=1e-3)
    chosen = FastGANOptions(Geometry.usual(32, 8, 8), 8, projected=projected)
    return FastGANTask(options, chosen, ShapesSource(32, 0, BATCH), eye)


def test_every_layer_gives_logits_of_places(eye: FrozenPerceptor) -> None:
    torch.manual_seed(0)
    judge = ProjectedJudge(eye).eval()  # in training mode every call goes on with the estimate of spectral norms
    pictures = torch.rand(3, 3, 64, 64) * 2 - 1
    logits = judge(pictures)
    assert [tuple(one.shape) for one in logits] == [(3, 16), (3, 16), (3, 16), (3, 9)]
    alone = judge(pictures[1:2])
    for one, two in zip(logits, alone, strict=True):
        torch.testing.assert_close(one[1:2], two, atol=1e-5, rtol=1e-4)


def test_the_clip_and_the_projections_are_not_trained(eye: FrozenPerceptor) -> None:
    judge = ProjectedJudge(eye)
    assert not any("visual" in name or "eye" in name for name in judge.state_dict())
    trained = {name.partition(".")[0] for name, p in judge.named_parameters() if p.requires_grad}
    assert trained == {"heads"}
    assert len(judge.projections) == len(LAYERS)


def test_it_teaches_the_generator_and_learns_from_its_own_loss(eye: FrozenPerceptor) -> None:
    task = make(eye, 2.0)
    assert task.projected is not None
    generator, heads = list(task.model.parameters()), list(task.projected.heads.parameters())
    loss, values = task.discriminator_loss(0, 0)
    total = values["true"] + values["drawn"] + values["painted"] + 2 * values["projected"]
    assert float(loss.detach()) == pytest.approx(float(total), rel=1e-5)
    gradients = torch.autograd.grad(loss, [*heads, *generator], allow_unused=True)
    assert [g is None for g in gradients] == [False] * len(heads) + [True] * len(generator)
    task._judge = lambda *given: (torch.zeros(BATCH, 50), None)  # now the opinion is of the layers alone
    loss, _ = task.loss(0)
    last = dict(task.model.named_parameters())["to_big.parametrizations.weight.original"]
    gradients = torch.autograd.grad(loss, [*heads, last], allow_unused=True)
    assert all(g is None for g in gradients[:-1])
    assert gradients[-1] is not None
    assert gradients[-1].abs().sum() > 0


def test_its_state_goes_into_checkpoints(eye: FrozenPerceptor) -> None:
    names = make(eye, 1.0).recipe.partners["discriminator"].module.state_dict()
    assert any(name.startswith("1.heads.") for name in names)
    assert not any(
        name.startswith("1.") for name in make(eye, 0.0).recipe.partners["discriminator"].module.state_dict()
    )


def test_another_kind_of_clip_is_refused() -> None:
    class Flat(torch.nn.Module):
        image_size = 8

        def __init__(self) -> None:
            super().__init__()
            self.visual = torch.nn.Linear(192, 4)

        def encode_image(self, views: torch.Tensor) -> torch.Tensor:
            return self.visual(views.flatten(1))

        def encode_text(self, texts: list[str]) -> torch.Tensor:
            return torch.ones(len(texts), 4)

    flat = FrozenPerceptor(Flat(), 8, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), "flat")
    with pytest.raises(UserError, match="looks at the layers of a ResNet, and the CLIP 'flat' is none"):
        ProjectedJudge(flat)
