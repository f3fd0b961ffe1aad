"""The form of what `bench gan` writes."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from .schema_base import Ratio, Report, Spread, Strict


class GanLane(Strict):
    """A way to move latents. `picture_step`: seconds per latent and step; `peak_bytes`: of a step's tensors beyond
    models and parameters."""

    name: Literal["published loop", "engine"]
    batch: int = Field(ge=1)
    picture_step: Spread | None
    peak_bytes: int = Field(ge=1)


class GanReport(Report):
    """What bench.gan writes. `side`: of the network's pictures; `latent`: numbers that make one; `parameters`: of the
    network; `ratios`: of all lanes to the last."""

    suite: Literal["gan"] = "gan"
    side: int = Field(ge=1)
    latent: int = Field(ge=1)
    parameters: int = Field(ge=1)
    lanes: list[GanLane] = Field(min_length=2)
    ratios: list[Ratio] = Field(min_length=1)

    @model_validator(mode="after")
    def _seconds_belong_to_gpus(self) -> GanReport:
        for lane in self.lanes:
            self.check_seconds(f"{lane.name}@{lane.batch}", lane.picture_step)
        return self
