"""`--preset`: how much time and memory a picture may take, as factors to what its generator does without one.

The quality presets of clipit and pixray choose CLIPs, steps, size and cuts together; so do these. What they cost is
measured by bench/presets.py and stands in docs/options.md. Loads no torch.
"""

from __future__ import annotations

from typing import Any

NAMES = ("draft", "normal", "better", "best")

CLIPS = {
    "draft": ["ViT-B-32:openai"],
    "normal": ["ViT-B-32:openai", "ViT-B-16:openai"],
    "better": ["ViT-B-32:openai", "ViT-B-16:openai", "RN50:openai"],
    "best": ["ViT-B-32:openai", "ViT-B-16:openai", "RN50x4:openai"],
}
"""The real CLIPs of a preset, where --clip names none: those of clipit's."""

VQGAN = "imagenet_f16_16384"
"""What draws with them where --generator names nothing: generator vqgan with these weights."""

REAL = {
    "draft": {"size": 0.5, "steps": 0.4, "views": 0.5},
    "normal": {"size": 0.75, "steps": 0.7, "views": 0.75},
    "better": {},
    "best": {"size": 1.25, "steps": 1.2, "views": 1.5},
}
# The built-in CLIP sees shapes best at the size that its generators have; more starts and steps are what helps it.
BUILTIN = {
    "draft": {"steps": 0.5, "views": 0.6, "starts": 0.25, "tracks": 0.5},
    "normal": {},
    "better": {"steps": 1.5, "views": 1.2, "starts": 2, "tracks": 1.5},
    "best": {"steps": 2, "views": 1.6, "starts": 4, "tracks": 2},
}
_SIDES = 16  # sizes are whole tokens of every VQGAN
_MOST = {"starts": 65536, "tracks": 64}  # that a run may have


def scaled(table: dict[str, Any], preset: str | None, builtin: bool) -> dict[str, Any]:
    """The defaults of a generator as the preset has them; None: as they are. builtin: under the built-in CLIP."""
    if preset is None:
        return table
    factors = (BUILTIN if builtin else REAL)[preset]
    # a size of None is the network's own, for better and worse
    known = {name: factor for name, factor in factors.items() if table[name] is not None}
    return table | {name: _times(name, table[name], factor) for name, factor in known.items()}


def _times(name: str, value: int, factor: float) -> int:
    if name == "size":
        return max(1, round(value * factor / _SIDES)) * _SIDES
    if name in _MOST and value == 1:  # one start is no choice to widen
        return 1
    return max(1, min(round(value * factor), _MOST.get(name, 10**9)))
