"""How routes answer: errors in one form, pictures with tags, what each answer means in /openapi.json."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from fastclipgen.config.run import RunConfig
from fastclipgen.errors import UserError, nearest
from fastclipgen.serving.models import Problem, Submission
from fastclipgen.serving.problems import Refusal

_MEANINGS = {
    400: "the body is no JSON",
    401: "the token is missing or wrong",
    403: "a page of another origin, or a name that is not this machine's",
    404: "there is no such run, or no such picture of it",
    408: "the request took too long to arrive",
    409: "not possible as the run is now",
    413: "the body is too large",
    422: "what was asked for cannot be",
    429: "too many runs wait, or too many streams are open",
}
ALWAYS = (401, 403, 408, 413, 422)
EVENTS = {
    "text/event-stream": {
        "schema": {
            "type": "object",
            "description": "one event; data: JSON, of kind run a Run, of progress a Progress, of figures Figures",
            "properties": {
                "id": {"type": "string"},
                "event": {"enum": ["run", "state", "progress", "notice", "picture", "figures", "updated"]},
                "data": {"type": "string"},
            },
            "required": ["id", "event", "data"],
        }
    }
}
PNG = {"image/png": {"schema": {"type": "string", "format": "binary"}}}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route that may answer so."""
    return {status: {"model": Problem, "description": _MEANINGS[status]} for status in statuses}


def problem(status: int, sentence: str, headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse(Problem(error=sentence).model_dump(), status, headers)


def add_handlers(app: FastAPI) -> None:
    """Every mistake becomes a sentence and a status of its own; what is no mistake of the client's says nothing of the
    server's inside."""

    @app.exception_handler(UserError)
    def of_user(request: Request, error: UserError) -> Response:
        if isinstance(error, Refusal):
            return problem(error.status, str(error), error.headers)
        return problem(422, str(error))

    @app.exception_handler(RequestValidationError)
    def of_form(request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        return problem(400 if first["type"] == "json_invalid" else 422, _sentence(first))

    @app.exception_handler(HTTPException)
    def of_http(request: Request, error: HTTPException) -> Response:
        if error.status_code == 404:
            return problem(404, f"there is nothing at '{request.url.path:.80}'; GET /openapi.json lists what there is")
        headers = dict(error.headers or {})
        if error.status_code == 405:
            return problem(405, f"{request.method} is not possible here; use {headers.get('allow', 'GET')}", headers)
        return problem(error.status_code, f"{error.detail}", headers)

    @app.exception_handler(Exception)
    def of_server(request: Request, error: Exception) -> Response:
        return problem(500, "the server made a mistake; its log says which")


def picture(request: Request, tag: str, content: bytes, name: str | None = None) -> Response:
    """A PNG, or 304 where the client has it. name: under which a browser saves it."""
    headers = {"ETag": f'"{tag}"', "Cache-Control": "no-cache"}
    known = [text.strip().removeprefix("W/") for text in request.headers.get("if-none-match", "").split(",")]
    if headers["ETag"] in known or "*" in known:
        return Response(status_code=304, headers=headers)
    if name is not None:
        headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return Response(content, media_type="image/png", headers=headers)


def _sentence(error: Any) -> str:
    """A problem of pydantic's in one sentence."""
    place = [str(part) for part in error["loc"]]
    kind, where = (place[0] if place else "request"), ".".join(place[1:])
    if error["type"] == "json_invalid":
        return 'expected a body of JSON, got something else; send {"settings": {"prompts": [...]}}'
    if error["type"] == "extra_forbidden":
        known = RunConfig.model_fields if "settings" in place else Submission.model_fields
        return f"unknown field '{where}'{nearest(place[-1], known)}"
    what = error["msg"].removeprefix("Value error, ")
    got = "" if error["type"] == "missing" else f", got {error.get('input')!r:.80}"
    return f"{kind}{f' {where!r}' if where else ''}: {what[0].lower()}{what[1:]}{got}"
