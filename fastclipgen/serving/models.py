"""What goes over the wire: requests and answers, which are also the schemas of /openapi.json. Knows no HTTP."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from fastclipgen.config.run import RunConfig, make_config
from fastclipgen.recipes.documents import MAX_BYTES
from fastclipgen.serving.live import Live
from fastclipgen.serving.store import Kept, Row, State


class Problem(BaseModel):
    """An answer to a request that is refused."""

    error: str = Field(description="one sentence: what was expected, what came, where, what to do")


class Submission(BaseModel):
    """A run to be drawn."""

    model_config = ConfigDict(extra="forbid")

    settings: RunConfig = Field(description="as in YAML files and on the command line; files are named as in --models")
    title: str = Field("", max_length=200, description="for people; shown in lists")

    def config(self) -> RunConfig:
        """The settings, checked as a whole and with what follows from them. Raises UserError."""
        return make_config(self.settings.model_dump(exclude_unset=True) | {"trust_gan": self.settings.trust_gan})

    def stored(self) -> str:
        """The settings as JSON, with a seed where none was asked for, so that a run that is begun again becomes the
        same picture."""
        asked = self.settings.model_dump(mode="json", exclude_unset=True)
        if asked.get("seed") is None:
            asked["seed"] = secrets.randbits(32)
        return json.dumps(asked, sort_keys=True)


class Experiment(BaseModel):
    """A file of CLIPig's grammar (docs/yaml.md), as text."""

    model_config = ConfigDict(extra="forbid")

    text: str = Field(max_length=MAX_BYTES, description="YAML")
    title: str = Field("", max_length=200, description="for people; shown in lists")


class Checked(BaseModel):
    """What a text is: `error` is None, or what is wrong with it and where."""

    error: str | None = Field(description="one sentence")
    line: int | None = Field(description="of the error, from 1")
    path: str | None = Field(description="of the error: a key path such as targets[0].weight")
    prompt: str | None = Field(description="the texts that attract")
    epochs: int | None
    pictures: int | None


class Figures(BaseModel):
    """Of a step of an experiment. rate: of the optimiser; speed: steps a second since the point before; rows: mean loss
    of targets and constraints and mean similarity (100 * cosine) of features, in points where they were looked at."""

    class Row(BaseModel):
        kind: Literal["target", "feature", "constraint"]
        name: str
        value: float | None

    step: int
    loss: float | None
    rate: float
    speed: float | None
    rows: list[Row] = []


class Course(BaseModel):
    """The figures of a run, the newest last."""

    points: list[Figures]


class Saved(BaseModel):
    """Files of a picture as it is now, by their names for GET .../files/NAME."""

    png: str
    yaml: str


class Progress(BaseModel):
    """How far a run is that is being drawn."""

    done: int = Field(description="steps of all batches so far; tokens where tokens are drawn")
    total: int
    step: int = Field(description="of the batch at hand")
    steps: int
    loss_step: int = Field(description="the step that `losses` are of, one or a few before `step`")
    losses: list[float | None] = Field(description="of each picture of the batch at hand")
    seconds: float = Field(description="drawn so far, without pauses")
    eta: float | None = Field(description="seconds left")
    steps_per_second: float | None


class Picture(BaseModel):
    """A picture that is finished. GET .../result?index=INDEX gives its file."""

    index: int
    prompt: str
    seed: int
    width: int
    height: int
    steps: int
    loss: float | None
    similarities: Mapping[str, Sequence[float | None]] = Field(description="of each CLIP to each prompt")
    finite: bool = Field(description="false where the run broke and this is its last good state")


class Run(BaseModel):
    """A run. Times are seconds since 1970."""

    number: int
    id: str
    client: str
    title: str
    state: State
    settings: dict[str, Any] = Field(description="as asked for, with the seed; of an experiment the seed alone")
    experiment: str | None = Field(description="the YAML of an experiment, as updated last")
    created: float
    started: float | None
    finished: float | None
    error: str | None
    ahead: int | None = Field(description="how many runs are drawn before this one, while it waits")
    progress: Progress | None = Field(description="while it is on the device")
    notices: list[str] = Field(description="what the run has said, the newest last, while it is on the device")
    pictures: list[Picture]


class Runs(BaseModel):
    """A page of runs, the newest first."""

    runs: list[Run]
    next: int | None = Field(description="`before` of the next page")


class About(BaseModel):
    """The server."""

    version: str
    waiting: int
    running: str | None = Field(description="the id of the run on the device")
    limits: dict[str, int]


def run_of(row: Row, pictures: Sequence[Kept], live: Live | None, ahead: int | None) -> Run:
    """What is told of a run. live: if it is the one that is being drawn."""
    on_device = live is not None and live.id == row.id
    settings = json.loads(row.settings)
    experiment = settings.pop("experiment", None)
    return Run(
        **{name: value for name, value in row._asdict().items() if name != "settings"},
        settings=settings,
        experiment=experiment,
        ahead=ahead,
        progress=Progress(**live.progress()._asdict()) if live is not None and on_device else None,
        notices=live.notices if live is not None and on_device else [],
        pictures=[Picture.model_validate_json(kept.facts) for kept in pictures],
    )
