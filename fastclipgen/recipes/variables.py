"""The variables of expressions: their groups, their aliases, and their values at every epoch of a run (`Schedule`)."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from fastclipgen.errors import UserError
from fastclipgen.ops.philox import Stream, philox4x32, to_uniform
from fastclipgen.recipes.operators import Kind

TIME = frozenset({"time"})
RESOLUTION = TIME | {"resolution"}
LEARNRATE = RESOLUTION | {"learnrate"}
FEATURE = LEARNRATE | {"target_feature"}
CONSTRAINT = LEARNRATE | {"target_constraint"}

_POWERS = range(2, 6)
# The group of every variable, by its long name. `resolution` is the list [width, height], `time_step` a function.
GROUPS: dict[str, frozenset[str]] = {
    **dict.fromkeys(("epoch", "time", *(f"time{n}" for n in _POWERS)), TIME),
    **dict.fromkeys(("time_inverse", *(f"time_inverse{n}" for n in _POWERS), "time_step"), TIME),
    **dict.fromkeys(("resolution", "width", "height"), frozenset({"resolution"})),
    **dict.fromkeys(("learnrate", "learnrate_scale"), frozenset({"learnrate"})),
    "similarity": frozenset({"target_feature", "target_constraint"}),
}
ALIASES: dict[str, str] = {
    "t": "time",
    "epoch_f": "time",  # in files of before May 2021
    **{f"t{n}": f"time{n}" for n in _POWERS},
    "ti": "time_inverse",
    **{f"ti{n}": f"time_inverse{n}" for n in _POWERS},
    "ts": "time_step",
    "res": "resolution",
    "lr": "learnrate",
    "lrs": "learnrate_scale",
    "sim": "similarity",
}
KINDS: dict[str, Kind] = {"epoch": "int", "width": "int", "height": "int"}  # the others are floats


def known_here(groups: frozenset[str]) -> list[str]:
    """Names of the variables, aliases too, that these groups allow."""
    long = [name for name, of in GROUPS.items() if of & groups]
    return [*long, *(alias for alias, name in ALIASES.items() if name in long)]


@dataclass(frozen=True, eq=False)
class Schedule:
    """The epochs of a run and the seeds of its B pictures: whatever is known of every epoch before the first.

    seeds: int64 [B] on the CPU, as in `ops/philox.py`. given: variables that are not made of time, float64 [epochs, 1]
    or [epochs, B].
    """

    epochs: int
    seeds: Tensor = field(default_factory=lambda: torch.zeros(1, dtype=torch.int64))
    given: Mapping[str, Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.epochs < 1:
            raise UserError(f"expected at least 1 epoch, got {self.epochs}; ask for more")

    def with_resolution(self, width: Tensor, height: Tensor) -> Schedule:
        """Also knows `width`, `height` and `resolution`: [epochs, 1 or B]."""
        return replace(self, given={**self.given, "width": width.double(), "height": height.double()})

    def with_learnrate(self, learnrate: Tensor, scale: Tensor) -> Schedule:
        """Also knows `learnrate` (the effective one) and `learnrate_scale`: [epochs, 1 or B]."""
        return replace(self, given={**self.given, "learnrate": learnrate.double(), "learnrate_scale": scale.double()})

    def variable(self, name: str) -> Tensor:
        """float64 [epochs, 1 or B] of a variable by its long name; time is epoch / (epochs - 1), 0 for one epoch."""
        if name in self.given:
            return self.given[name]
        epoch = torch.arange(self.epochs, dtype=torch.float64)[:, None]  # [E, 1]
        time = epoch / max(1, self.epochs - 1)
        if name == "epoch":
            return epoch
        if not name.startswith("time"):
            raise KeyError(f"{name} is not given to this schedule")
        base, power = (1 - time, name[12:]) if name.startswith("time_inverse") else (time, name[4:])
        return base ** int(power or 1)

    def draws(self, key: str, block: int) -> tuple[Tensor, ...]:
        """Draws 4*block..4*block+3 of the expression with this key: uniform in [0, 1), float64 [epochs, B] each.

        Draw i is uniform i of `philox.uniforms(seeds, epoch, Stream.EXPRESSION, ...)` for the cutout crc32(`key`), so
        it depends on the picture's seed, the epoch and the expression's key, and on nothing else.
        """
        place = torch.tensor(zlib.crc32(key.encode(errors="replace")))
        epoch = torch.arange(self.epochs, dtype=torch.int64)[:, None]  # [E, 1]
        counter = (torch.tensor(block), place, epoch, torch.tensor(int(Stream.EXPRESSION)))
        words = philox4x32(counter, (self.seeds & 0xFFFFFFFF, (self.seeds >> 32) & 0xFFFFFFFF))  # 4 x [E, B]
        return tuple(to_uniform(word).double() for word in words)
