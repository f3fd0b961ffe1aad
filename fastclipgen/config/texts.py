"""Settings and prompts as texts: SETTING=VALUE, where a command has no option for each, and files of prompts. Loads no
torch."""

from __future__ import annotations

import json
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fastclipgen.config.run import RunConfig
from fastclipgen.errors import UserError, unknown


def parse_settings(pairs: Sequence[str], where: str = "--set") -> dict[str, Any]:
    """SETTING=VALUE texts -> values for RunConfig, which gives numbers and switches their types.

    A value that begins with [ or { is JSON; other values of settings that are lists are collected. `where` begins the
    sentences of errors. Raises UserError.
    """
    settings: dict[str, Any] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        name = name.strip().replace("-", "_")
        if not equals:
            raise UserError(f"expected {where} SETTING=VALUE, got '{pair}'")
        if name not in RunConfig.model_fields:
            raise unknown("setting", name, RunConfig.model_fields)
        value: Any = text
        if text.startswith(("[", "{")):
            try:
                value = json.loads(text)
            except ValueError as error:
                raise UserError(f"{where} {name}: expected JSON after '{text[0]}', got '{text}' ({error})") from None
        elif _is_list(RunConfig.model_fields[name].annotation):
            value = [*settings.get(name, []), text]
        elif name in settings:
            raise UserError(f"{where} {name} is given twice; give it once")
        settings[name] = value
    return settings


def _is_list(annotation: Any) -> bool:
    """Whether a setting of this type is a list, or a list or nothing."""
    return typing.get_origin(annotation) is list or any(_is_list(part) for part in typing.get_args(annotation))


def parse_size(text: str) -> tuple[int, int]:
    """WIDTHxHEIGHT or one side, in pixels -> (width, height). Raises UserError."""
    parts = text.lower().split("x")
    try:
        sides = [int(part) for part in parts]
    except ValueError:
        sides = []
    if len(sides) not in (1, 2):
        raise UserError(f"expected WIDTHxHEIGHT or one side in pixels, got '{text}'")
    return sides[0], sides[-1]


def read_prompts(path: str) -> list[str]:
    """The prompts in a text file, one a line; empty lines and those that begin with # say nothing. Raises UserError for
    a file that cannot be read or holds none."""
    try:
        lines = Path(path).expanduser().read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read prompts from '{path}' ({error}); give a text file in UTF-8") from None
    prompts = [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
    if not prompts:
        raise UserError(f"'{path}' holds no prompts; write one a line")
    return prompts
