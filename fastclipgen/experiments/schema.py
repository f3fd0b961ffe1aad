"""The JSON Schema (draft 2020-12) of an experiment's file, for editors, made of the declarations.

It is as strict as the reader where it can be: keys, kinds of values and lengths of lists. What is within an expression
and what depends on several keys is found by the reader only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastclipgen.config.run import RunConfig
from fastclipgen.experiments import keys as known
from fastclipgen.experiments.templates import TEMPLATE
from fastclipgen.guidance.frame_constraints.base import FrameConstraint
from fastclipgen.guidance.frame_constraints.registry import CONSTRAINTS
from fastclipgen.guidance.transforms.base import Transform
from fastclipgen.guidance.transforms.registry import TRANSFORMS
from fastclipgen.recipes.conversion import Parameter
from fastclipgen.recipes.options import REQUIRED, Option

Schema = dict[str, Any]
_NUMBER: Schema = {"type": ["number", "string"]}  # a text may be an expression
_NAMES: Schema = {"type": ["string", "array"], "items": {"type": "string"}}


def schema() -> Schema:
    """The whole schema, as plain values for `json.dumps`."""
    settings = RunConfig.model_json_schema()["properties"]
    properties = {
        **_options(known.RUN),
        "compat": {"enum": [True, False, "clipig", None], "description": known.RUN["compat"].help},
        "model": {
            **_NAMES,
            "description": known.SECTIONS["model"],
        },
        "init": _section("init", {**_options(known.INIT), "image_tensor": {"type": "array"}}),
        "targets": _list("target", known.SECTIONS["targets"]),
        "postproc": _list("postproc", known.SECTIONS["postproc"]),
        "generator_options": {"type": "object", "description": known.SECTIONS["generator_options"]},
        "templates": {
            "type": ["object", "null"],
            "additionalProperties": {"type": "object"},
            "description": known.SECTIONS["templates"],
        },
        "include": {**_NAMES, "description": known.SECTIONS["include"]},
        "wildcards": _wildcards(),
        **{name: _setting(name, settings[name]) for name in known.SETTINGS},
    }
    after = {name: kind for name, kind in TRANSFORMS.items() if not kind.resizes}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "An experiment of fastclipgen, in CLIPig's grammar",
        **_closed(properties),
        "$defs": {
            "target": _target(),
            "feature": _closed({**_options(known.FEATURE_KEYS), "text": _texts()}),
            "transforms": _item(TRANSFORMS, "transform"),
            "postproc": _postproc(after),
            "constraints": _item(CONSTRAINTS, "constraint"),
            **{f"transform_{name}": _kind(kind, {}) for name, kind in TRANSFORMS.items()},
            **{f"constraint_{name}": _kind(kind, known.CONSTRAINT_KEYS) for name, kind in CONSTRAINTS.items()},
        },
    }


def _setting(name: str, found: Schema) -> Schema:
    """A field of `RunConfig`; on and off are true and false to YAML."""
    if name in known.ON_OFF:
        found = {"enum": [*found["enum"], True, False], "default": found["default"]}
    return {**found, "description": known.setting_help(name)}


def _closed(properties: Schema) -> Schema:
    return {"type": "object", "properties": {**properties, TEMPLATE: _NAMES}, "additionalProperties": False}


def _section(name: str, properties: Schema) -> Schema:
    return {**_closed(properties), "type": ["object", "null"], "description": known.SECTIONS[name]}


def _list(of: str, help: str) -> Schema:
    return {"type": ["array", "null"], "items": {"$ref": f"#/$defs/{of}"}, "description": help}


def _target() -> Schema:
    lists = {name: _list("feature" if name == "features" else name, help) for name, help in known.LISTS.items()}
    return _closed({**_options(known.TARGET), **lists})


def _texts() -> Schema:
    one = {"type": ["string", "number"]}
    return {"anyOf": [one, {"type": "array", "items": one}, {"type": "null"}], "description": _help("text")}


def _help(name: str) -> str:
    return known.FEATURE_KEYS[name].help


def _wildcards() -> Schema:
    lines = {"type": ["array", "string", "number"], "items": {"type": ["string", "number"]}}
    return {
        "anyOf": [{"type": "string"}, {"const": False}, {"type": "object", "additionalProperties": lines}],
        "description": known.SECTIONS["wildcards"],
    }


def _item(kinds: Mapping[str, Transform] | Mapping[str, FrameConstraint], group: str) -> Schema:
    named = {name: {"$ref": f"#/$defs/{group}_{name}"} for name in kinds}
    return _closed({**_options(known.STEP), **named})


def _postproc(kinds: Mapping[str, Transform]) -> Schema:
    item = _item(kinds, "transform")
    item["properties"]["multiply"] = {"$ref": "#/$defs/transform_mul"}
    return item


def _kind(kind: Transform | FrameConstraint, common: Mapping[str, Option]) -> Schema:
    """A transform or constraint: its options by name, or its single one inline."""
    options = {**kind.options, **common}
    required = [name for name, option in options.items() if option.default is REQUIRED]
    if kind.name == "random_rotate":
        required.remove("degree")  # which legacy.py fills in
    by_name = _closed({**_options(options), **_options(known.STEP)})
    ways: list[Schema] = [
        by_name | ({"anyOf": [{"required": [*required]}, {"required": [TEMPLATE]}]} if required else {})
    ]
    if len(options) == 1:
        ways.append(_value(next(iter(options.values())).parameter))
    if kind.name in ("blur", "edge") and not common:
        ways.append({"const": True} if kind.name == "edge" else _list_of({**_NUMBER}, (2,)))
    if not required:
        ways.append({"type": "null"})
    return {"anyOf": ways, "description": kind.help}


def _options(options: Mapping[str, Option]) -> Schema:
    return {name: _option(option) for name, option in options.items()}


def _option(option: Option) -> Schema:
    value = _value(option.parameter)
    if option.default is not REQUIRED and option.default is not None:
        value["default"] = list(option.default) if isinstance(option.default, tuple) else option.default
    if option.default is not REQUIRED:
        value = {**value, "anyOf": [*value["anyOf"], {"type": "null"}]}
    return {**value, "description": option.help}


def _value(parameter: Parameter) -> Schema:
    """What YAML may give for a parameter. Words of choices are offered, in any case or as an expression."""
    if str in parameter.types:
        item: Schema = (
            {"anyOf": [{"enum": list(parameter.choices)}, {"type": "string"}]}
            if parameter.choices
            else {"type": ["string", "number"]}
        )
    elif bool in parameter.types:
        item = {"type": ["boolean", "number", "string"]}
    else:
        item = {**_NUMBER}
    if parameter.lengths:
        return _list_of(item, parameter.lengths)
    return item if "anyOf" in item else {"anyOf": [item]}


def _list_of(item: Schema, lengths: tuple[int, ...]) -> Schema:
    """A list of one of these lengths, or a single value, which is all of it, or a text that holds the list."""
    sizes = sorted({1, *lengths})
    whole = sizes == list(range(1, len(sizes) + 1))
    lists: list[Schema] = (
        [{"type": "array", "items": item, "minItems": 1, "maxItems": sizes[-1]}]
        if whole
        else [{"type": "array", "items": item, "minItems": size, "maxItems": size} for size in sizes]
    )
    return {"anyOf": [item, *lists]}
