"""Pictures in the eyes of CLIPs: of the one that guided them, and of others that did not.

Both are measured in one way, on the file as it was saved and seen whole, so that they can be compared: 100 * cosine of
picture and text. Knows nothing of entries or tables.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from fastclipgen.evaluation.clip_scores import similarities
from fastclipgen.guidance.prompts import Prompt, parse_prompts, phases_of
from fastclipgen.guidance.targets import encode_picture, encode_texts
from fastclipgen.perceptors import resolve
from fastclipgen.perceptors.base import FrozenPerceptor
from fastclipgen.perceptors.spec import parse_clip


class Eyes:
    """CLIPs by their labels, each loaded when it is needed first and then kept, and what they have seen.

    Raises UserError wherever a CLIP cannot be loaded.
    """

    def __init__(self, device: torch.device, notice: Callable[[str], None]) -> None:
        self._device, self._notice = device, notice
        self._loaded: dict[str, FrozenPerceptor] = {}
        self._texts: dict[tuple[str, str], Tensor] = {}

    def load(self, label: str) -> FrozenPerceptor:
        if label not in self._loaded:
            [found] = resolve([label], self._device, torch.float32, self._notice)
            self._loaded[label] = found.perceptor
        return self._loaded[label]

    def see(self, label: str, pixels: Sequence[np.ndarray]) -> Tensor:
        """Embeddings float32 [N, E] of N > 0 pictures, uint8 [H, W, 3] of any sizes."""
        eye = self.load(label)
        images = [torch.from_numpy(one).to(self._device).movedim(-1, 0) / 255 for one in pixels]
        return torch.stack([encode_picture(eye, image) for image in images])

    def scores(self, label: str, seen: Tensor, prompts: Sequence[str]) -> list[float]:
        """100 * cosine of each picture, of which `see` gave the embeddings [N, E], with its own prompt.

        Of prompts that are joined in one picture it is the mean by their weights, one to move away from counting
        against it; of a story it is that of its last phase.
        """
        parts = [last_phase(prompt) for prompt in prompts]
        texts = list(dict.fromkeys(part.text for own in parts for part in own))
        new = [text for text in texts if (label, text) not in self._texts]
        if new:
            found = encode_texts(self.load(label), new)
            self._texts.update({(label, text): row for text, row in zip(new, found, strict=True)})
        known = torch.stack([self._texts[label, text] for text in texts])
        table = similarities(seen, known).tolist()  # [N][K]
        return [
            _weighted([(part.weight, row[texts.index(part.text)]) for part in own])
            for row, own in zip(table, parts, strict=True)
        ]

    def guided(self, clips: Mapping[str, float], seen: Mapping[str, Tensor], prompts: Sequence[str]) -> list[float]:
        """`scores` of pictures that several CLIPs have guided, the mean by their weights; clips: label -> weight."""
        columns = [(weight, self.scores(label, seen[label], prompts)) for label, weight in clips.items()]
        return [_weighted([(weight, column[row]) for weight, column in columns]) for row in range(len(prompts))]


def guides(clips: Sequence[str]) -> dict[str, float]:
    """label -> weight of the CLIPs that a picture's settings name; one that is named twice weighs the sum."""
    found: dict[str, float] = {}
    for spec in map(parse_clip, clips):
        found[spec.label] = found.get(spec.label, 0.0) + spec.weight
    return found


def last_phase(prompt: str) -> list[Prompt]:
    """The prompts that a finished picture follows."""
    parts = parse_prompts(prompt)
    last = phases_of(parts) - 1
    return [part for part in parts if part.weight and part.phase in (None, last)]


def _weighted(pairs: Sequence[tuple[float, float]]) -> float:
    return sum(weight * value for weight, value in pairs) / (sum(abs(weight) for weight, _ in pairs) or 1.0)
