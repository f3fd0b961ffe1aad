"""An experiment as it was read: every key of a YAML file with its value, constants and expressions alike.

Made by the reader (reading.py), run by `ExperimentJob` (job.py). Knows no files and no tensors.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fastclipgen.guidance.frame_constraints.base import FrameConstraint
from fastclipgen.guidance.transforms.base import Transform
from fastclipgen.recipes.documents import Entry
from fastclipgen.recipes.frame_time import FrameTime
from fastclipgen.recipes.values import Value

NOISE, DISC, BLOB = PATTERNS = ("noise", "disc", "blob")
"""What starts without an image are: `Init.pattern`."""


@dataclass(frozen=True, eq=False)
class Item:
    """A transform or an item of the post-processing. path: bare key path such as "targets[0].transforms[1].blur", which
    also keys its random numbers; where: file and line, for errors."""

    kind: Transform
    values: Mapping[str, Value]
    start: FrameTime
    end: FrameTime
    path: str
    where: str
    active: bool = True


@dataclass(frozen=True, eq=False)
class Held:
    """A constraint of a target. loss: "l1" or "l2"."""

    kind: FrameConstraint
    values: Mapping[str, Value]
    weight: Value
    loss: str
    start: FrameTime
    end: FrameTime
    path: str
    where: str


@dataclass(frozen=True, eq=False)
class Feature:
    """What a target should look like: a text, or the path of a picture. loss: "cosine", "l1" or "l2".

    texts: what wildcards and alternatives became, one for each picture of the batch, or a single one where all have the
    same; () for a picture. `text` is the first of them.
    """

    text: str | None
    image: str | None
    weight: Value
    scale: Value
    loss: str
    start: FrameTime
    end: FrameTime
    path: str
    where: str
    texts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.texts and self.text is not None:
            object.__setattr__(self, "texts", (self.text,))


@dataclass(frozen=True, eq=False)
class Target:
    """select: "all", "best", "worst" or "mix"; feature_scale: "equal" or "fair"; mask: path of a picture whose white
    part is all that this target sees, or None."""

    name: str
    active: bool
    start: FrameTime
    end: FrameTime
    weight: Value
    batch_size: int
    select: str
    feature_scale: str
    features: tuple[Feature, ...]
    transforms: tuple[Item, ...]
    constraints: tuple[Held, ...]
    mask: str | None
    path: str
    where: str


@dataclass(frozen=True, eq=False)
class Init:
    """Where the picture begins. resolution: (width, height), or None for the run's; image_tensor: float [3][H][W].
    pattern: of PATTERNS. given: whether the file says anything of it (generators other than pixels begin in their own
    way if not)."""

    resolution: tuple[int, int] | None = None
    mean: tuple[float, ...] = (0.5, 0.5, 0.5)
    std: tuple[float, ...] = (0.1, 0.1, 0.1)
    image: str | None = None
    image_tensor: Any = None
    pattern: str = NOISE
    given: bool = False
    where: str = ""


@dataclass(frozen=True, eq=False)
class Experiment:
    """A whole file, or several merged. Sizes are (width, height) in pixels; resolution and interpolation may change
    over the run, learnrate and learnrate_scale at every epoch. starts: how many random ones each picture has to begin
    with, of which the best does.

    settings: fields of RunConfig that the file may set too and that mean here what they mean there (vqgan, gan,
    generator_options, precision, compile, deterministic, memory, ...). alternatives: what wildcards and {a|b} became
    for each picture of the batch is in the texts already; `batch` pictures have the seeds seed, seed + 1, ...
    source: the merged tree, with everything as it was written.
    """

    epochs: int
    start_epoch: int
    resolution: Value
    interpolation: Value
    models: tuple[str, ...]
    device: str
    learnrate: Value
    learnrate_scale: Value
    optimizer: str
    init: Init
    targets: tuple[Target, ...]
    postproc: tuple[Item, ...]
    generator: str
    seed: int | None
    batch: int
    starts: int
    mask: str | None
    compat: bool
    verbose: int
    output: str
    snapshot_interval: int | float
    settings: Mapping[str, Any] = field(default_factory=dict)
    source: Entry | None = None
