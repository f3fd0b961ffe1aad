"""YAML files that lie beside weights. Only plain values are read from them: no tag makes an object."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from fastclipgen.errors import UserError


def read_yaml(path: Path) -> Any:
    """The content of a YAML file. Raises UserError where it cannot be read or is no YAML."""
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        first = str(error).strip().splitlines()[0]
        raise UserError(f"'{path}' cannot be read as YAML ({first}); leave it out or fetch it again") from error
