"""Reads checkpoint files, safetensors or torch's, and says in one sentence what is wrong with one.

Nothing here runs code from a file (programs.py may, for a user who trusts it): safetensors,
torch.load(weights_only=True), or the unpickler of inert.py.
Knows nothing of architectures.
"""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor

from fastclipgen.errors import UserError
from fastclipgen.weights import inert

_INSIDE = ("state_dict", "model")  # where Lightning and clip-gen put the weights of a checkpoint


class BrokenFile(UserError):
    """The file is damaged or not a checkpoint at all: fetching it anew may help."""


@dataclass(frozen=True)
class Advice:
    """Ends of sentences that depend on the kind of model: what to do with a folder, with a TorchScript program, with a
    file of something else."""

    folder: str = "name the file in it"
    program: str = "save its state_dict as .safetensors"
    nothing: str = "give the state_dict of a model"


def check_checkpoint(path: Path, label: str, advice: Advice | None = None) -> None:
    """Raises UserError unless `path` is a file of named tensors and nothing else; BrokenFile when it is damaged.

    Reads the table of contents, not the weights (except for torch files from before 1.6). `label` names the model.
    """
    advice = advice or Advice()
    _check_place(path, label, advice)
    with _explaining(path, label):
        if _is_safetensors(path):
            with safe_open(path, framework="pt") as file:
                names = list(file.keys())
        else:
            _refuse_program(path, label, advice)
            names = list(_named(_plain(path)))
    if not names:
        raise UserError(f"the checkpoint '{path}' of {label} holds no named tensors; {advice.nothing}")


def read_tensors(path: Path, label: str, advice: Advice | None = None) -> dict[str, Tensor]:
    """The named tensors of a checkpoint, on the CPU; what is beside them (optimisers, callbacks, settings) is left out.

    A file of several networks side by side, as GANs are saved, gives the tensors of all: `g.NAME`, or `g_ema.0`,
    `g_ema.1` ... of a list. A torch file may hold objects of any program, as PyTorch Lightning's do: they are not made.
    Raises UserError, and BrokenFile when the file is damaged. `label` names the model.
    """
    advice = advice or Advice()
    _check_place(path, label, advice)
    with _explaining(path, label):
        if _is_safetensors(path):
            tensors = load_file(path)
        else:
            _refuse_program(path, label, advice)
            try:
                content = _plain(path)
            except pickle.UnpicklingError as error:
                if not (_names_code(error) and zipfile.is_zipfile(path)):
                    raise
                content = inert.load(path)
            tensors = _named(content)
    if not tensors:
        raise UserError(f"the checkpoint '{path}' of {label} holds no named tensors; {advice.nothing}")
    return tensors


def read_metadata(path: Path) -> dict[str, str]:
    """What the head of a safetensors file says; nothing of other files. For one that `read_tensors` has read."""
    if not _is_safetensors(path):
        return {}
    with safe_open(path, framework="pt") as file:
        return file.metadata() or {}


def _check_place(path: Path, label: str, advice: Advice) -> None:
    if path.is_dir():
        raise UserError(f"{label} needs a checkpoint file, '{path}' is a folder; {advice.folder}")
    if not path.exists():
        raise UserError(f"{label} needs a checkpoint file, there is none at '{path}'; check the path")


def _is_safetensors(path: Path) -> bool:
    return path.suffix.lower() == ".safetensors"


@contextmanager
def _explaining(path: Path, label: str) -> Iterator[None]:
    """Turns whatever reading raises into a sentence."""
    try:
        _check_head(path, label)
        yield
    except PermissionError as error:
        raise UserError(
            f"the checkpoint '{path}' of {label} cannot be read ({error.strerror}); check its permissions"
        ) from error
    except pickle.UnpicklingError as error:
        if _names_code(error):
            raise UserError(
                f"the checkpoint '{path}' of {label} holds more than tensors and could run code, so it is refused; "
                "save its state_dict alone, best as .safetensors"
            ) from error
        raise BrokenFile(
            f"the checkpoint '{path}' of {label} is damaged or not a torch file; fetch it again"
        ) from error
    except (
        OSError, SafetensorError, RuntimeError, EOFError, LookupError, ValueError, TypeError, AttributeError,
        zipfile.BadZipFile,
    ) as error:  # fmt: skip
        raise BrokenFile(
            f"the checkpoint '{path}' of {label} is damaged or cut short ({_brief(error)}); fetch it again"
        ) from error


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


def _refuse_program(path: Path, label: str, advice: Advice) -> None:
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as archive:
        if any(Path(name).name == "constants.pkl" for name in archive.namelist()):
            raise UserError(
                f"the checkpoint '{path}' of {label} is a TorchScript program, which is never run here; "
                f"{advice.program}"
            )


def _plain(path: Path) -> Any:
    """What a torch file holds, if that is nothing but tensors and plain values; pickle.UnpicklingError otherwise."""
    return torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))


def _names_code(error: pickle.UnpicklingError) -> bool:
    return "WeightsUnpickler error: Unsupported" in str(error) or "GLOBAL" in str(error)


def _named(content: Any) -> dict[str, Tensor]:
    for key in _INSIDE:
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    return _tensors(content) or _of_networks(content)


def _tensors(content: Any) -> dict[str, Tensor]:
    """The named tensors at the top of a dict."""
    if not isinstance(content, dict):
        return {}
    return {name: value for name, value in content.items() if isinstance(name, str) and isinstance(value, Tensor)}


def _of_networks(content: Any) -> dict[str, Tensor]:
    """Those one level deeper, in dicts and lists; an optimiser has none there."""
    if not isinstance(content, dict):
        return {}
    parts = {
        str(name): {str(k): v for k, v in enumerate(held)} if isinstance(held, list) else held
        for name, held in content.items()
    }
    return {f"{part}.{name}": value for part, held in parts.items() for name, value in _tensors(held).items()}


def _brief(error: Exception) -> str:
    """The first line of an error's message, cut to a readable length; its type when it has none."""
    lines = str(error).strip().splitlines()
    return lines[0][:120] if lines else type(error).__name__
