"""From the `--clip` options to loaded perceptors, and the choice behind `auto`.

`auto` is the one name that may fall back: cached real model, else download, else the built-in one. The description of
what was loaded says which. A name that the user gave is loaded or fails.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from fastclipgen.errors import UserError
from fastclipgen.perceptors import builtin, hub, names, open_clip
from fastclipgen.perceptors.base import FrozenPerceptor
from fastclipgen.perceptors.spec import AUTO, BUILTIN, ClipSpec, parse_clip

REAL = "ViT-B-32:laion2b_s34b_b79k"
"""The real model that `auto` means."""


@dataclass(frozen=True)
class LoadedPerceptor:
    """A perceptor ready for use, its weight in the ensemble and one line on what it is and why it was chosen."""

    perceptor: FrozenPerceptor
    weight: float
    description: str
    is_builtin: bool


def resolve(
    specs: list[str], device: torch.device | str, dtype: torch.dtype, notice: Callable[[str], None]
) -> list[LoadedPerceptor]:
    """Loads every `--clip` value, or `auto` when there is none, on `device` with image towers in `dtype`.

    `notice` gets the one line that `auto` has to say when it falls back to the built-in model, and later those of
    texts that are too long. A model named twice is loaded once. Raises UserError.
    """
    parsed = [parse_clip(text) for text in specs or [AUTO]]
    loaded: dict[str, LoadedPerceptor] = {}
    result = []
    for spec in parsed:
        if spec.label not in loaded:
            one = _load(spec, notice)
            one.perceptor.to(device, dtype)
            loaded[spec.label] = one
        one = loaded[spec.label]
        result.append(LoadedPerceptor(one.perceptor, spec.weight, one.description, one.is_builtin))
    return result


def resolve_available(
    specs: Sequence[str], device: torch.device | str, dtype: torch.dtype, notice: Callable[[str], None]
) -> tuple[list[str], list[LoadedPerceptor]]:
    """Those of `specs` that can be loaded, and what they became; `auto` where none can. Otherwise as `resolve`.

    For names that the user did not give: `notice` hears of the ones that are left out.
    """
    found, loaded, missing = [], [], []
    for text in specs:
        try:
            loaded += resolve([text], device, dtype, notice)
            found.append(text)
        except UserError as error:
            missing.append((text, str(error)))
    if not found:
        return [AUTO], resolve([AUTO], device, dtype, notice)
    if missing:
        left_out = ", ".join(f"'{text}'" for text, _ in missing)
        notice(f"CLIP {left_out} of the preset left out, because it is not at hand ({missing[0][1]})")
    return found, loaded


def decided(specs: list[str], loaded: Sequence[LoadedPerceptor]) -> list[str]:
    """The `clip` setting with what `auto` turned out to be, so that making the picture again takes the same model."""
    found = []
    for text, one in zip(specs or [AUTO], loaded, strict=True):
        if parse_clip(text).name == AUTO:
            label = BUILTIN if one.is_builtin else REAL
            text = label if one.weight == 1 else f"{label}@{one.weight}"
        found.append(text)
    return found


def _load(spec: ClipSpec, notice: Callable[[str], None]) -> LoadedPerceptor:
    if spec.name == AUTO:
        return _load_auto(notice)
    if spec.name == BUILTIN:
        return _builtin(notice, "asked for")
    perceptor = open_clip.load(spec, notice)
    return LoadedPerceptor(perceptor, 1.0, f"{perceptor.name} ({perceptor.image_size} px)", False)


def _load_auto(notice: Callable[[str], None]) -> LoadedPerceptor:
    spec = parse_clip(REAL)
    source = names.pretrained(spec.name, spec.tag or "").source
    reason = ""
    # at most twice: a cached file that proves damaged is removed, and then it is a matter of downloading
    while source is not None:
        in_cache = hub.cached(source) is not None
        verdict = hub.Verdict(True) if in_cache else hub.probe()
        reason = reason or verdict.reason
        if not verdict.answers:
            break
        try:
            perceptor = open_clip.load(spec, notice)
        except UserError as error:
            reason = str(error)
            if not in_cache or hub.cached(source) is not None:
                break
        else:
            how = "cached" if in_cache else "downloaded"
            return LoadedPerceptor(perceptor, 1.0, f"{perceptor.name} ({perceptor.image_size} px, auto: {how})", False)
    notice(
        f"using the built-in CLIP '{builtin.NAME}', a tiny model that knows drawn shapes and colours only, because no "
        f"real one is at hand ({reason}); get one with 'fastclipgen models get {REAL}'"
    )
    return _builtin(notice, f"auto: {reason}")


def _builtin(notice: Callable[[str], None], why: str) -> LoadedPerceptor:
    perceptor = builtin.load_builtin(notice)
    return LoadedPerceptor(perceptor, 1.0, f"built-in {perceptor.name} ({perceptor.image_size} px, {why})", True)
