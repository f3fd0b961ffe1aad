"""Files of directions: both formats, and what cannot be read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from fastclipgen.errors import UserError
from fastclipgen.weights.vectors import read_vectors


def test_both_formats(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps({"ViT-B/32": [[1, 2, 3]], "RN50": [0.5, 0.25]}))
    found = read_vectors(tmp_path / "a.json")
    assert {name: rows.tolist() for name, rows in found.items()} == {"ViT-B/32": [[1, 2, 3]], "RN50": [[0.5, 0.25]]}
    save_file({"RN50": torch.tensor([[1.0, 2.0], [3.0, 4.0]], dtype=torch.float16)}, tmp_path / "b.safetensors")
    found = read_vectors(tmp_path / "b.safetensors")
    assert (found["RN50"].dtype, found["RN50"].tolist()) == (torch.float32, [[1.0, 2.0], [3.0, 4.0]])


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[1, 2]", "cannot be read as directions"),
        ("{", "cannot be read as directions"),
        ('{"a": [[1], [1, 2]]}', "cannot be read as directions"),
        ('{"a": "much"}', "cannot be read as directions"),
        ('{"a": [[1, NaN]]}', r"expected finite directions \[K, E\] for 'a'"),
        ('{"a": []}', "expected finite directions"),
        ('{"a": [[[1]]]}', "expected finite directions"),
        ("{}", "holds no directions"),
    ],
)
def test_what_is_no_such_file(text: str, sentence: str, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(UserError, match=sentence):
        read_vectors(tmp_path / "a.json")


def test_a_file_of_another_kind(tmp_path: Path) -> None:
    (tmp_path / "a.safetensors").write_bytes(b"no tensors")
    with pytest.raises(UserError, match="cannot be read as directions"):
        read_vectors(tmp_path / "a.safetensors")
