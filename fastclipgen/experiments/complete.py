"""The tree of a file -> the same with every key that there is: defaults filled in, old spellings made new.

What comes out reads as what went in, and going through here again changes nothing, so it is what is stored beside a
picture. Keys and their structure are checked here, values are not (reading.py).
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping

from fastclipgen.config.run import WEIGHTS
from fastclipgen.errors import UserError
from fastclipgen.experiments import keys as known
from fastclipgen.experiments import legacy
from fastclipgen.experiments.fields import filled, holding, items, made, mapping, refuse_unknown, shown
from fastclipgen.guidance.frame_constraints.base import FrameConstraint
from fastclipgen.guidance.frame_constraints.registry import CONSTRAINTS
from fastclipgen.guidance.transforms.base import Transform
from fastclipgen.guidance.transforms.registry import TRANSFORMS
from fastclipgen.recipes.documents import MAX_VALUES, Entry
from fastclipgen.recipes.options import REQUIRED, Option

_STEP_EXAMPLE = "resize: 224"


def complete(tree: Entry) -> Entry:
    """The complete tree of a merged one, without templates and includes; a seed is drawn where none is given.

    Raises UserError for unknown and missing keys, lists that are none, and more than `MAX_VALUES` values in all.
    """
    root = mapping(tree, "", "epochs: 300")
    refuse_unknown(root, [*known.RUN, *known.SECTIONS, *known.SETTINGS], "")
    result = filled(_compat(root), known.RUN, "", tree)
    if root.get("generator") is None:
        named = next((name for name in WEIGHTS if name in root and root[name].value is not None), None)
        result["generator"] = result["generator"] if named is None else made(named, root[named])
    if result["seed"].value is None:
        result["seed"] = made(secrets.randbits(32), tree)
    if "model" in root and root["model"].value is not None:
        result["model"] = _models(root["model"])
    for name in (*known.SETTINGS, "generator_options", "wildcards"):
        if name in root and root[name].value is not None:
            result[name] = _worded(name, root[name])
    if "init" in root and root["init"].value is not None:
        result["init"] = _init(root["init"])
    targets = items(root.get("targets"), "targets", "features: [text: a fox]")
    complete_targets = [_target(target, f"targets[{place}]") for place, target in enumerate(targets)]
    result["targets"] = holding(complete_targets, root.get("targets", tree))
    result["postproc"] = _steps(root.get("postproc"), "postproc", _allowed_after(), {}, tree)
    done = holding(result, tree)
    if done.size > MAX_VALUES:
        raise UserError(
            f"{tree.where()}: expected at most {MAX_VALUES:,} values, defaults included, got {done.size:,}; shorten it"
        )
    return done


def _compat(root: dict[str, Entry]) -> dict[str, Entry]:
    entry = root.get("compat")
    if entry is None or not isinstance(entry.value, str):
        return root
    if entry.value.strip().lower() == "clipig":
        return {**root, "compat": made(True, entry)}
    raise UserError(f"{entry.where('compat')}: expected true, false or clipig, got {shown(entry)}")


def _worded(name: str, entry: Entry) -> Entry:
    """A setting; where it is on or off, those as words again, which YAML reads as true and false."""
    return made("on" if entry.value else "off", entry) if name in known.ON_OFF and type(entry.value) is bool else entry


def _models(entry: Entry) -> Entry:
    found = entry.value if isinstance(entry.value, list) else [entry]
    if not found:
        raise UserError(
            f"{entry.where('model')}: expected at least one model such as ViT-B/32, got an empty list; leave 'model' "
            "out for the default"
        )
    return holding(found, entry)


def _init(entry: Entry) -> Entry:
    given = mapping(entry, "init", "mean: .5")
    refuse_unknown(given, [*known.INIT, "image_tensor"], "init")
    result = filled(given, known.INIT, "init", entry)
    if "image_tensor" in given:
        result["image_tensor"] = given["image_tensor"]
    return holding(result, entry)


def _target(entry: Entry, path: str) -> Entry:
    given = mapping(entry, path, "weight: 1")
    refuse_unknown(given, [*known.TARGET, *known.LISTS], path)
    result = filled(given, known.TARGET, path, entry)
    features = items(given.get("features"), f"{path}.features", "text: a fox")
    result["features"] = holding(
        [_feature(feature, f"{path}.features[{place}]") for place, feature in enumerate(features)],
        given.get("features", entry),
    )
    result["transforms"] = _steps(given.get("transforms"), f"{path}.transforms", TRANSFORMS, {}, entry)
    constraints = given.get("constraints")
    result["constraints"] = _steps(
        constraints, f"{path}.constraints", CONSTRAINTS, known.CONSTRAINT_KEYS, entry, modern=False
    )
    return holding(result, entry)


def _feature(entry: Entry, path: str) -> Entry:
    given = mapping(entry, path, "text: a fox")
    refuse_unknown(given, known.FEATURE_KEYS, path)
    result = filled(given, known.FEATURE_KEYS, path, entry)
    if (result["text"].value is None) == (result["image"].value is None):
        got = "neither" if result["text"].value is None else "both"
        raise UserError(f"{entry.where(path)}: expected a text or an image, got {got}; give one of them")
    return holding(result, entry)


def _allowed_after() -> dict[str, Transform]:
    return {name: kind for name, kind in TRANSFORMS.items() if not kind.resizes}


def _steps(
    entry: Entry | None,
    path: str,
    kinds: Mapping[str, Transform] | Mapping[str, FrameConstraint],
    common: Mapping[str, Option],
    at: Entry,
    modern: bool = True,
) -> Entry:
    """A list of items that name transforms or constraints. common: what each of those takes beside its own options."""
    done: list[Entry] = []
    for place, item in enumerate(items(entry, path, _STEP_EXAMPLE)):
        here = f"{path}[{place}]"
        given = mapping(item, here, _STEP_EXAMPLE)
        if modern:
            given = legacy.modern(given, here, postproc=path == "postproc")
        for name in given:
            if name in TRANSFORMS and name not in kinds and path == "postproc":
                raise UserError(
                    f"{given[name].where(here)}: '{name}' changes the size of what it is given, so it may stand in the "
                    "transforms of a target and not in postproc; move it there"
                )
        refuse_unknown(given, [*known.STEP, *kinds], here)
        result = filled(given, known.STEP, here, item)
        for name in given:
            if name in kinds:
                result[name] = _step(given[name], f"{here}.{name}", kinds[name], common)
        done.append(holding(result, item))
    return holding(done, at if entry is None else entry)


def _step(entry: Entry, path: str, kind: Transform | FrameConstraint, common: Mapping[str, Option]) -> Entry:
    """The options of one transform or constraint, by name; active, start and end only where they are given here."""
    given, own = entry.value, kind.options
    if given is None:
        given = {}
    elif not isinstance(given, dict):
        if len(own) + len(common) != 1:
            required = [name for name, option in own.items() if option.default is REQUIRED] or list(own)
            raise UserError(
                f"{entry.where(path)}: expected options by name as in '{kind.name}: {{{next(iter(required), '')}: "
                f"...}}', got {shown(entry)} (known: {', '.join([*own, *common])})"
            )
        given = {next(iter(own)): entry}
    refuse_unknown(given, [*own, *common, *known.STEP], path)
    result = filled(given, {**own, **common}, path, entry)
    if isinstance(kind, FrameConstraint):
        wrong = kind.check({name for name in own if result[name].value is not None})
        if wrong is not None:
            raise UserError(f"{entry.where(path)}: {wrong}")
    result |= {name: given[name] for name in known.STEP if name in given and given[name].value is not None}
    return holding(result, entry)
