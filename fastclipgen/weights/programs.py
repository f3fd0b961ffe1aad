"""Networks saved as programs, by torch.export (.pt2) or TorchScript (.pt): telling such files apart, and opening them.

A checkpoint is numbers; these are code as well. torch.export.load unpickles parts of its file and warns never to do so
with one from an untrusted source, and PyTorch's security policy asks to treat a TorchScript file as the program that it
is. So this is the one place of the package that may run what a file brings along, and it does so only for a user who
has said that the file is trusted. Knows nothing of what a program computes.
"""

from __future__ import annotations

import logging
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Literal

import torch
from torch import nn

from fastclipgen.errors import UserError

Kind = Literal["torch.export", "TorchScript"]


def kind_of_program(path: Path) -> Kind | None:
    """What wrote the program in a file; None for a file that holds none, such as a checkpoint. Opens nothing in it."""
    if not zipfile.is_zipfile(path):
        return None
    with zipfile.ZipFile(path) as archive:
        inside = [PurePosixPath(name) for name in archive.namelist()]
    names = {name.name for name in inside}
    if "archive_format" in names or "serialized_exported_program.json" in names:  # torch 2.8 and later, and before
        return "torch.export"
    return "TorchScript" if "constants.pkl" in names else None


def load_program(path: Path, label: str, trusted: bool, option: str) -> nn.Module:
    """The program in a file of `kind_of_program`, on the CPU. May run code of whoever made the file.

    `label` names the network in errors; `option` is how a user says that the file is `trusted`. Raises UserError where
    it is not, and where torch cannot read it.
    """
    kind = kind_of_program(path)
    if not trusted:
        raise UserError(
            f"'{path}' of {label} is a {kind} program, and opening one may run any code of whoever made it; add "
            f"{option} if you trust them"
        )
    try:
        with _quiet():
            if kind == "TorchScript":
                return torch.jit.load(path, map_location="cpu")
            return torch.export.load(path).module()
    except Exception as error:  # torch says in many ways that it cannot
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise UserError(
            f"the {kind} program '{path}' of {label} cannot be read by torch {torch.__version__} ({first:.120}); "
            "export it again with this version"
        ) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Without torch's own lines: that TorchScript is going out of use, and tracebacks of what is raised anyway."""
    logger = logging.getLogger("torch.export")
    before = logger.disabled
    logger.disabled = True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.disabled = before
