"""The reference of experiments' files, docs/yaml.md: every key, made of the declarations, and the rules around them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from fastclipgen.experiments import keys as known
from fastclipgen.experiments.reference_text import HEAD, RULES
from fastclipgen.guidance.frame_constraints.base import FrameConstraint
from fastclipgen.guidance.frame_constraints.registry import CONSTRAINTS
from fastclipgen.guidance.transforms.base import Transform
from fastclipgen.guidance.transforms.registry import TRANSFORMS
from fastclipgen.recipes.conversion import Parameter
from fastclipgen.recipes.options import REQUIRED, Option

_KINDS: dict[type, str] = {int: "whole number", float: "number", str: "text", bool: "true, false"}
_GROUPS = ("time", "resolution", "learnrate", "target_feature", "target_constraint")


def reference() -> str:
    """The page in Markdown."""
    settings = "\n".join(f"| `{name}` | {_cell(known.setting_help(name))} |" for name in known.SETTINGS)
    sections = "\n".join(f"| `{name}` | {_cell(help)} |" for name, help in known.SECTIONS.items())
    lists = "\n".join(f"| `{name}` | {_cell(help)} |" for name, help in known.LISTS.items())
    step = _table(known.STEP)
    parts = [
        HEAD,
        "## Keys of the file",
        _table(known.RUN),
        "Keys that hold more than a value:",
        f"| key | meaning |\n|---|---|\n{sections}",
        "Settings that mean what they mean on the command line ([options.md](options.md)):",
        f"| key | meaning |\n|---|---|\n{settings}",
        "## `init`",
        _table(known.INIT),
        "`image_tensor` is a picture as lists of numbers, [3][height][width] in 0..1, as it is.",
        "## `targets`",
        _table(known.TARGET),
        f"| key | meaning |\n|---|---|\n{lists}",
        "## `targets.features`",
        "An item has a `text` or an `image`.",
        _table(known.FEATURE_KEYS),
        "## `targets.transforms`",
        "An item names one transform or several, and may say when they are active:",
        step,
        *(_kind(kind, {}) for kind in TRANSFORMS.values()),
        "## `targets.constraints`",
        "An item names one constraint or several. Each takes these beside its own options, and the item what one of "
        "`transforms` takes:",
        _table(known.CONSTRAINT_KEYS),
        *(_kind(kind, known.CONSTRAINT_KEYS) for kind in CONSTRAINTS.values()),
        "## `postproc`",
        "An item is as one of `transforms`. All transforms that keep the size may stand here: "
        + ", ".join(f"`{name}`" for name, kind in TRANSFORMS.items() if not kind.resizes)
        + ".",
        RULES,
    ]
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


def _kind(kind: Transform | FrameConstraint, common: Mapping[str, Option]) -> str:
    one = len(kind.options) + len(common) == 1
    example: Any = next(iter(kind.example.values())) if one else kind.example
    text = yaml.safe_dump([{kind.name: example}], default_flow_style=None, width=100, sort_keys=False).strip()
    flags = [
        flag
        for flag, holds in (
            ("random: a target with it sees `batch_size` frames.", getattr(kind, "random", False)),
            ("changes the size.", getattr(kind, "resizes", False)),
        )
        if holds
    ]
    head = f"### `{kind.name}`\n\n{_sentence(' '.join([_sentence(kind.help), *map(_sentence, flags)]))}"
    table = f"\n\n{_table(kind.options)}" if kind.options else ""
    return f"{head}\n\n```yaml\n{text}\n```{table}"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")


def _cell(text: str) -> str:
    """As a cell of a table, whose bars would end it."""
    return text.replace("|", "\\|")


def _table(options: Mapping[str, Option]) -> str:
    rows = [
        f"| `{name}` | {_type(o.parameter)} | {_default(o)} | {_knows(o)} | {_cell(o.help)} |"
        for name, o in options.items()
    ]
    return "\n".join(["| key | takes | default | knows | meaning |", "|---|---|---|---|---|", *rows])


def _type(parameter: Parameter) -> str:
    if parameter is known.MOMENT:
        return "time"
    kind = " or ".join(_KINDS[kind] for kind in parameter.types)
    if parameter.choices:
        kind = ", ".join(f"`{choice}`" for choice in parameter.choices)
    lengths = [length for length in parameter.lengths if length > 1]
    if not lengths:
        return kind
    shown = f"{lengths[0]} to {lengths[-1]}" if len(lengths) > 3 else " or ".join(map(str, lengths))
    return f"{shown} x {kind}"


def _default(option: Option) -> str:
    if option.default is REQUIRED:
        return "required"
    if option.default is None:
        return ""
    default = option.default
    text = " ".join(map(str, default)) if isinstance(default, list | tuple) else str(default)
    return f"`{text.lower() if isinstance(default, bool) else text}`"


def _knows(option: Option) -> str:
    """The largest of the groups of variables that expressions may use."""
    groups = [group for group in _GROUPS if group in option.parameter.groups]
    return groups[-1] if groups else ""
