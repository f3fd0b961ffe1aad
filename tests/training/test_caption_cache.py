"""Embeddings of captions on disk: those of the perceptor, of each text once, also after a kill in the middle."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from fastclipgen.errors import UserError
from fastclipgen.perceptors.base import FrozenPerceptor, as_perceptor
from fastclipgen.perceptors.builtin import load_builtin
from fastclipgen.training import caption_cache
from fastclipgen.training.caption_cache import CaptionCache
from fastclipgen.training.row_cache import RowCache

TEXTS = [f"text number {n}" for n in range(10)]


class Letters(nn.Module):
    """A CLIP that counts letters and writes down what it is asked for."""

    image_size = 4

    def __init__(self, scale: float = 1.0) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(scale))
        self.asked: list[str] = []

    def encode_image(self, views: Tensor) -> Tensor:
        return views.flatten(1)[:, :8] * self.scale

    def encode_text(self, texts: list[str]) -> Tensor:
        self.asked += texts
        rows = [[1.0 + sum(ord(c) * (k + 1) for c in text) % (k + 11) for k in range(8)] for text in texts]
        return torch.tensor(rows) * self.scale


def letters(scale: float = 1.0) -> FrozenPerceptor:
    perceptor = as_perceptor(Letters(scale))
    asked(perceptor).clear()  # as_perceptor tries it
    return perceptor


def asked(perceptor: FrozenPerceptor) -> list[str]:
    assert isinstance(perceptor.module, Letters)
    return perceptor.module.asked


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caption_cache, "AT_ONCE", 4)


def same(cache: CaptionCache, texts: list[str]) -> None:
    truth = letters().encode_text(texts)
    assert torch.allclose(torch.from_numpy(cache.embeddings[:]).float(), truth, atol=1e-3)
    assert not torch.allclose(truth[0], truth[1], atol=1e-2)


def test_embeddings_are_the_perceptors_and_made_once(tmp_path: Path) -> None:
    perceptor = letters()
    same(CaptionCache(tmp_path / "c", TEXTS, perceptor, quiet=True), TEXTS)
    assert asked(perceptor) == TEXTS
    same(CaptionCache(tmp_path / "c", TEXTS, perceptor, quiet=True), TEXTS)
    assert asked(perceptor) == TEXTS
    assert {path.name for path in (tmp_path / "c").iterdir()} == {"embeddings.npy", "done.npy", "key.json"}


@pytest.mark.parametrize(
    ("texts", "scale", "changed"),
    [(TEXTS[::-1], 1.0, "captions"), (TEXTS[:9], 1.0, "captions, rows"), (TEXTS, 2.0, "clip")],
)
def test_other_captions_and_other_weights_are_told(
    tmp_path: Path, texts: list[str], scale: float, changed: str
) -> None:
    CaptionCache(tmp_path, TEXTS, letters(), quiet=True)
    perceptor = letters(scale)
    with pytest.raises(UserError, match=f"was made of another {changed}; "):
        CaptionCache(tmp_path, texts, perceptor, quiet=True)
    assert asked(perceptor) == []
    same(CaptionCache(tmp_path, texts, perceptor, fresh=True, quiet=True), texts)


def test_the_precision_of_the_image_tower_changes_nothing() -> None:
    perceptor = load_builtin(lambda sentence: None)
    whole = caption_cache.key_of(TEXTS, perceptor)
    perceptor.to("cpu", torch.bfloat16)
    assert caption_cache.key_of(TEXTS, perceptor) == whole
    next(perceptor.module.get_submodule("model.transformer").parameters()).data.add_(1)
    assert caption_cache.key_of(TEXTS, perceptor) != whole


def test_after_kill_9_in_the_middle_it_goes_on(tmp_path: Path) -> None:
    code = f"""
import os, signal
from pathlib import Path
from tests.training.test_caption_cache import TEXTS, Letters, letters
from fastclipgen.training import caption_cache
caption_cache.AT_ONCE = 4
whole, given = Letters.encode_text, []

def dies(self, texts):
    given.append(texts)
    if len(given) == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return whole(self, texts)

perceptor = letters()
Letters.encode_text = dies
caption_cache.CaptionCache(Path({str(tmp_path)!r}), TEXTS, perceptor, quiet=True)
"""
    root = str(Path(__file__).resolve().parents[2])
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": os.pathsep.join([root, *sys.path])}
    )
    assert done.returncode == -signal.SIGKILL
    assert RowCache(tmp_path, ("embeddings",)).missing().tolist() == [4, 5, 6, 7, 8, 9]
    perceptor = letters()
    same(CaptionCache(tmp_path, TEXTS, perceptor, quiet=True), TEXTS)
    assert asked(perceptor) == TEXTS[4:]
