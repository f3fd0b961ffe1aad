"""What a file of a network that draws under a condition says of itself, as JSON in the head of a safetensors file."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from fastclipgen.errors import UserError


class Checked(Protocol):
    """A dataclass of everything that decides a network's weights."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    def check(self) -> None:
        """Raises UserError for a network that cannot be."""
        ...


G = TypeVar("G", bound=Checked)


@dataclass(frozen=True)
class About(Generic[G]):
    """Beside the weights. attributes: their names; clip: the CLIP whose text embeddings the network was trained with,
    as `--clip` takes it, "" where it had none; length: that these had."""

    geometry: G
    attributes: tuple[str, ...] = ()
    clip: str = ""
    length: float = 1.0

    def metadata(self, key: str) -> dict[str, str]:
        """For the head of a safetensors file, under a key that names the kind of network."""
        return {key: json.dumps(asdict(self))}


def stated(text: str, geometry: Callable[[Mapping[str, Any]], G], what: str) -> About[G]:
    """What `metadata` has written. geometry: makes one of its values; what: names the model in errors. Raises
    UserError."""
    try:
        values: dict[str, Any] = json.loads(text)
        made = About(
            geometry(values["geometry"]),
            tuple(values["attributes"]),
            str(values["clip"]),
            float(values.get("length", 1.0)),
        )
        made.geometry.check()
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise UserError(
            f"what {what} says of itself cannot be read ({error}); give the file as it was written"
        ) from error
    return made
