"""From the YAML of a request to an experiment that may be drawn here: what it may read, ask for and leave open.

What a file names, requests name relative to the folder that the server lends (places.py), and files that it includes
relative to themselves, within that folder.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from fastclipgen.config.run import make_config
from fastclipgen.errors import UserError
from fastclipgen.experiments.experiment import Experiment, Feature, Target
from fastclipgen.experiments.fields import holding, made
from fastclipgen.experiments.reading import experiment_of
from fastclipgen.experiments.sources import tree_of_text
from fastclipgen.serving.experiment_limits import check
from fastclipgen.serving.limits import Limits
from fastclipgen.serving.places import Places

NAME = "experiment.yaml"  # of the text of a request, in errors
_PLACE = re.compile(rf"(?:.*/)?{re.escape(NAME)}, line (\d+)(?:: ([\w.\[\]]+))?: (.*)", re.DOTALL)
_UNUSED = ("output", "snapshot_interval", "verbose")  # which are for the command line


class Mistake(NamedTuple):
    """What is wrong with a text. line counts from 1, path is a key path; None where the sentence knows none."""

    line: int | None
    path: str | None
    error: str


class ExperimentReader:
    """device: where all experiments are drawn."""

    def __init__(self, places: Places, limits: Limits, device: str) -> None:
        self._places, self._limits, self._device = places, limits, device

    def asked(self, text: str, seed: int | None) -> Experiment:
        """The experiment as it is asked for, which is what its pictures keep. seed: where the text has none.

        Raises UserError for what cannot be read, and for more than this server gives. Loads no model.
        """
        tree = tree_of_text(text, self._places.beside(NAME), self._places.reach)
        given = tree.value.get("seed")
        if seed is not None and (given is None or given.value is None):
            tree = holding({**tree.value, "seed": made(seed, tree)}, tree)
        experiment = experiment_of(tree, self._places.reach)
        if experiment.device != "auto":
            self._places.refuse("device")
        check(experiment, self._limits)
        self.located(experiment)
        return experiment

    def located(self, experiment: Experiment) -> Experiment:
        """The same with the paths of this machine, on the device of the server. Raises UserError."""
        asked = {"prompts": ["-"], "generator": experiment.generator, "clip": list(experiment.models)}
        config = self._places.located(make_config({**asked, **experiment.settings}))
        init = replace(experiment.init, image=self._picture(experiment.init.image, "init.image"))
        return replace(
            experiment,
            models=tuple(config.clip),
            settings={name: getattr(config, name) for name in experiment.settings},
            device=self._device,
            init=init,
            mask=self._picture(experiment.mask, "mask"),
            targets=tuple(self._target(target) for target in experiment.targets),
        )

    def unused(self, experiment: Experiment) -> list[str]:
        """The keys of a text that mean nothing here."""
        defaults = {"output": "./", "snapshot_interval": 20.0, "verbose": 2}
        return [name for name in _UNUSED if getattr(experiment, name) != defaults[name]]

    def mistake(self, sentence: str) -> Mistake:
        """Where in a text a sentence of a UserError points to."""
        sentence = self._places.as_asked(sentence)
        if (found := _PLACE.match(sentence)) is None:
            return Mistake(None, None, sentence)
        return Mistake(int(found[1]), found[2], found[3])

    def _target(self, target: Target) -> Target:
        features = tuple(self._feature(feature) for feature in target.features)
        return replace(target, features=features, mask=self._picture(target.mask, f"{target.path}.mask"))

    def _feature(self, feature: Feature) -> Feature:
        return replace(feature, image=self._picture(feature.image, f"{feature.path}.image"))

    def _picture(self, name: str | None, setting: str) -> str | None:
        return None if name is None else self._places.file(name, setting)


def is_experiment(settings: Mapping[str, Any]) -> bool:
    """Whether the stored settings of a run are a text and a seed."""
    return "experiment" in settings


def check_goes_on(before: Experiment, after: Experiment) -> None:
    """Raises UserError where a run of one experiment cannot go on as the other."""
    if after.batch != before.batch:
        raise UserError(
            f"batch: expected {before.batch} as it was, got {after.batch}; a run goes on with its own pictures, start "
            "another one for more"
        )
