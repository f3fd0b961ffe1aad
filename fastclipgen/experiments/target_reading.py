"""Targets of a complete tree (complete.py): features, transforms, constraints. Post-processing is read here too."""

from __future__ import annotations

from collections.abc import Iterator

from fastclipgen.experiments import keys as known
from fastclipgen.experiments.experiment import Feature, Held, Item, Target
from fastclipgen.experiments.fields import Fields
from fastclipgen.guidance.frame_constraints.registry import CONSTRAINTS
from fastclipgen.guidance.transforms.registry import TRANSFORMS
from fastclipgen.recipes.documents import Entry


def read_target(entry: Entry, path: str) -> Target:
    """A target at a key path. Raises UserError for values that do not fit."""
    keys = entry.value
    fields = Fields(keys, known.TARGET, path)
    features = enumerate(keys["features"].value)
    return Target(
        name=fields.plain("name"),
        active=fields.plain("active"),
        start=fields.time("start"),
        end=fields.time("end"),
        weight=fields.value("weight"),
        batch_size=fields.plain("batch_size"),
        select=fields.plain("select"),
        feature_scale=fields.plain("feature_scale"),
        features=tuple(_feature(feature, f"{path}.features[{place}]") for place, feature in features),
        transforms=read_steps(keys["transforms"], f"{path}.transforms"),
        constraints=tuple(_constraints(keys["constraints"], f"{path}.constraints")),
        mask=fields.plain("mask"),
        path=path,
        where=entry.where(),
    )


def _feature(entry: Entry, path: str) -> Feature:
    fields = Fields(entry.value, known.FEATURE_KEYS, path)
    text = entry.value["text"].plain()
    texts = tuple(map(str, text if isinstance(text, list) else () if text is None else [text]))
    return Feature(
        text=texts[0] if texts else None,
        image=fields.plain("image"),
        weight=fields.value("weight"),
        scale=fields.value("scale"),
        loss=known.LOSSES[fields.plain("loss")],
        start=fields.time("start"),
        end=fields.time("end"),
        path=path,
        where=entry.where(),
        texts=texts,
    )


def read_steps(entry: Entry, path: str) -> tuple[Item, ...]:
    """The transforms in a list of items, in the order in which they apply. Raises UserError as `read_target`."""
    return tuple(_transforms(entry, path))


def _parts(entry: Entry, path: str, names: dict[str, object]) -> Iterator[tuple[str, Entry, str, Fields]]:
    """Name, options, key path and (active, start, end) of whatever the items name; those written within it count
    before those beside it."""
    for place, item in enumerate(entry.value):
        beside = {name: item.value[name] for name in known.STEP}
        for name, options in item.value.items():
            if name in names:
                own = {key: options.value[key] for key in known.STEP if key in options.value}
                here = f"{path}[{place}].{name}"
                span = Fields({**beside, **own}, known.STEP, here if own else f"{path}[{place}]")
                yield name, options, here, span


def _transforms(entry: Entry, path: str) -> Iterator[Item]:
    for name, options, here, span in _parts(entry, path, dict(TRANSFORMS)):
        kind = TRANSFORMS[name]
        fields = Fields(options.value, kind.options, here)
        yield Item(
            kind=kind,
            values={option: fields.value(option) for option in kind.options},
            start=span.time("start"),
            end=span.time("end"),
            path=here,
            where=options.where(),
            active=span.plain("active"),
        )


def _constraints(entry: Entry, path: str) -> Iterator[Held]:
    for name, options, here, span in _parts(entry, path, dict(CONSTRAINTS)):
        kind = CONSTRAINTS[name]
        fields = Fields(options.value, {**kind.options, **known.CONSTRAINT_KEYS}, here)
        held = Held(
            kind=kind,
            values={option: fields.value(option) for option in kind.options},
            weight=fields.value("weight"),
            loss=known.LOSSES[fields.plain("loss")],
            start=span.time("start"),
            end=span.time("end"),
            path=here,
            where=options.where(),
        )
        if span.plain("active"):
            yield held
