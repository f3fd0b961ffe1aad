"""An experiment as YAML that makes it again: every key with its value or default, expressions as they were written."""

from __future__ import annotations

from typing import Any

import yaml

from fastclipgen.experiments.experiment import Experiment


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


def dump(experiment: Experiment) -> str:
    """The complete file, which reads as an equal experiment: templates, includes and choices in texts are replaced by
    what they became, the seed is there, and what is empty is left out.

    Raises ValueError for an experiment that was not read from files.
    """
    if experiment.source is None:
        raise ValueError("this experiment has no source")
    return as_yaml(experiment.source.plain())


def as_yaml(tree: Any) -> str:
    """A complete tree in plain values, as YAML; what is empty is left out."""
    return yaml.dump(
        _without_nothing(tree),
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        width=120,
        default_flow_style=None,
        indent=2,
    )


def _without_nothing(value: Any) -> Any:
    """Without keys that hold nothing or an empty list; an empty mapping may be a transform with its defaults."""
    if isinstance(value, dict):
        kept = {key: _without_nothing(item) for key, item in value.items()}
        return {key: item for key, item in kept.items() if item is not None and item != []}
    return [_without_nothing(item) for item in value] if isinstance(value, list) else value
