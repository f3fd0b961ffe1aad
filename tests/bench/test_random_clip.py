from __future__ import annotations

import open_clip
import pytest
import torch

from bench.random_clip import random_perceptor
from bench.subject import EngineRun, Subject
from fastclipgen.errors import UserError
from fastclipgen.perceptors import names

TINY = "random:shapes_clip"


@pytest.fixture(autouse=True)
def architecture() -> None:
    assert names.register_config(names.SHAPES_CONFIG) == TINY.partition(":")[2]


def test_weights_follow_the_seed_and_leave_torch_s_numbers_alone() -> None:
    torch.manual_seed(5)
    wanted = torch.rand(3)
    torch.manual_seed(5)
    first, again, other = (random_perceptor(TINY, seed) for seed in (1, 1, 2))
    assert torch.equal(torch.rand(3), wanted)
    views = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    assert torch.equal(first.encode_image(views), again.encode_image(views))
    assert not torch.equal(first.encode_image(views), other.encode_image(views))


def test_several_clips_of_a_subject_differ(small: dict) -> None:
    subject = Subject(1, small | {"clip": [TINY, TINY], "generator": "pixels"})
    left, right = (guide.perceptor for guide in subject.recipe.guides)
    assert left is not right
    assert not torch.equal(next(left.parameters()), next(right.parameters()))
    run = EngineRun(subject, 1)
    before = subject.loss(run.images())
    run.advance(5)
    assert subject.loss(run.images()) < before


def test_what_cannot_be_is_explained(small: dict) -> None:
    with pytest.raises(UserError, match="do not mix"):
        Subject(1, small | {"clip": [TINY, "builtin"]})
    with pytest.raises(UserError, match="unknown CLIP architecture"):
        random_perceptor("random:no-such", 0)
    heavy = next(
        name
        for name in open_clip.list_models()
        if (open_clip.get_model_config(name) or {}).get("text_cfg", {}).get("hf_tokenizer_name")
    )
    with pytest.raises(UserError, match="tokenizer"):
        random_perceptor(f"random:{heavy}", 0)
