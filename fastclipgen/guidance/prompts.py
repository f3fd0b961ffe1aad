r"""Prompt syntax: `text`, `text:weight`, `text:weight:stop`, and `|` between prompts of one picture.

Numbers are peeled off the right end, at most two of them and only while they parse as numbers, so colons inside a text
do no harm: "ratio 3:2 poster" and "https://example.org/a" are plain texts. One number is the weight, two are weight and
stop. The price is that a text which itself ends in ":number" loses it: "ratio 3:2" is the text "ratio 3" with weight 2.
Appending both numbers, ":1:-inf" (the defaults), protects such an ending: "ratio 3:2:1:-inf" is the text "ratio 3:2".
A backslash directly before a bar keeps the bar in the text: "a\|b".

The peeling rule is pixray's. This file knows nothing of tensors and does not open files.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from fastclipgen.errors import UserError

MAX_WEIGHT = 1e6  # far above any use; keeps sums of weights finite and exact enough in float32

_NUMBER = re.compile(r"\s*[+-]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?|inf|infinity|nan)\s*", re.IGNORECASE)
_UNESCAPED_BAR = re.compile(r"(?<!\\)\|")


@dataclass(frozen=True)
class Prompt:
    """A text, how strongly it pulls (negative: pushes away), and where it stops.

    `text` is stored without surrounding white space. `stop` bounds the signed distance `d * sign(weight)`: the prompt
    gives no gradient at or below it; -inf means that it never stops. Raises UserError for an empty text, a weight that
    is not finite, or a stop that is NaN or +inf.
    """

    text: str
    weight: float = 1.0
    stop: float = -math.inf

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", self.text.strip())
        if not self.text:
            raise UserError("a prompt needs a text, but it is empty; write what the picture should show")
        _check_encodable(self.text)
        _check_numbers(self.text, self.weight, self.stop)


@dataclass(frozen=True)
class ImagePrompt:
    """The path of a picture whose embedding is a target; weight and stop as in `Prompt`, errors too."""

    path: str
    weight: float = 1.0
    stop: float = -math.inf

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", self.path.strip())
        if not self.path:
            raise UserError("an image prompt needs the path of a picture, but it is empty; write PATH[:WEIGHT[:STOP]]")
        _check_numbers(self.path, self.weight, self.stop)


def parse_prompt(source: str) -> Prompt:
    """One prompt, `text[:weight[:stop]]`; a bar is an ordinary character here. Raises UserError as `Prompt` does."""
    text, numbers = _peel(source)
    return Prompt(text, *numbers)


def parse_prompts(source: str) -> tuple[Prompt, ...]:
    r"""All prompts of one picture, separated by `|` (write `\|` for a bar inside a text).

    Raises UserError as `Prompt` does, and when all weights are 0.
    """
    parts = [part.replace("\\|", "|") for part in _UNESCAPED_BAR.split(source)]
    if len(parts) > 1 and not all(part.strip() for part in parts):
        raise UserError(
            f"expected a prompt on both sides of every '|', but one is empty in '{source}'; "
            "remove the extra bar, or write '\\|' for a bar inside a text"
        )
    prompts = tuple(parse_prompt(part) for part in parts)
    check_total([prompt.weight for prompt in prompts], source)
    return prompts


def parse_image_prompt(source: str) -> ImagePrompt:
    """`path[:weight[:stop]]`. Colons in the path, Windows drive letters included, are kept; no bar splitting."""
    path, numbers = _peel(source)
    return ImagePrompt(path, *numbers)


def format_prompt(prompt: Prompt) -> str:
    """The shortest form that `parse_prompts` reads back as exactly this prompt, alone or joined to others by `|`."""
    escaped = prompt.text.replace("|", "\\|")
    forms = [f"{escaped}:{prompt.weight!r}:{prompt.stop!r}"]
    if prompt.stop == -math.inf:
        forms.insert(0, f"{escaped}:{prompt.weight!r}")
        if prompt.weight == 1.0 and not escaped.endswith("\\"):  # a final backslash would swallow a following bar
            forms.insert(0, escaped)
    unescaped = (form.replace("\\|", "|") for form in forms)
    return next(form for form, plain in zip(forms, unescaped, strict=True) if parse_prompt(plain) == prompt)


def format_prompts(prompts: Sequence[Prompt]) -> str:
    """The prompts of one picture as `parse_prompts` reads them."""
    return "|".join(format_prompt(prompt) for prompt in prompts)


def negate(prompt: Prompt) -> Prompt:
    """The prompt of a negative list: the weight's sign is flipped, so "blurry:0.5" pushes away with 0.5.

    The stop is unchanged and then bounds the negated distance.
    """
    return replace(prompt, weight=-prompt.weight)


def check_total(weights: Sequence[float], where: str) -> None:
    """Raises UserError when the weights of one picture (described by `where`) add up to nothing in float32."""
    if sum(abs(weight) for weight in weights) < 1e-30:
        raise UserError(
            f"expected at least one prompt with a weight other than 0, but all are 0 in '{where}'; raise one of them"
        )


def _peel(source: str) -> tuple[str, list[float]]:
    """Text and the 0, 1 or 2 numbers behind it, in the order written."""
    text, numbers = source, []
    while len(numbers) < 2:
        head, colon, tail = text.rpartition(":")
        if not colon or not _NUMBER.fullmatch(tail):
            break
        text = head
        numbers.insert(0, float(tail))
    return text, numbers


def _check_numbers(text: str, weight: float, stop: float) -> None:
    hint = "append ':1:-inf' if the number belongs to the text"
    if not abs(weight) <= MAX_WEIGHT:  # written so that NaN fails too
        raise UserError(
            f"expected a weight between -{MAX_WEIGHT:g} and {MAX_WEIGHT:g}, got {weight} after '{text}'; {hint}"
        )
    if not stop <= MAX_WEIGHT:
        raise UserError(f"expected a stop that is a number or -inf, got {stop} after '{text}'; {hint}")


def _check_encodable(text: str) -> None:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise UserError(
            f"expected text in UTF-8, but a prompt has broken characters: {text!a}; type them again"
        ) from None
