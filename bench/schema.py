"""The form of what the benches write to results/VERSION/SUITE--DEVICE.json. Loads no torch.

Seconds are stored for GPUs only: on a CPU they say more about the machine's other work than about the code.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, model_validator

from .schema_base import Ratio, Report, Spread, Strict
from .schema_batch import BatchReport
from .schema_clipig import ClipigReport
from .schema_cvae import CvaeReport
from .schema_gan import GanReport

# --- ops


class Ceilings(Strict):
    """What the device reached in the same minutes: bytes a second of a copy (read and written), operations a second of
    a matrix product."""

    copy_bytes: Spread
    matrix_flops: Spread


class OpLane(Strict):
    """One way to run an op. `speedup`: time of the reference divided by that of this; `over_yardstick`: that of the way
    in which others come to the same end, `yardstick`, divided by that of this; `of_copy`, `of_matrix`: share of the
    ceilings at the bytes and operations that the op needs at the least; `chosen`: what the package itself takes."""

    op: str
    case: str
    batch: int = Field(ge=1)
    direction: Literal["forward", "forward+backward"]
    backend: str
    chosen: bool
    seconds: Spread | None
    speedup: Spread
    yardstick: str | None
    over_yardstick: Spread | None
    bytes: int = Field(ge=0)
    flops: int = Field(ge=0)
    of_copy: Spread
    of_matrix: Spread
    peak_bytes: int = Field(ge=0)


class OpsReport(Report):
    """What bench.ops writes. `dtype`: of the views and of the matrix product; `ceilings` in absolute figures: GPUs."""

    suite: Literal["ops"] = "ops"
    dtype: str
    ceilings: Ceilings | None
    lanes: list[OpLane] = Field(min_length=1)

    @model_validator(mode="after")
    def _seconds_belong_to_gpus(self) -> OpsReport:
        self.check_seconds("ceilings", self.ceilings)
        for lane in self.lanes:
            self.check_seconds(f"{lane.op} {lane.case} {lane.backend}", lane.seconds)
        return self


# --- loops


class Lane(Strict):
    """One competitor. `picture_step`: seconds per picture and step; `picture`: seconds for all steps of a picture;
    `peak_bytes`: of the tensors that two steps hold at once, beyond the models and parameters there before them;
    `of_matrix`: share of the speed of a matrix product in the engine's precision, for `LoopCase.flops`."""

    name: Literal["engine", "faithful", "fair"]
    batch: int = Field(ge=1)
    dtype: str
    picture_step: Spread | None
    picture: float | None
    peak_bytes: int = Field(ge=1)
    of_matrix: Spread | None = None


class Drawn(Strict):
    """Shares of the drawing test's prompts, judged by measuring pixels."""

    colours: float = Field(ge=0, le=1)
    shapes: float = Field(ge=0, le=1)


class Quality(Strict):
    """Mean loss of finished pictures seen whole and undisturbed, from the same starts; less is better. `drawn`: what
    the pixels of the built-in CLIP's pictures are, engine's and reference's."""

    steps: int = Field(ge=1)
    pictures: int = Field(ge=1)
    before: float
    engine: float
    reference: float
    drawn: dict[Literal["engine", "reference"], Drawn] | None = None


class LoopCase(Strict):
    """One job, done by all competitors. `flops`: operations that a step of one picture needs in matrix products and
    convolutions, gradients of frozen weights not among them."""

    name: str
    settings: dict[str, Any]
    flops: int | None = None
    lanes: list[Lane] = Field(min_length=2)
    ratios: list[Ratio] = Field(min_length=1)
    quality: Quality


class LoopsReport(Report):
    """What bench.loops writes."""

    suite: Literal["loops"] = "loops"
    cases: list[LoopCase] = Field(min_length=1)

    @model_validator(mode="after")
    def _seconds_belong_to_gpus(self) -> LoopsReport:
        for case in self.cases:
            for lane in case.lanes:
                self.check_seconds(f"{case.name} {lane.name}@{lane.batch}", lane.picture_step)
                self.check_seconds(f"{case.name} {lane.name}@{lane.batch}", lane.picture)
        return self


# --- ladder


class Rung(Strict):
    """One technique more than the rung before. `faster`, `faster_than_first`: time per picture and step of the rung
    before, and of the first, divided by this one's; `loss`: of the pictures after `LadderReport.steps` steps."""

    name: str
    batch: int = Field(ge=1)
    picture_step: Spread | None
    faster: Spread
    faster_than_first: Spread
    peak_bytes: int = Field(ge=1)
    loss: float


class LadderReport(Report):
    """What bench.ladder writes: the rungs that this device has, in order; the others are in `missing`."""

    suite: Literal["ladder"] = "ladder"
    settings: dict[str, Any]
    steps: int = Field(ge=1)
    loss_before: float
    rungs: list[Rung] = Field(min_length=1)

    @model_validator(mode="after")
    def _seconds_belong_to_gpus(self) -> LadderReport:
        for rung in self.rungs:
            self.check_seconds(rung.name, rung.picture_step)
        return self


# --- sampling


class PresetLane(Strict):
    """A quality preset: its CLIPs, side of the picture, views a CLIP, steps. Measured where the report's `shrink` has
    made it smaller: `step`, seconds; `of_first`, the time of a step divided by that of the first preset's,
    `picture_of_first`, the same for all steps of a picture; `peak_bytes`, of a step's tensors beyond models and
    parameters. Of the whole size: `flops`, of the networks in a step; `planned_bytes`: what a step is reckoned to take.
    """

    name: str
    clips: list[str]
    side: int = Field(ge=1)
    views: int = Field(ge=1)
    steps: int = Field(ge=1)
    dtype: str
    step: Spread | None
    of_first: Spread
    picture_of_first: float
    peak_bytes: int = Field(ge=1)
    flops: int = Field(ge=1)
    planned_bytes: int = Field(ge=1)


