r"""Prompt syntax: `text`, `text:weight`, `text:weight:stop`, `|` between prompts of one picture, `^` between phases.

Numbers are peeled off the right end, at most two of them and only while they parse as numbers, so colons inside a text
do no harm: "ratio 3:2 poster" and "https://example.org/a" are plain texts. One number is the weight, two are weight and
stop. The price is that a text which itself ends in ":number" loses it: "ratio 3:2" is the text "ratio 3" with weight 2.
Appending both numbers, ":1:-inf" (the defaults), protects such an ending: "ratio 3:2:1:-inf" is the text "ratio 3:2".
A caret separates the phases of a story, `a fox|snow ^ a wolf|snow`: each phase acts for some steps, then the next one,
and after the last the first again (nerdyrodent's notation). A backslash directly before a bar or a caret keeps it in
the text: "a\|b", "x\^2".

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
_UNESCAPED_CARET = re.compile(r"(?<!\\)\^")


@dataclass(frozen=True)
class Prompt:
    """A text, how strongly it pulls (negative: pushes away), and where it stops.

    `text` is stored without surrounding white space. `stop` bounds the signed distance `d * sign(weight)`: the prompt
    gives no gradient at or below it; -inf means that it never stops. `phase`: that of a story in which it acts, from 0;
    None: always. Raises UserError for an empty text, a weight that is not finite, or a stop that is NaN or +inf.
    """

    text: str
    weight: float = 1.0
    stop: float = -math.inf
    phase: int | None = None

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
    weight, stop = (*numbers, *(1.0, -math.inf)[len(numbers) :])
    return Prompt(text, weight, stop)


def parse_prompts(source: str) -> tuple[Prompt, ...]:
    r"""All prompts of one picture, separated by `|`, those of a story's phases by `^` as well (`\|` and `\^` are a bar
    and a caret inside a text).

    Raises UserError as `Prompt` does, and when all weights of a phase are 0.
    """
    phases = _split(source, _UNESCAPED_CARET, "^")
    prompts: list[Prompt] = []
    for phase, text in enumerate(phases):
        parts = _split(text, _UNESCAPED_BAR, "|")
        found = [parse_prompt(part.replace("\\|", "|").replace("\\^", "^")) for part in parts]
        check_total([prompt.weight for prompt in found], text.strip())
        prompts += found if len(phases) == 1 else [replace(prompt, phase=phase) for prompt in found]
    return tuple(prompts)


def _split(source: str, mark: re.Pattern[str], name: str) -> list[str]:
    parts = mark.split(source)
    if len(parts) > 1 and not all(part.strip() for part in parts):
        raise UserError(
            f"expected a prompt on both sides of every '{name}', but one is empty in '{source}'; "
            f"remove the extra one, or write '\\{name}' where it belongs to a text"
        )
    return parts


def phases_of(prompts: Sequence[Prompt]) -> int:
    """How many phases the story of a picture's prompts has; 1 where they tell none."""
    return 1 + max((prompt.phase or 0 for prompt in prompts), default=0)


def parse_image_prompt(source: str) -> ImagePrompt:
    """`path[:weight[:stop]]`. Colons in the path, Windows drive letters included, are kept; no bar splitting."""
    path, numbers = _peel(source)
    return ImagePrompt(path, *numbers)


def parse_target(source: str) -> ImagePrompt:
    """`path[:weight]` of a picture to come close to by itself, which knows no stop. Raises UserError."""
    target = parse_image_prompt(source)
    if target.stop != -math.inf:
        raise UserError(
            f"expected PATH[:WEIGHT] of a target picture, got a stop as well in '{source}'; leave the last number out"
        )
    return target


def parse_noise_prompt(source: str) -> tuple[int, float, float]:
    """`seed[:weight[:stop]]`. Raises UserError unless the seed is a whole number of 0 or more below 2**63."""
    text, numbers = _peel(source)
    weight, stop = (*numbers, *(1.0, -math.inf)[len(numbers) :])
    if not text.strip().isdecimal() or int(text) >= 2**63:
        raise UserError(f"expected SEED[:WEIGHT[:STOP]] of a noise prompt, a seed from 0 to 2**63-1, got '{source}'")
    _check_numbers(text, weight, stop)
    return int(text), weight, stop


def format_prompt(prompt: Prompt) -> str:
    """The shortest form that `parse_prompts` reads back as exactly this prompt, its phase aside, alone or joined to
    others."""
    escaped = prompt.text.replace("|", "\\|").replace("^", "\\^")
    forms = [f"{escaped}:{prompt.weight!r}:{prompt.stop!r}"]
    if prompt.stop == -math.inf:
        forms.insert(0, f"{escaped}:{prompt.weight!r}")
        # a final backslash would swallow a bar or a caret that follows
        if prompt.weight == 1.0 and not escaped.endswith("\\"):
            forms.insert(0, escaped)
    plain = (form.replace("\\|", "|").replace("\\^", "^") for form in forms)
    return next(
        form for form, text in zip(forms, plain, strict=True) if parse_prompt(text) == replace(prompt, phase=None)
    )


def format_prompts(prompts: Sequence[Prompt]) -> str:
    """The prompts of one picture as `parse_prompts` reads them."""
    phases: dict[int | None, list[str]] = {}
    for prompt in prompts:
        phases.setdefault(prompt.phase, []).append(format_prompt(prompt))
    return "^".join("|".join(texts) for texts in phases.values())


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
