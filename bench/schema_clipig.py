"""The form of what `bench clipig` writes."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from .schema_base import Report, Spread, Strict


class ClipigLane(Strict):
    """A way to take epochs. `epoch`: seconds of one; `faster`: time of the published loop divided by that of this;
    `peak_bytes`: of an epoch's tensors beyond models and parameters."""

    name: Literal["published loop", "fair loop", "engine", "engine, compiled"]
    epoch: Spread | None
    faster: Spread
    peak_bytes: int = Field(ge=1)


class ClipigReport(Report):
    """What bench.clipig writes. `settings`: of the experiment."""

    suite: Literal["clipig"] = "clipig"
    clip: str
    settings: dict[str, Any]
    lanes: list[ClipigLane] = Field(min_length=3)

    @model_validator(mode="after")
    def _seconds_belong_to_gpus(self) -> ClipigReport:
        for lane in self.lanes:
            self.check_seconds(lane.name, lane.epoch)
        return self
