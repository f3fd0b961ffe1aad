"""Which architectures and tags there are, and what a pretrained tag stands for: open_clip's registry, spelled freely.

Knows nothing of loading; downloads are described, not made.
"""

from __future__ import annotations

import difflib
import os
from dataclasses import dataclass
from pathlib import Path

import open_clip
from open_clip.constants import HF_SAFE_WEIGHTS_NAME, HF_WEIGHTS_NAME

from fastclipgen.errors import UserError, nearest
from fastclipgen.perceptors import hub

SHAPES_CONFIG = Path(__file__).parent.parent / "assets" / "shapes_clip.json"
"""The built-in architecture, in open_clip's own format."""

QUICKGELU = "-quickgelu"
"""open_clip's ending for the twin of an architecture that has QuickGELU in its config."""


@dataclass(frozen=True)
class Pretrained:
    """What is known of a set of weights beside the weights; `mean` and `std` are None where nothing is known.

    `source` is where the hub has them, `file` a path given by whoever registered the tag; one of them is set for a tag.
    """

    quick_gelu: bool
    mean: tuple[float, ...] | None
    std: tuple[float, ...] | None
    source: hub.Source | None = None
    file: Path | None = None


def register_config(path: Path) -> str:
    """Makes the open_clip model config at `path` known under its stem and returns the stem; again is no change."""
    if path.stem not in open_clip.list_models() and path.is_file():
        open_clip.add_model_config(path)
    return path.stem


def architectures() -> list[str]:
    """All architecture names, the built-in one included."""
    register_config(SHAPES_CONFIG)
    return open_clip.list_models()


def architecture(name: str) -> str:
    """The registered spelling of a name given in any case, with '/', '_', '-' or '@' alike and a 'px' at the end.

    So 'vit-l/14@336px', OpenAI's own spelling, is 'ViT-L-14-336'. Raises UserError with the nearest name.
    """
    known = architectures()
    if name in known:
        return name
    by_key = {_key(spelling): spelling for spelling in known}
    if found := by_key.get(_key(name)):
        return found
    close = difflib.get_close_matches(_key(name), by_key, n=1, cutoff=0.5)
    suggestion = f"; did you mean '{by_key[close[0]]}'?" if close else ""
    raise UserError(f"unknown CLIP architecture '{name}'{suggestion} (list them with 'fastclipgen models')")


def tags(arch: str) -> list[str]:
    """The pretrained tags of an architecture. QuickGELU twins have those of their plain form that were trained so."""
    return open_clip.list_pretrained_tags_by_model(arch)


def tag_of(arch: str, tag: str | None) -> str:
    """The registered spelling of a tag; without one OpenAI's weights or, where there are none, the first listed.

    Raises UserError with the nearest tag, or when there are no pretrained weights at all.
    """
    known = tags(arch)
    if not known:
        raise UserError(f"no pretrained weights are known for '{arch}'; give a checkpoint as --clip {arch}:PATH")
    if tag is None:
        return "openai" if "openai" in known else known[0]
    cleaned = tag.lower().replace("-", "_")
    if cleaned in known:
        return cleaned
    plain = arch.removesuffix(QUICKGELU)
    if plain != arch and cleaned in tags(plain):
        raise UserError(f"the weights '{tag}' were not trained with QuickGELU; write --clip {plain}:{tag}")
    raise UserError(
        f"unknown tag '{tag}' for '{arch}'{nearest(cleaned, known)} "
        f"(list them with 'fastclipgen models --filter {arch}')"
    )


def pretrained(arch: str, tag: str) -> Pretrained:
    """What a tag, in registered spelling, stands for."""
    config = open_clip.get_pretrained_cfg(arch, tag)
    file = config.get("file")
    return Pretrained(
        bool(config.get("quick_gelu", False)),
        config.get("mean"),
        config.get("std"),
        None if file else _source(config.get("hf_hub", "")),
        Path(file) if file else None,
    )


def unlabelled(arch: str) -> Pretrained:
    """What may be assumed of a local checkpoint: whatever all known weights of the architecture agree on.

    A checkpoint does not say which activation or normalisation it was trained with. Where the known ones differ, the
    activation is the one of the config: NAME-quickgelu:PATH asks for QuickGELU.
    """
    known = [pretrained(arch, tag) for tag in tags(arch)]
    statistics = {(weights.mean, weights.std) for weights in known}
    mean, std = statistics.pop() if len(statistics) == 1 else (None, None)
    return Pretrained(bool(known) and all(weights.quick_gelu for weights in known), mean, std)


def _source(entry: str) -> hub.Source | None:
    """open_clip writes 'org/model/' (its default file name) or 'org/model/file'; safetensors are preferred."""
    repo, filename = os.path.split(entry)
    if not repo:
        return None
    if not filename:
        return hub.Source(repo, (HF_SAFE_WEIGHTS_NAME, HF_WEIGHTS_NAME))
    stem, suffix = os.path.splitext(filename)
    return hub.Source(repo, (stem + ".safetensors", filename) if suffix in (".bin", ".pth") else (filename,))


def _key(name: str) -> str:
    return name.lower().replace("/", "-").replace("_", "-").replace("@", "-").removesuffix("px")
