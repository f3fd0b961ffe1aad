"""The form of what `bench cvae` writes."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from .schema_base import Report, Spread, Strict


class CvaeLane(Strict):
    """A way to train, measured in a `part`: the first convolution alone, forward and backward, or the whole step with
    the optimiser. `seconds`: of a batch; `faster`: time of the tiled form divided by that of this; `error`: of the
    gradient of the first convolution's weights, length of the difference to the tiled form over its length."""

    name: Literal["tiled", "folded", "package"]
    part: Literal["first convolution", "step"]
    dtype: str
    seconds: Spread | None
    faster: Spread
    peak_bytes: int = Field(ge=1)
    error: float = Field(ge=0)


class CvaeReport(Report):
    """What bench.cvae writes. `batch`: pictures a step."""

    suite: Literal["cvae"] = "cvae"
    geometry: dict[str, Any]
    parameters: int = Field(ge=1)
    batch: int = Field(ge=2)
    lanes: list[CvaeLane] = Field(min_length=2)

    @model_validator(mode="after")
    def _seconds_belong_to_gpus(self) -> CvaeReport:
        for lane in self.lanes:
            self.check_seconds(f"{lane.name}, {lane.part}", lane.seconds)
        return self
