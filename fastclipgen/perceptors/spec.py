"""The syntax of `--clip NAME[:TAG|:PATH][@WEIGHT]`. Knows nothing of which names and tags exist, and needs no torch."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from fastclipgen.errors import UserError

AUTO = "auto"
BUILTIN = "builtin"

_SCHEMES = ("hf-hub:", "local-dir:")  # open_clip's own: the model's files say what it is, there is no tag
_SUFFIXES = (".pt", ".pth", ".bin", ".safetensors")
_FORM = "NAME[:TAG|:PATH][@WEIGHT], as in ViT-B-32:laion2b_s34b_b79k@0.5"


@dataclass(frozen=True)
class ClipSpec:
    """One `--clip`: at most one of `tag` and `path` is set; `weight` is finite and not 0 (negative repels)."""

    name: str
    tag: str | None = None
    path: Path | None = None
    weight: float = 1.0

    @property
    def label(self) -> str:
        """NAME, NAME:TAG or NAME:PATH, as the user would write it."""
        part = self.tag or self.path
        return self.name if part is None else f"{self.name}:{part}"


def parse_clip(text: str) -> ClipSpec:
    """Reads one `--clip` value.

    The weight is what follows the last '@' if that is a number, so names and paths may contain '@'. What follows the
    first ':' is a path when it has a '/' or a checkpoint's suffix or is a file, and a tag otherwise.
    Raises UserError for an empty part and for a weight that is 0 or not finite.
    """
    rest, weight = _peel_weight(text.strip())
    scheme = next((s for s in _SCHEMES if rest.startswith(s)), "")
    if scheme:
        if rest == scheme:
            raise UserError(f"--clip '{text}' lacks what follows '{scheme}'; write {scheme}ORG/MODEL or {scheme}FOLDER")
        return ClipSpec(rest, weight=weight)
    name, colon, part = rest.partition(":")
    if not name or (colon and not part):
        raise UserError(f"--clip '{text}' lacks its {'tag or path' if name else 'name'}; write {_FORM}")
    if name in (AUTO, BUILTIN) and part:
        raise UserError(f"--clip '{text}': '{name}' takes no tag and no path; write {name}, or {_FORM}")
    if not part:
        return ClipSpec(name, weight=weight)
    path = Path(part).expanduser()
    if "/" in part or part.lower().endswith(_SUFFIXES) or path.is_file():
        return ClipSpec(name, path=path, weight=weight)
    return ClipSpec(name, tag=part, weight=weight)


def _peel_weight(text: str) -> tuple[str, float]:
    head, at, tail = text.rpartition("@")
    if not at:
        return text, 1.0
    try:
        weight = float(tail)
    except ValueError:
        return text, 1.0
    if not math.isfinite(weight) or weight == 0:
        raise UserError(f"the weight of --clip '{text}' must be a finite number other than 0, got {tail}")
    return head, weight
