"""The studio's page, served from the package, and what it is told of the command line.

The page is plain files without a build step (docs/studio.md): nothing is loaded from elsewhere, which the content
policy makes certain.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fastapi import FastAPI, Response
from fastapi.staticfiles import StaticFiles
from pydantic import BaseModel
from starlette.types import Scope

FOLDER = Path(__file__).parent / "page"
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' blob: data:; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


class Opened(BaseModel):
    """A file that the command line named."""

    name: str
    text: str


class Studio(BaseModel):
    """What the page begins with."""

    files: list[Opened]
    batches: bool


class _Page(StaticFiles):
    async def get_response(self, path: str, scope: Scope) -> Response:
        answer = await super().get_response(path, scope)
        answer.headers.update(HEADERS)
        return answer


def add_studio(app: FastAPI, files: Sequence[Path], batches: bool) -> None:
    """The page at "/". files: YAML files that it opens; they are read anew whenever the page is loaded. batches:
    whether the server lends a folder of them."""

    @app.get("/api/studio", tags=["studio"])
    def studio() -> Studio:
        """The files that `fastclipgen studio` was given, and whether there are batches to look at."""
        there = [path for path in files if path.is_file()]
        opened = [Opened(name=path.stem, text=path.read_text("utf-8", "replace")) for path in there]
        return Studio(files=opened, batches=batches)

    app.mount("/", _Page(directory=FOLDER, html=True), name="page")
