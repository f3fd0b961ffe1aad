"""What is compared: entries, each a generator with settings of its own, and which of them can be drawn here.

Knows no pictures and loads no weights.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fastclipgen.clip_gen import networks
from fastclipgen.config.run import WEIGHTS, RunConfig, make_config
from fastclipgen.config.sampling import CLIP_GEN, FOREIGN, OWN, REFINING
from fastclipgen.config.texts import parse_settings
from fastclipgen.errors import UserError
from fastclipgen.generators import registry
from fastclipgen.outputs.naming import slugify

DECIDED = ("prompts", "seed", "count", "keep", "candidate")
"""Settings that the comparison itself decides: they say which pictures there are."""

NEUTRAL = ("device", "backend", "compile", "memory", "precision", "rows")
"""Settings that a machine decides: pictures made with others of them belong together."""

_NEXT_SETTING = re.compile(r"\s+(?=[A-Za-z][\w-]*=)")


@dataclass(frozen=True)
class Entry:
    """A column of the comparison. settings: fields of config.run.RunConfig, as they were asked for."""

    name: str
    settings: Mapping[str, Any]

    @property
    def generator(self) -> str:
        return str(self.settings.get("generator", "auto"))

    @property
    def slug(self) -> str:
        """The name of its folder."""
        return slugify(self.name, empty="entry")

    def config(self, prompts: Sequence[str], count: int, seed: int) -> RunConfig:
        """The settings of a run for these pictures, one of each prompt and seed. Raises UserError."""
        try:
            config = make_config({**self.settings, "prompts": list(prompts), "count": count, "seed": seed})
        except UserError as error:
            raise UserError(f"entry '{self.name}': {error}") from None
        return config.model_copy(update={"keep": 1}) if config.generator == CLIP_GEN else config

    def asked(self) -> dict[str, Any]:
        """The settings as they are stored, with their types; without those of DECIDED and NEUTRAL. Raises UserError."""
        config = self.config(["a"], 1, 0)
        named = set(self.settings) - {*DECIDED, *NEUTRAL}
        return config.model_dump(mode="json", include=named)


def parse_entry(text: str) -> tuple[str, dict[str, Any]]:
    """`[NAME: ]GENERATOR SETTING=VALUE ...` -> name and settings; GENERATOR may be `generator=NAME` among the others.

    Without a name the text is the name. A value reaches up to the next SETTING=, so that it may have spaces; the name
    ends with a colon and a space, so that it may have colons. Raises UserError.
    """
    name, colon, rest = text.partition(": ")
    rest = rest if colon else text
    parts = _NEXT_SETTING.split(rest.strip())
    if parts and "=" not in parts[0]:
        parts[0] = f"generator={parts[0]}"
    where = f"entry '{name.strip()}':"
    if not rest.strip() or not name.strip():
        raise UserError(f"expected an entry as 'NAME: GENERATOR SETTING=VALUE ...', got '{text}'")
    settings = parse_settings(parts, where)
    taken = [setting for setting in DECIDED if setting in settings]
    if taken:
        raise UserError(f"{where} '{taken[0]}' is the same for all that is compared; leave it out")
    if "generator" not in settings:
        raise UserError(f"{where} names no generator; write 'NAME: GENERATOR SETTING=VALUE ...'")
    return name.strip(), settings


def all_generators() -> list[str]:
    """Everything that `--generator` can name."""
    return sorted([*registry.names(), *registry.SAMPLERS])


def make_entries(
    generators: Sequence[str], own: Sequence[str], general: Mapping[str, Any]
) -> tuple[list[Entry], dict[str, list[str]]]:
    """An entry for each of `generators`, and one for each text of `own` (see parse_entry); `general` settings hold for
    all of them unless an entry says otherwise. Gives the entries, and for each the general settings that its generator
    does not have and that it goes without. Raises UserError for unknown generators, and entries that cannot be told
    apart."""
    taken = [name for name in (*DECIDED, "generator", "generator_options") if name in general]
    if taken:
        why = "belongs to an entry" if taken[0].startswith("generator") else "is decided by the comparison"
        raise UserError(f"the setting '{taken[0]}' {why}; leave it out, or see --entry")
    asked = [(name, {"generator": name}) for name in generators] + [parse_entry(text) for text in own]
    entries, without = [], {}
    for name, settings in asked:
        _check_generator(settings["generator"])
        fitting = _fitting(settings["generator"], general)
        without[name] = [key for key in general if key not in fitting and key not in (*WEIGHTS, "clip_gen")]
        entries.append(Entry(name, {**fitting, **settings}))
    slugs: dict[str, str] = {}
    for entry in entries:
        if entry.slug in slugs:
            raise UserError(
                f"entries '{slugs[entry.slug]}' and '{entry.name}' would share the folder '{entry.slug}'; "
                "give one of them another name"
            )
        slugs[entry.slug] = entry.name
    return entries, without


def obstacle(entry: Entry) -> str | None:
    """Why an entry cannot be drawn with what is here, in one sentence; None where nothing is known to be missing.
    Raises UserError for settings that are mistaken."""
    config = entry.config(["a"], 1, 0)
    try:
        if config.generator == CLIP_GEN:
            networks.check_weights(config.clip_gen or "")
            registry.check_weights("vqgan", config.vqgan)
        elif config.generator != "auto":
            registry.check_weights(config.generator, getattr(config, config.generator, None))
    except UserError as error:
        return str(error)
    return None


def _check_generator(name: str) -> None:
    if name != "auto" and name not in registry.SAMPLERS:
        registry.generator_class(name)


def _fitting(generator: str, general: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the general settings that this generator has."""
    if generator in registry.SAMPLERS:
        refused = {*FOREIGN, "width", "height", *(() if general.get("refine") else REFINING)}
        if "clip_gen" not in general:  # the VQGAN is the one that its transformer has learned
            refused |= {"vqgan"}
        refused |= {*WEIGHTS} - {"vqgan"}
    elif generator == "auto":
        refused = {*OWN}
    else:
        refused = {*OWN, *WEIGHTS} - {registry.generator_class(generator).weights}
    return {name: value for name, value in general.items() if name not in refused}
