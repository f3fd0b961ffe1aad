"""Folders of batches (docs/batch.md) below one that is lent, to look at while they are drawn. Nothing is changed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import FastAPI, Query, Response
from fastapi import Path as InPath
from fastapi.responses import FileResponse
from pydantic import BaseModel, Field

from fastclipgen.jobs.manifest import NAME as MANIFEST
from fastclipgen.jobs.status import read_status
from fastclipgen.jobs.store import NAME as STORE
from fastclipgen.jobs.store import Store
from fastclipgen.serving.answers import PNG, problems
from fastclipgen.serving.problems import NotFound

_COLUMNS = ("number", "line", "prompt", "seed", "state", "file", "loss", "error")

Name = Annotated[str, InPath(max_length=255, description="of its folder; . for the lent folder itself")]


class Batch(BaseModel):
    """How far a batch has come, in pictures."""

    name: str
    total: int
    done: int
    failed: int
    drawing: int
    waiting: int
    per_minute: float | None
    seconds_left: float | None


class Item(BaseModel):
    """A picture of a batch."""

    number: int
    line: int | None = Field(description="of the batch's file")
    prompt: str
    seed: int
    state: Literal["waiting", "done", "failed"]
    file: str | None
    loss: float | None
    error: str | None


class Items(BaseModel):
    items: list[Item]
    next: int | None = Field(description="`after` of the next page")


class Batches:
    """folder: that is lent; it, and the folders in it, may be batches. Links that lead out of it are none."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()

    def names(self) -> list[str]:
        inside = sorted(path.name for path in self._folder.iterdir()) if self._folder.is_dir() else []
        return [name for name in (".", *inside) if self._at(name) is not None]

    def folder(self, name: str) -> Path:
        """Raises NotFound."""
        found = self._at(name)
        if found is None:
            raise NotFound(f"there is no batch '{name:.80}'; GET /api/batches lists those there are")
        return found

    def _at(self, name: str) -> Path | None:
        if name != Path(name).name and name != ".":
            return None
        path = (self._folder / name).resolve()
        return path if path.is_relative_to(self._folder) and (path / STORE).is_file() else None


def add_batches(app: FastAPI, batches: Batches) -> None:
    @app.get("/api/batches", tags=["batches"])
    def all() -> list[Batch]:
        """The batches of the lent folder."""
        return [Batch(name=name, **_numbers(batches.folder(name))) for name in batches.names()]

    @app.get("/api/batches/{name}", responses=problems(404), tags=["batches"])
    def items(
        name: Name,
        find: Annotated[str, Query(max_length=200, description="in prompts, in any case")] = "",
        state: Literal["waiting", "done", "failed"] | None = None,
        after: Annotated[int, Query(ge=0, le=2**63 - 1, description="a picture's number: only later ones")] = 0,
        limit: Annotated[int, Query(ge=1, le=200)] = 48,
    ) -> Items:
        """Pictures of a batch, by number."""
        store = Store(batches.folder(name))
        try:
            rows = store.all(
                f"SELECT {', '.join(_COLUMNS)} FROM items WHERE number > ?1 AND (?2 IS NULL OR state = ?2) "
                "AND instr(lower(prompt), lower(?3)) ORDER BY number LIMIT ?4",
                after, state, find, limit,
            )  # fmt: skip
        finally:
            store.close()
        found = [Item(**dict(zip(_COLUMNS, row, strict=True))) for row in rows]
        return Items(items=found, next=found[-1].number if len(found) == limit else None)

    seen = {200: {"content": PNG, "description": "the file"}}

    @app.get("/api/batches/{name}/pictures/{number}", responses=problems(404) | seen, response_class=Response)
    def picture(name: Name, number: Annotated[int, InPath(ge=0, le=2**63 - 1)]) -> Response:
        """A picture that is finished."""
        folder = batches.folder(name)
        store = Store(folder)
        try:
            rows = store.all("SELECT file FROM items WHERE number = ? AND state = 'done'", number)
        finally:
            store.close()
        path = (folder / rows[0][0]).resolve() if rows and rows[0][0] else None
        if path is None or not path.is_relative_to(folder) or not path.is_file():
            raise NotFound(f"picture {number} of the batch '{name:.80}' is not there")
        return FileResponse(path, headers={"Cache-Control": "no-cache"})

    lines = {200: {"content": {"application/jsonl": {}}, "description": "a JSON object a line"}}

    @app.get("/api/batches/{name}/manifest", responses=problems(404) | lines, response_class=Response)
    def manifest(name: Name) -> Response:
        """The manifest: a line for each picture that is finished or failed."""
        path = batches.folder(name) / MANIFEST
        if not path.is_file():
            raise NotFound(f"the batch '{name:.80}' has no {MANIFEST} yet")
        return FileResponse(path, media_type="application/jsonl", filename=MANIFEST)


def _numbers(folder: Path) -> dict[str, Any]:
    status = read_status(folder).as_dict()
    return {name: status[name] for name in Batch.model_fields if name != "name"}
