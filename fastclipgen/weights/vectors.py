"""Files of directions in the spaces of CLIP models: JSON {model: [[numbers], ...]}, as pixray's, or safetensors with
one tensor [K, E] or [E] for each model."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from fastclipgen.errors import UserError


def read_vectors(path: Path) -> dict[str, Tensor]:
    """Float32 [K, E] by the models' names, K >= 1. Raises UserError for a file that is not such, and for values that
    are not finite."""
    try:
        plain = load_file(path) if path.suffix.lower() == ".safetensors" else json.loads(path.read_text("utf-8"))
        found = {str(name): torch.as_tensor(rows, dtype=torch.float32) for name, rows in plain.items()}
    except (OSError, ValueError, TypeError, AttributeError, SafetensorError) as error:
        first = (str(error).strip().splitlines() or [type(error).__name__])[0][:160]
        raise UserError(
            f"'{path}' cannot be read as directions by CLIP model ({first}); give safetensors, or JSON such as "
            '{"ViT-B/32": [[0.1, ...]]}'
        ) from error
    vectors = {name: rows[None] if rows.ndim == 1 else rows for name, rows in found.items()}
    for name, rows in vectors.items():
        if rows.ndim != 2 or not rows.numel() or not bool(rows.isfinite().all()):
            raise UserError(
                f"expected finite directions [K, E] for '{name}' in '{path}', got {list(rows.shape)}; make it again"
            )
    if not vectors:
        raise UserError(f"'{path}' holds no directions; give a file with those of the CLIP model in use")
    return vectors
