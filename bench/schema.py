"""The form of what a bench writes to bench/results/*.json, validated on the way out and by tests. Loads no torch."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

VERSION = 1


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class Spread(Strict):
    """A measured quantity over `repeats` blocks."""

    median: float
    p5: float
    p95: float
    repeats: int = Field(ge=1)

    @model_validator(mode="after")
    def _in_order(self) -> Spread:
        if not self.p5 <= self.median <= self.p95:
            raise ValueError(f"expected p5 <= median <= p95, got {self.p5}, {self.median}, {self.p95}")
        return self


class Machine(Strict):
    """Where it was measured."""

    system: str
    processor: str
    cores: int = Field(ge=1)
    threads: int = Field(ge=1, description="that torch uses")
    memory_bytes: int = Field(ge=1)
    load_average: float | None = Field(description="over the last minute when the bench began; None where unknown")
    gpu: str | None
    python: str
    torch: str
    cuda: str | None
    open_clip: str
    fastclipgen: str


class Source(Strict):
    """What was measured. `changed`: whether tracked files differ from the commit."""

    commit: str | None = Field(pattern=r"^[0-9a-f]{40}$")
    changed: bool | None


class Lane(Strict):
    """One competitor. `picture_step`: seconds per picture and step; `peak_bytes`: of the tensors that two steps hold at
    once, beyond the models and parameters that were there before them."""

    name: Literal["engine", "plain", "careful"]
    batch: int = Field(ge=1)
    picture_step: Spread | None
    peak_bytes: int = Field(ge=1)


class Ratio(Strict):
    """Time per picture and step of `slow` divided by that of `fast`, each written name@batch."""

    slow: str
    fast: str
    times: Spread


class Quality(Strict):
    """Mean loss of finished pictures seen whole and undisturbed, from the same starts; less is better."""

    steps: int = Field(ge=1)
    pictures: int = Field(ge=1)
    before: float
    engine: float
    reference: float


class StepReport(Strict):
    """What bench.step writes."""

    version: Literal[1] = VERSION
    kind: Literal["step"] = "step"
    date: str = Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00$")
    machine: Machine
    source: Source
    device: Literal["cpu", "cuda"]
    settings: dict[str, Any]
    lanes: list[Lane] = Field(min_length=2)
    ratios: list[Ratio] = Field(min_length=1)
    quality: Quality

    @model_validator(mode="after")
    def _seconds_belong_to_gpus(self) -> StepReport:
        """Seconds on a CPU say more about the machine's other work than about the code: only ratios are kept."""
        for lane in self.lanes:
            if (lane.picture_step is None) != (self.device == "cpu"):
                raise ValueError(f"{lane.name}@{lane.batch}: seconds are stored for GPUs, and for GPUs only")
        return self
