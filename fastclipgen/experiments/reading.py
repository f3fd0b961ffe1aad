"""Files of CLIPig's grammar -> an `Experiment`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastclipgen.config.run import MAX_SEED, WEIGHTS, make_config
from fastclipgen.errors import UserError
from fastclipgen.experiments import keys as known
from fastclipgen.experiments.complete import complete
from fastclipgen.experiments.experiment import Experiment, Init
from fastclipgen.experiments.fields import Fields, shown
from fastclipgen.experiments.sources import Reach, anywhere, read_tree
from fastclipgen.experiments.target_reading import read_steps, read_target
from fastclipgen.experiments.texts import with_texts
from fastclipgen.generators import registry
from fastclipgen.perceptors.spec import parse_clip
from fastclipgen.recipes.documents import Entry
from fastclipgen.recipes.work import bounded


def read_experiment(paths: Sequence[str], overrides: Sequence[str] = ()) -> Experiment:
    """The experiment in a file, or in several that are merged; "-" is standard input.

    overrides: `key.path=value` each, applied after merging. The result has a seed: where none is given one is drawn, so
    reading again gives another run. Nothing but YAML files and lists of wildcards is opened.
    Raises UserError, with file, line and key path, for everything that does not fit the grammar.
    """
    return experiment_of(read_tree(paths, overrides))


@bounded()
def experiment_of(tree: Entry, reach: Reach = anywhere) -> Experiment:
    """The experiment of a merged tree without templates and includes; errors as in `read_experiment`. reach: where it
    may look for lists of wildcards."""
    source = complete(tree)
    keys: dict[str, Entry] = source.value
    run = Fields(keys, known.RUN, "")
    epochs, start_epoch = run.plain("epochs"), run.plain("start_epoch")
    if start_epoch >= epochs:
        raise UserError(f"{run.where('start_epoch')}: expected less than the {epochs} epochs, got {start_epoch}")
    seed, batch = run.plain("seed"), run.plain("batch")
    if seed + batch - 1 > MAX_SEED:
        raise UserError(f"{run.where('seed')}: expected seeds up to {MAX_SEED}, got {seed} for {batch} pictures")
    generator, compat = run.plain("generator"), run.plain("compat")
    source, init = with_texts(source, seed, batch, compat, reach), _init(keys.get("init"))
    return Experiment(
        epochs=epochs,
        start_epoch=start_epoch,
        resolution=run.value("resolution"),
        interpolation=run.value("interpolation"),
        models=tuple(_model(entry) for entry in keys["model"].value) if "model" in keys else (),
        device=run.plain("device"),
        learnrate=run.value("learnrate"),
        learnrate_scale=run.value("learnrate_scale"),
        optimizer=run.plain("optimizer"),
        init=init,
        targets=tuple(
            read_target(entry, f"targets[{place}]") for place, entry in enumerate(source.value["targets"].value)
        ),
        postproc=read_steps(keys["postproc"], "postproc"),
        generator=generator,
        seed=seed,
        batch=batch,
        starts=_starts(run, init),
        mask=run.plain("mask"),
        compat=compat,
        verbose=run.plain("verbose"),
        output=run.plain("output"),
        snapshot_interval=run.plain("snapshot_interval"),
        settings=_settings(keys, generator),
        source=source,
    )


def _model(entry: Entry) -> str:
    if not isinstance(entry.value, str):
        raise UserError(f"{entry.where('model')}: expected a name such as ViT-B/32, got {shown(entry)}")
    try:
        parse_clip(entry.value)
    except UserError as error:
        raise UserError(f"{entry.where('model')}: {error}") from None
    return entry.value.strip()


def _init(entry: Entry | None) -> Init:
    if entry is None:
        return Init()
    fields = Fields(entry.value, known.INIT, "init")
    tensor = entry.value.get("image_tensor")
    return Init(
        resolution=fields.plain("resolution"),
        mean=fields.plain("mean"),
        std=fields.plain("std"),
        image=fields.plain("image"),
        image_tensor=None if tensor is None else _tensor(tensor),
        pattern=fields.plain("pattern"),
        given=True,
        where=entry.where("init"),
    )


def _starts(run: Fields, init: Init) -> int:
    starts = run.plain("starts")
    if starts > 1 and (init.image is not None or init.image_tensor is not None):
        raise UserError(
            f"{run.where('starts')}: expected 1 where a picture to start from is given, since all starts are that "
            f"picture, got {starts}; leave out 'starts' or the picture of 'init'"
        )
    return starts


def _tensor(entry: Entry) -> Any:
    """Three planes of rows of numbers, as plain lists."""
    planes = entry.plain()
    rows = [row for plane in planes for row in plane] if _all(planes, list) and _all(planes, list, 2) else []
    same = len({len(row) for row in rows}) == 1 and len({len(plane) for plane in planes}) == 1
    numbers = all(type(value) in (int, float) for row in rows for value in row)
    if not (same and numbers and len(planes) == 3 and rows[0]):
        raise UserError(
            f"{entry.where('init.image_tensor')}: expected numbers as [3 colours][height][width] in lists of equal "
            "lengths, got something else"
        )
    return planes


def _all(values: Any, kind: type, depth: int = 1) -> bool:
    if not isinstance(values, list):
        return False
    return all(isinstance(value, kind) if depth == 1 else _all(value, kind, depth - 1) for value in values)


def _settings(keys: dict[str, Entry], generator: str) -> dict[str, Any]:
    """The fields of `RunConfig` that are set, with weights where the generator has some of its own.

    Raises UserError where `RunConfig` does.
    """
    given = {name: keys[name].plain() for name in (*known.SETTINGS, "generator_options") if name in keys}
    for name, value in given.items():
        try:
            make_config({"prompts": ["-"], name: value})
        except UserError as error:
            raise UserError(f"{keys[name].where(name)}: {error}") from None
    try:
        config = make_config({"prompts": ["-"], "generator": generator, **given})
    except UserError as error:
        raise UserError(f"{keys['generator'].where('generator')}: {error}") from None
    if config.generator_options:
        try:
            registry.check_options(generator, config.generator_options)
        except UserError as error:
            raise UserError(f"{keys['generator_options'].where('generator_options')}: {error}") from None
    weights = [name for name in WEIGHTS if getattr(config, name) is not None]
    return {name: getattr(config, name) for name in dict.fromkeys([*given, *weights])}
