"""What all reports of the benches begin with (schema.py). Loads no torch."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

VERSION = 2


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


class Missing(Strict):
    """What was not measured, and why."""

    what: str
    reason: str


class Report(Strict):
    """What all reports begin with. `tests`: the tests that were green before anything was measured."""

    version: Literal[2] = VERSION
    date: str = Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00$")
    machine: Machine
    source: Source
    device: Literal["cpu", "cuda"]
    tests: str
    missing: list[Missing] = []

    def check_seconds(self, name: str, seconds: object) -> None:
        if (seconds is None) != (self.device == "cpu"):
            raise ValueError(f"{name}: seconds are stored for GPUs, and for GPUs only")


class Ratio(Strict):
    """Time per picture and step of `slow` divided by that of `fast`, each written name@batch."""

    slow: str
    fast: str
    times: Spread
