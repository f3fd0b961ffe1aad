"""The form of what `bench batch` writes."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from .schema_base import Report, Spread, Strict


class BatchLane(Strict):
    """A way to draw many prompts. `pictures`: that were drawn in each of its turns; `picture`: seconds of one;
    `of_batch`: time of a picture divided by that of one in "one batch"."""

    name: Literal["one batch", "calls", "commands"]
    pictures: int = Field(ge=1)
    picture: Spread | None
    of_batch: Spread


class BatchReport(Report):
    """What bench.batch writes. `settings`: of every picture; `workers`: time of a batch by one process divided by that
    by two, start-up of both included; None where it was not measured."""

    suite: Literal["batch"] = "batch"
    prompts: int = Field(ge=1)
    settings: dict[str, Any]
    lanes: list[BatchLane] = Field(min_length=2)
    workers: Spread | None

    @model_validator(mode="after")
    def _seconds_belong_to_gpus(self) -> BatchReport:
        for lane in self.lanes:
            self.check_seconds(lane.name, lane.picture)
        return self
