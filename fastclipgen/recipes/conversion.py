"""One item of a parameter: what YAML gives -> a constant of one of the parameter's types, or an expression.

In this order: as it is, converted, a constant expression, an expression with variables. A text for a parameter of type
str is an expression only where the parameter has choices.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from fastclipgen.errors import UserError, nearest
from fastclipgen.recipes.expressions import Expression, parse_list

Scalar = bool | int | float | str
Item = Scalar | Expression
_NAMES: dict[type, str] = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}
_WORDS = {True: ("on", "yes", "true"), False: ("off", "no", "false")}
"""What YAML 1.1 reads as truth values, though a word may have been meant."""
_TRUE, _FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0", "")


@dataclass(frozen=True)
class Parameter:
    """What a parameter takes.

    types: tried in order; the result of an expression with variables becomes the first, of one without the last.
    lengths: of its list, ascending; () for a single value. groups: variables that its expressions may use.
    choices: the texts, in lower case, that a parameter of type str may be; () for any text.
    """

    types: tuple[type, ...]
    lengths: tuple[int, ...] = ()
    groups: frozenset[str] = frozenset()
    nullable: bool = False
    choices: tuple[str, ...] = ()

    @property
    def expected(self) -> str:
        """For errors: what an item may be."""
        if self.choices:
            return "one of " + ", ".join(self.choices)
        names = [_NAMES[kind] for kind in self.types]
        return " or ".join([*names, "an expression"] if str not in self.types else names)


def convert(parameter: Parameter, raw: Any, where: str, key: str) -> Item | tuple[Item, ...]:
    """The item, or the items of an expression that is a list.

    where: file, line and key path, for errors. key: what random numbers are drawn for.
    Raises UserError for what does not fit, and for constants that are not finite.
    """
    wrong = UserError(f"{where}: expected {parameter.expected}, got {_shown(raw)}")
    if not isinstance(raw, bool | int | float | str):
        raise wrong
    if str in parameter.types and not parameter.choices:
        if isinstance(raw, bool):
            raise UserError(
                f"{where}: expected a text, got {_shown(raw)}; put a text that YAML reads as one into quotes"
            )
        return str(raw)
    plain = _converted(parameter, raw)
    if plain is not None:
        return plain
    if not isinstance(raw, str):
        raise wrong
    if parameter.choices and raw.strip().replace("-", "_").isidentifier():
        raise UserError(f"{wrong}{nearest(raw.strip().lower(), parameter.choices)}")
    read = parse_list(raw, where, parameter.groups, parameter.choices, key)
    if isinstance(read, tuple):
        return tuple(_checked(parameter, item) for item in read)
    return _checked(parameter, read)


def _converted(parameter: Parameter, raw: Scalar) -> Scalar | None:
    """Without an expression, the exact type before all others; None where that does not go."""
    kinds = [type(raw), *parameter.types] if type(raw) in parameter.types else parameter.types
    return next((result for kind in kinds if (result := _as(kind, raw, parameter.choices)) is not None), None)


def _as(kind: type, raw: Scalar, choices: tuple[str, ...]) -> Scalar | None:
    text = raw.strip().lower() if isinstance(raw, str) else None
    if kind is str:
        words = _WORDS.get(raw, ()) if isinstance(raw, bool) else (text,)
        return next((word for word in words if word in choices), None)
    if kind is bool:
        return bool(raw) if text is None else True if text in _TRUE else False if text in _FALSE else None
    try:
        result = kind(raw)
        return result if math.isfinite(result) else None
    except (ValueError, OverflowError):  # OverflowError: infinite, or whole and beyond all floats
        return None


def _checked(parameter: Parameter, expression: Expression) -> Item:
    """The expression, or its value where it is constant, if its kind is one of the parameter's."""
    if (expression.kind == "text") != (str in parameter.types):
        raise expression.source.error(f"expected {parameter.expected}, got a {expression.kind}")
    for text in expression.texts if str in parameter.types else ():
        if text not in parameter.choices:
            raise expression.source.error(
                f"expected {parameter.expected}, got '{text}'{nearest(text, parameter.choices)}"
            )
    return parameter.types[-1](expression.value) if expression.constant else expression


def _shown(raw: Any) -> str:
    names = {type(None): "nothing", dict: "a mapping", list: f"the list '{str(raw)[:60]}'", bool: str(raw).lower()}
    return names.get(type(raw), f"'{str(raw)[:60]}'")