class PresetsReport(Report):
    """What bench.presets writes. `shrink`: by what sides were divided, and by the square of what views."""

    suite: Literal["presets"] = "presets"
    shrink: int = Field(ge=1)
    lanes: list[PresetLane] = Field(min_length=1)

    @model_validator(mode="after")
    def _seconds_belong_to_gpus(self) -> PresetsReport:
        for lane in self.lanes:
            self.check_seconds(lane.name, lane.step)
        return self


class SamplingLane(Strict):
    """A way to draw tokens. `picture`: seconds per picture; `peak_bytes`: of a batch, where all of it is computed;
    `faster`: time of the full forward divided by that of this one; `of_copy`: share of the speed at which a copy moves
    bytes, for the bytes that the tokens of a batch need at the least (`SamplingReport.weight_bytes` and `cache_bytes`),
    `of_copy_weights`: for those of the weights alone."""

    name: Literal["cached", "cached, compiled", "full forward"]
    picture: Spread | None
    peak_bytes: int | None = Field(ge=1)
    faster: Spread | None
    of_copy: Spread | None
    of_copy_weights: Spread | None


class SampledPictures(Strict):
    """All candidates of one text sampled, decoded to `side` x `side` pixels and ranked by `clip`. `seconds`: for all of
    it; `tokens`: the part of that in which tokens are drawn."""

    candidates: int = Field(ge=1)
    keep: int = Field(ge=1)
    side: int = Field(ge=1)
    clip: str
    seconds: Spread | None
    tokens: Spread


class SamplingReport(Report):
    """What bench.sampling writes. `geometry`: of the transformer; `candidates`: pictures at a time; `every`: which
    positions the full forward computes, each for so many; `same_tokens`: the share of tokens on which it and the first
    lane agree; `copy_bytes`: what a copy moved a second; `weight_bytes`, `cache_bytes`: what drawing all tokens of a
    batch must read of weights, once a token, and of keys and values."""

    suite: Literal["sampling"] = "sampling"
    geometry: dict[str, int]
    dtype: str
    candidates: int = Field(ge=1)
    every: int = Field(ge=1)
    same_tokens: float | None = Field(ge=0, le=1)
    copy_bytes: Spread | None
    weight_bytes: int = Field(ge=1)
    cache_bytes: int = Field(ge=1)
    lanes: list[SamplingLane] = Field(min_length=2)
    pictures: SampledPictures | None

    @model_validator(mode="after")
    def _seconds_belong_to_gpus(self) -> SamplingReport:
        self.check_seconds("copy_bytes", self.copy_bytes)
        for lane in self.lanes:
            self.check_seconds(lane.name, lane.picture)
        if self.pictures is not None:
            self.check_seconds("pictures", self.pictures.seconds)
        return self


# --- vqgan


class DecodeLane(Strict):
    """A way to decode and to take the gradient. `faster`: time of eager torch divided by that of this; `of_matrix`:
    share of the speed of a matrix product, for `VqganReport.flops`; `peak_bytes`: None where a recording holds its
    memory all the time; errors: of picture and gradient, length of the difference to eager torch over its length."""

    name: Literal["eager", "package", "package, torch's norms", "package, CUDA graph", "compiled"]
    dtype: str
    seconds: Spread | None
    faster: Spread
    of_matrix: Spread
    peak_bytes: int | None = Field(ge=1)
    picture_error: float = Field(ge=0)
    gradient_error: float = Field(ge=0)


class VqganReport(Report):
    """What bench.vqgan writes. `side`: of the picture in pixels; `flops`: operations in convolutions and matrix
    products, gradients of the input among them, of the weights not."""

    suite: Literal["vqgan"] = "vqgan"
    model: str
    geometry: dict[str, Any]
    side: int = Field(ge=1)
    flops: int = Field(ge=1)
    lanes: list[DecodeLane] = Field(min_length=2)

    @model_validator(mode="after")
    def _seconds_belong_to_gpus(self) -> VqganReport:
        for lane in self.lanes:
            self.check_seconds(lane.name, lane.seconds)
        return self


# --- captions


class CaptionLane(Strict):
    """A way to embed captions and to keep the embeddings. `caption`: seconds for the caption of a picture; `faster`:
    time of one at a time divided by that of this; `bytes`: length of the files; `error`: of what they hold, length of
    the difference to one at a time over its length."""

    name: Literal["one at a time", "batches", "cache"]
    caption: Spread | None
    faster: Spread
    bytes: int = Field(ge=1)
    error: float = Field(ge=0)


class CaptionsReport(Report):
    """What bench.captions writes. `captions`: of so many pictures; `unique`: how many of them differ."""

    suite: Literal["captions"] = "captions"
    clip: str
    captions: int = Field(ge=1)
    unique: int = Field(ge=1)
    lanes: list[CaptionLane] = Field(min_length=2)

    @model_validator(mode="after")
    def _seconds_belong_to_gpus(self) -> CaptionsReport:
        for lane in self.lanes:
            self.check_seconds(lane.name, lane.caption)
        return self


Measured = (
    OpsReport
    | LoopsReport
    | LadderReport
    | SamplingReport
    | VqganReport
    | GanReport
    | PresetsReport
    | CaptionsReport
    | CvaeReport
    | ClipigReport
    | BatchReport
)
AnyReport = Annotated[Measured, Field(discriminator="suite")]
READER: TypeAdapter[Measured] = TypeAdapter(AnyReport)
"""`READER.validate_json(text)` gives the report of whichever suite wrote it."""
