"""Looks into a checkpoint file before a model is built for it: is it one, is it whole, is it only tensors?

Nothing here or later runs code from a file: safetensors, or torch.load(weights_only=True). Knows nothing of
architectures.
"""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from fastclipgen.errors import UserError


class BrokenFile(UserError):
    """The file is damaged or not a checkpoint at all: fetching it anew may help."""


def check_checkpoint(path: Path, label: str) -> None:
    """Raises UserError unless `path` is a file of named tensors; BrokenFile when the file is damaged.

    Reads the table of contents, not the weights (except for torch files from before 1.6). `label` names the model.
    """
    if path.is_dir():
        raise UserError(
            f"{label} needs a checkpoint file, '{path}' is a folder; name the file in it, or write --clip "
            f"local-dir:{path} if it has an open_clip_config.json"
        )
    if not path.exists():
        raise UserError(f"{label} needs a checkpoint file, there is none at '{path}'; check the path")
    try:
        _check_head(path, label)
        names = _safetensors_names(path) if path.suffix.lower() == ".safetensors" else _torch_names(path, label)
    except PermissionError as error:
        raise UserError(
            f"the checkpoint '{path}' of {label} cannot be read ({error.strerror}); check its permissions"
        ) from error
    except (OSError, SafetensorError, RuntimeError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise BrokenFile(
            f"the checkpoint '{path}' of {label} is damaged or cut short ({_brief(error)}); fetch it again"
        ) from error
    if not names:
        raise UserError(
            f"the checkpoint '{path}' of {label} holds no named tensors; give the state_dict of a CLIP model"
        )


def _check_head(path: Path, label: str) -> None:
    with path.open("rb") as file:
        head = file.read(256).lstrip()
    if not head:
        raise BrokenFile(f"the checkpoint '{path}' of {label} is empty; fetch it again")
    if head.startswith(b"<"):
        raise BrokenFile(f"the checkpoint '{path}' of {label} is a web page, not weights; fetch it again")
    if head.startswith(b"version https://git-lfs"):
        raise BrokenFile(
            f"the checkpoint '{path}' of {label} is a Git LFS pointer, not weights; run 'git lfs pull' there"
        )


def _safetensors_names(path: Path) -> list[str]:
    with safe_open(path, framework="pt") as file:
        return list(file.keys())


def _torch_names(path: Path, label: str) -> list[str]:
    in_zip = zipfile.is_zipfile(path)
    if in_zip:
        with zipfile.ZipFile(path) as archive:
            if any(Path(name).name == "constants.pkl" for name in archive.namelist()):
                raise UserError(
                    f"the checkpoint '{path}' of {label} is a TorchScript program, which is never run here; save its "
                    "state_dict as .safetensors, or use the tag 'openai' if it is OpenAI's file"
                )
    try:
        content: Any = torch.load(path, map_location="cpu", weights_only=True, mmap=in_zip)
    except pickle.UnpicklingError as error:
        if "WeightsUnpickler error: Unsupported" in str(error) or "GLOBAL" in str(error):
            raise UserError(
                f"the checkpoint '{path}' of {label} holds more than tensors and could run code, so it is refused; "
                "save its state_dict alone, best as .safetensors"
            ) from error
        raise BrokenFile(
            f"the checkpoint '{path}' of {label} is damaged or not a torch file; fetch it again"
        ) from error
    if isinstance(content, dict) and isinstance(content.get("state_dict"), dict):
        content = content["state_dict"]
    if not isinstance(content, dict):
        return []
    return [name for name, value in content.items() if isinstance(name, str) and isinstance(value, torch.Tensor)]


def _brief(error: Exception) -> str:
    """The first line of an error's message, cut to a readable length; its type when it has none."""
    lines = str(error).strip().splitlines()
    return lines[0][:120] if lines else type(error).__name__
