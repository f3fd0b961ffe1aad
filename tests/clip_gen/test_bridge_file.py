"""A way from texts to pictures as a file: what was learned is what is read, and other files are refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file

from fastclipgen.clip_gen import bridge_file
from fastclipgen.clip_gen.gallery import Bridge
from fastclipgen.errors import UserError
from fastclipgen.guidance import modality_gap

CPU = torch.device("cpu")


def embeddings(seed: int, count: int = 40) -> torch.Tensor:
    return F.normalize(torch.randn(count, 6, generator=torch.Generator().manual_seed(seed)), dim=-1)


@pytest.mark.parametrize(
    "bridge",
    [
        modality_gap.shift(embeddings(0), embeddings(1)),
        modality_gap.procrustes(embeddings(0), embeddings(1)),
        modality_gap.Neighbours(embeddings(1), 7),
        modality_gap.Neighbours(embeddings(1), 1),
    ],
    ids=["shift", "procrustes", "knn", "the nearest"],
)
def test_what_is_read_does_what_was_learned(bridge: Bridge, tmp_path: Path) -> None:
    path = tmp_path / "bridge.safetensors"
    path.write_bytes(bridge_file.to_bytes(bridge))
    asked = embeddings(2, 5)
    found = bridge_file.load(str(path), 6, CPU)(asked)
    torch.testing.assert_close(found, bridge(asked), atol=2e-3, rtol=2e-3)  # pictures are kept in half precision
    assert not torch.allclose(found, asked, atol=0.1)


def test_files_that_hold_none(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none\.safetensors"):
        bridge_file.load(str(tmp_path / "none.safetensors"), 6, CPU)
    other = tmp_path / "other.safetensors"
    for tensors in (
        {"weight": torch.zeros(3)},
        {"gallery": torch.zeros(3), "neighbours": torch.ones(1)},
        {"gallery": torch.zeros(3, 6)},
        {"texts": torch.zeros(6), "rotation": torch.zeros(6, 5), "pictures": torch.zeros(6)},
    ):
        save_file(tensors, other)
        with pytest.raises(UserError, match=r"holds no way from texts to pictures, but .*; give a file made by"):
            bridge_file.load(str(other), 6, CPU)
    other.write_bytes(bridge_file.to_bytes(modality_gap.procrustes(embeddings(0), embeddings(1))))
    with pytest.raises(UserError, match="embeddings have 6 numbers, but that of this run gives 7; make one"):
        bridge_file.load(str(other), 7, CPU)
