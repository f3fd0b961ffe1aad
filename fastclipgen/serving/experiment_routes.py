"""The routes of experiments: hand one in, change it while it runs, see its figures and what CLIP sees, save it."""

from __future__ import annotations

import json
import secrets
from typing import Annotated, Any

import numpy as np
from fastapi import Depends, FastAPI, Path, Request, Response
from fastapi.responses import FileResponse

from fastclipgen.errors import UserError
from fastclipgen.experiments.schema import schema
from fastclipgen.experiments.stored import prompt_of
from fastclipgen.serving import models
from fastclipgen.serving.answers import PNG, problems
from fastclipgen.serving.asking import Id, Index, client_of, told
from fastclipgen.serving.experiment_reading import check_goes_on, is_experiment
from fastclipgen.serving.problems import NotFound, WrongState
from fastclipgen.serving.queue import Queue
from fastclipgen.serving.saving import FILE, save
from fastclipgen.serving.snapshots import encode_fast
from fastclipgen.serving.store import Row
from fastclipgen.serving.trace import Trace
from fastclipgen.serving.worker import Makes

_PATIENCE = 10.0  # seconds for a step to come

Name = Annotated[str, Path(pattern=FILE, description="as POST .../save gave it")]


def add_experiments(app: FastAPI, queue: Queue, maker: Makes) -> None:
    @app.get("/api/experiments/schema", tags=["experiments"])
    def grammar() -> dict[str, Any]:
        """The JSON Schema of experiments, for editors."""
        return schema()

    @app.post("/api/experiments/check", responses=problems(400), tags=["experiments"])
    def check(body: models.Experiment) -> models.Checked:
        """Whether a text is an experiment that this server draws, and if not, what is wrong where."""
        try:
            found = maker.reader.asked(body.text, 0)
        except UserError as error:
            mistake = maker.reader.mistake(str(error))
            return models.Checked(**mistake._asdict(), prompt=None, epochs=None, pictures=None)
        return models.Checked(
            error=None, line=None, path=None, prompt=prompt_of(found, 0), epochs=found.epochs, pictures=found.batch
        )

    @app.post("/api/experiments", status_code=201, responses=problems(400, 429), tags=["experiments"])
    def submit(body: models.Experiment, client: Annotated[str, Depends(client_of)], answer: Response) -> models.Run:
        """Hand in an experiment. It waits for its turn as every run; its seed is drawn where it has none."""
        settings = {"experiment": body.text, "seed": secrets.randbits(32)}
        _asked(maker, settings)
        row = queue.submit(client, body.title, json.dumps(settings))
        answer.headers["Location"] = f"/api/runs/{row.id}"
        return told(queue, [row])[0]

    @app.put("/api/runs/{id}/experiment", responses=problems(400, 404, 409), tags=["experiments"])
    def update(id: Id, body: models.Experiment) -> models.Run:
        """Change an experiment that is not over. One that is being drawn goes on from where it is, after the step at
        hand, with the optimiser's state where shapes allow it; the event `updated` tells when, or why it cannot."""
        before = _settings(queue.find(id))
        settings = before | {"experiment": body.text}
        check_goes_on(_asked(maker, before), _asked(maker, settings))
        return told(queue, [queue.update(id, settings)])[0]

    _add_looks(app, queue)
    _add_files(app, queue, maker)


def _add_looks(app: FastAPI, queue: Queue) -> None:
    @app.get("/api/runs/{id}/figures", responses=problems(404), tags=["experiments"])
    def figures(id: Id) -> models.Course:
        """The figures of an experiment: so far, if it is on the device, where the event `figures` has the next ones, or
        as they were kept when it was over."""
        row, live = queue.find(id), queue.live
        on_device = live is not None and live.id == row.id
        points = live.desk.points if live is not None and on_device else Trace(queue.folder / row.id).figures()
        return models.Course(points=[models.Figures(**point) for point in points])

    seen = {200: {"content": PNG, "description": "the frames side by side, one row for each eight"}}

    @app.get("/api/runs/{id}/views", responses=problems(404, 409) | seen, response_class=Response, tags=["experiments"])
    def views(id: Id, index: Index = 0) -> Response:
        """What CLIP sees of a picture of the batch at hand at the next step: the frames of all open targets."""
        _settings(queue.find(id))
        live = queue.live
        if live is None or live.id != id or live.paused:
            raise WrongState(f"the run '{id}' is not being drawn, so CLIP sees nothing of it; wait for its turn")
        first = live.first
        found = live.desk.views(_PATIENCE)
        if found is None or not 0 <= index - first < len(found[1]):
            raise NotFound(f"nothing is to be seen of picture {index} of the run '{id}'; look while it is drawn")
        frames = found[1][index - first]
        headers = {"Cache-Control": "no-store", "X-Step": str(found[0]), "X-Frames": str(len(frames))}
        return Response(encode_fast(_sheet(frames)), media_type="image/png", headers=headers)


def _add_files(app: FastAPI, queue: Queue, maker: Makes) -> None:
    @app.post("/api/runs/{id}/save", status_code=201, responses=problems(404, 409), tags=["experiments"])
    def keep(id: Id, index: Index = 0) -> models.Saved:
        """Write a picture of an experiment as it is now, with its YAML beside it, into the folder of the run."""
        row = queue.find(id)
        png, text = save(queue, row, _asked(maker, _settings(row)), index)
        return models.Saved(png=png, yaml=text)

    content = {200: {"content": {**PNG, "application/yaml": {}}, "description": "the file"}}

    @app.get("/api/runs/{id}/files/{name}", responses=problems(404) | content, response_class=Response)
    def file(id: Id, name: Name, request: Request) -> Response:
        """A file that was saved."""
        path = queue.folder / queue.find(id).id / name
        if not path.is_file():
            raise NotFound(f"the run '{id}' has no file '{name}'; POST /api/runs/{id}/save makes some")
        kind = "image/png" if path.suffix == ".png" else "application/yaml"
        return FileResponse(path, media_type=kind, filename=f"{id}-{name}")


def _settings(row: Row) -> dict[str, Any]:
    """Raises WrongState for a run that is none of an experiment."""
    settings = json.loads(row.settings)
    if not is_experiment(settings):
        raise WrongState(f"the run '{row.id}' is not one of an experiment; hand one in at /api/experiments")
    return settings


def _asked(maker: Makes, settings: dict[str, Any]) -> Any:
    """The experiment; UserErrors without the server's own paths."""
    try:
        return maker.reader.asked(settings["experiment"], settings["seed"])
    except UserError as error:
        raise UserError(maker.as_asked(str(error))) from None


def _sheet(frames: np.ndarray) -> np.ndarray:
    """Frames uint8 [N, S, S, 3] in rows of up to eight, black behind the last."""
    count, side = len(frames), frames.shape[1]
    columns = max(1, min(8, count))
    rows = max(1, -(-count // columns))
    sheet = np.zeros((rows * columns, side, side, 3), np.uint8)
    sheet[:count] = frames
    return sheet.reshape(rows, columns, side, side, 3).swapaxes(1, 2).reshape(rows * side, columns * side, 3)
