"""Texts computed no further than their end: the embeddings of the whole tower, and less work."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from fastclipgen.perceptors import short_texts
from fastclipgen.perceptors.builtin import load_builtin
from fastclipgen.perceptors.open_clip import OpenClipModel

TEXTS = [
    "", "a red circle", "a blue star on a green background with white dots", "red",
    "one two three four five six seven eight nine ten red green blue pink black white gray cyan brown purple orange "
    "yellow circle square star ring heart moon cross arrow triangle hexagon",
]  # fmt: skip


@pytest.fixture(scope="module")
def module() -> OpenClipModel:
    loaded = load_builtin(lambda sentence: None).module
    assert isinstance(loaded, OpenClipModel)
    return loaded


def test_embeddings_are_those_of_the_whole_tower(module: OpenClipModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(short_texts, "AT_ONCE", 2)
    assert short_texts.fits(module.model, module.tokenizer)
    with torch.no_grad():
        whole, short = module.encode_text(TEXTS), module.encode_many(TEXTS)
    assert torch.allclose(short, whole, atol=2e-5)
    gaps = torch.cdist(whole, whole) + 9 * torch.eye(len(TEXTS))
    assert gaps.min() > 1e-2  # a row in another's place would be seen


def test_short_texts_are_less_work(module: OpenClipModel) -> None:
    def operations(encode: Any) -> int:
        counter = FlopCounterMode(display=False)
        with counter, torch.no_grad():
            encode(["a red circle"] * 3)
        return counter.get_total_flops()

    assert operations(module.encode_many) < 0.3 * operations(module.encode_text)


def test_other_towers_are_left_alone(module: OpenClipModel, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(module.model, "text_pool_type", "last")
        assert not short_texts.fits(module.model, module.tokenizer)
    with monkeypatch.context() as patch:
        patch.setitem(module.model._buffers, "attn_mask", None)
        assert not short_texts.fits(module.model, module.tokenizer)
    assert not short_texts.fits(module.model, object())
    assert not short_texts.fits(torch.nn.Linear(2, 2), module.tokenizer)
    monkeypatch.setattr(short_texts, "fits", lambda *_: False)
    with torch.no_grad():
        assert torch.equal(module.encode_many(TEXTS), module.encode_text(TEXTS))
