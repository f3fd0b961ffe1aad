"""What a picture of an experiment keeps of it: the whole file, as if this picture alone had been asked for."""

from __future__ import annotations

from collections.abc import Sequence

from fastclipgen.experiments.dump import as_yaml
from fastclipgen.experiments.experiment import Experiment
from fastclipgen.result import Picture


def prompt_of(experiment: Experiment, index: int) -> str:
    """The texts that attract picture `index`, with " | " between them."""
    found = []
    for target in experiment.targets:
        for feature in target.features if target.active else ():
            weight = feature.weight.plain if feature.weight.constant else 1.0
            if feature.texts and not (isinstance(weight, int | float) and weight < 0):
                found.append(text_of(feature.texts, index))
    return " | ".join(dict.fromkeys(found))


def text_of(texts: Sequence[str], index: int) -> str:
    """The text of picture `index`: its own, or the only one."""
    return texts[index] if len(texts) > 1 else texts[0]


def stored(experiment: Experiment, picture: Picture, models: Sequence[str] = ()) -> str:
    """The experiment as YAML, with this picture's seed and texts and a batch of 1; models: what those of the file
    turned out to be, where it left that open. Raises ValueError for one that was not read from files."""
    if experiment.source is None:
        raise ValueError("this experiment has no source")
    tree = experiment.source.plain()
    for target in tree.get("targets") or []:
        for feature in target.get("features") or []:
            if isinstance(feature.get("text"), list):
                feature["text"] = text_of(feature["text"], picture.index)
    return as_yaml(tree | {"seed": picture.seed, "batch": 1} | ({"model": list(models)} if models else {}))
