"""The generators by name, their options, and making one. Loads torch only when a generator is looked into."""

from __future__ import annotations

import importlib
import inspect
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from fastclipgen.errors import UserError, unknown
from fastclipgen.weights import published

if TYPE_CHECKING:
    from torch import nn

    from fastclipgen.generators.base import Generator

_TABLE = {
    "autoencoder": "autoencoder:Autoencoder",
    "cvae": "cvae:Cvae",
    "gan": "gan:Gan",
    "fourier": "fourier:Fourier",
    "pixels": "pixels:Pixels",
    "siren": "siren:Siren",
    "stack": "stack:Stack",
    "vae": "vae:Vae",
    "vqgan": "vqgan:Vqgan",
    "wgan": "wgan:Wgan",
}
"""name -> file:class. A new generator is one line here."""

SAMPLERS = ("clip-gen",)
"""Names that `--generator` takes too: what draws its pictures in one go is made elsewhere."""

_KINDS = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "a text",
    Sequence[int]: "whole numbers with commas between them",
    Sequence[str]: "names with commas between them",
    type(None): "none",
}


def names() -> list[str]:
    """The generators that `create` knows, sorted."""
    return sorted(_TABLE)


def generator_class(name: str) -> type[Generator]:
    """The class of that name; raises UserError for an unknown one."""
    if name not in _TABLE:
        raise unknown("generator", name, [*_TABLE, *SAMPLERS])
    file, _, class_name = _TABLE[name].partition(":")
    return getattr(importlib.import_module(f"fastclipgen.generators.{file}"), class_name)


def options(name: str) -> dict[str, Any]:
    """The constructor's options of a generator with their defaults."""
    return {key: parameter.default for key, parameter in _parameters(name).items()}


def parse_options(name: str, texts: Iterable[str]) -> dict[str, Any]:
    """["key=value", ...] as typed options; raises UserError for what generator `name` does not take.

    Values: numbers, true/false, none, and lists as 1,8,64.
    """
    parsed: dict[str, Any] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        key = key.strip().replace("-", "_")
        if not equals or not key:
            raise UserError(f"a generator option is written key=value, got '{text}' (generator '{name}')")
        if key in parsed:
            raise UserError(f"option '{key}' of generator '{name}' was given twice; give it once")
        parsed[key] = value.strip()
    return _typed(name, parsed)


def check_options(name: str, given: Mapping[str, Any]) -> None:
    """Raises UserError for options that generator `name` does not take and values that do not fit; makes nothing."""
    _typed(name, given)


def check_weights(name: str, text: str | None) -> None:
    """Raises UserError where generator `name` draws with weights and `text` names no file of them, and no published
    ones; reads and downloads none."""
    made_by = generator_class(name)
    if made_by.weights is None:
        return
    if text is None:
        raise _without_weights(name)
    if not published.is_name(text, made_by.weights):
        made_by.check_weights(text)


def load_weights(name: str, text: str, notice: Callable[[str], None], **settings: Any) -> nn.Module:
    """The network that generator `name` draws with, for `create`, from the files that `text` names, or from published
    weights of that name, which are downloaded if need be; `settings`: those of the generator's `weights_settings`.
    Raises UserError."""
    made_by = generator_class(name)
    return made_by.load_weights(published.fetched(text, made_by.weights or "", notice), **settings)


def create(
    name: str, height: int, width: int, optimizer: str | None = None, model: nn.Module | None = None, **chosen: Any
) -> Generator:
    """The generator `name` for pictures of height x width pixels, with `chosen` constructor options.

    `optimizer`: the optimiser's name where it is known, so that a generator with several forms takes the fitting one;
    an option in `chosen` wins. `model`: what `load_weights` gave, for a generator that draws with
    weights. Raises UserError for unknown names, unknown options and unfit values.
    """
    made_by = generator_class(name)
    suggested = made_by.options_for(optimizer) if optimizer is not None else {}
    make: Any = made_by
    options = suggested | _typed(name, chosen)
    if made_by.weights is None:
        return make(height, width, **options)
    if model is None:
        raise _without_weights(name)
    return make(height, width, model, **options)


def _without_weights(name: str) -> UserError:
    setting = generator_class(name).weights
    return UserError(f"generator '{name}' draws with weights from a file; name it with --{setting} PATH")


def _parameters(name: str) -> dict[str, inspect.Parameter]:
    signature = inspect.signature(generator_class(name).__init__)
    fixed = ("self", "height", "width", *(() if generator_class(name).weights is None else ("model",)))
    return {key: value for key, value in signature.parameters.items() if key not in fixed}


def _typed(name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    known = _parameters(name)
    hints = typing.get_type_hints(generator_class(name).__init__)
    result = {}
    for key, value in given.items():
        if key not in known:
            raise unknown(f"option of generator '{name}'", key, known)
        result[key] = _convert(name, key, value, hints[key])
    return result


def _convert(name: str, key: str, value: Any, hint: Any) -> Any:
    kinds = typing.get_args(hint) or (hint,)
    plain = value
    if isinstance(value, str):
        if type(None) in kinds and value.lower() == "none":
            return None
        if any(typing.get_origin(kind) is Sequence for kind in kinds):
            plain = [part.strip() for part in value.split(",")]
    try:
        return TypeAdapter(hint).validate_python(plain)
    except ValidationError as error:
        wanted = " or ".join(_KINDS.get(kind, str(kind)) for kind in kinds)
        raise UserError(f"option '{key}' of generator '{name}' must be {wanted}, got {value!r}") from error
