"""A small client of the HTTP API, on the standard library alone.

>>> client = Client("http://127.0.0.1:8765")
>>> run = client.submit({"prompts": ["a red circle"], "steps": 100})
>>> for event in client.events(run["id"]):
...     print(event.kind, event.data)
>>> png = client.result(run["id"])
"""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from http.client import HTTPException
from typing import Any, NamedTuple

from fastclipgen.errors import UserError

OVER = ("done", "cancelled", "failed")
_AGAIN = 1.0  # seconds before a lost stream is asked for again


class Answer(UserError):
    """What the server refused. status: of HTTP."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


class Event(NamedTuple):
    """kind: run, state, progress, notice, picture, figures or updated; data: as of docs/api.md."""

    id: str
    kind: str
    data: dict[str, Any]


class Client:
    """url: of the server; token: where it needs one; name: whose turn runs take, by default this machine's address;
    timeout: seconds without a byte. Methods give what the API answers, and raise Answer, or UserError where no server
    answers."""

    def __init__(self, url: str, token: str | None = None, name: str | None = None, timeout: float = 60.0) -> None:
        self._url, self._timeout = url.rstrip("/"), timeout
        self._headers = {} if name is None else {"X-Client": name}
        if token is not None:
            self._headers["Authorization"] = f"Bearer {token}"

    def submit(self, settings: Mapping[str, Any], title: str = "") -> dict[str, Any]:
        """Hand in a run."""
        return self._json("POST", "/api/runs", {"settings": dict(settings), "title": title})

    def experiment(self, text: str, title: str = "") -> dict[str, Any]:
        """Hand in an experiment: YAML in CLIPig's grammar."""
        return self._json("POST", "/api/experiments", {"text": text, "title": title})

    def update(self, id: str, text: str) -> dict[str, Any]:
        """Change an experiment that is not over; one that is drawn goes on from where it is."""
        return self._json("PUT", f"/api/runs/{id}/experiment", {"text": text})

    def runs(self, **query: Any) -> dict[str, Any]:
        """Runs, the newest first. query: state, client, before, limit."""
        return self._json("GET", "/api/runs?" + urllib.parse.urlencode(query))

    def run(self, id: str) -> dict[str, Any]:
        return self._json("GET", f"/api/runs/{id}")

    def cancel(self, id: str) -> dict[str, Any]:
        return self._json("POST", f"/api/runs/{id}/cancel")

    def pause(self, id: str) -> dict[str, Any]:
        return self._json("POST", f"/api/runs/{id}/pause")

    def resume(self, id: str) -> dict[str, Any]:
        return self._json("POST", f"/api/runs/{id}/resume")

    def delete(self, id: str) -> None:
        self._bytes("DELETE", f"/api/runs/{id}")

    def result(self, id: str, index: int = 0) -> bytes:
        """The PNG of a finished picture."""
        return self._bytes("GET", f"/api/runs/{id}/result?index={index}")

    def picture(self, id: str, index: int = 0) -> bytes:
        """The PNG of a picture as it is now."""
        return self._bytes("GET", f"/api/runs/{id}/picture?index={index}")

    def wait(self, id: str) -> dict[str, Any]:
        """The run, once it is over."""
        for _ in self.events(id):
            pass
        return self.run(id)

    def events(self, id: str, last: str | None = None) -> Iterator[Event]:
        """What happens to a run, from behind the event `last`, until it is over. Where the connection is lost, or the
        server is started again, it goes on as soon as there is one."""
        while True:
            try:
                for event in self._stream(id, last):
                    last = event.id
                    yield event
                    if event.kind == "run" and event.data["state"] in OVER:
                        return
                if last == "over":
                    return
            except Answer as refused:
                if refused.status not in (429, 503):
                    raise
            except (OSError, HTTPException):  # urllib's URLError is an OSError
                pass
            time.sleep(_AGAIN)

    def _stream(self, id: str, last: str | None) -> Iterator[Event]:
        headers = {"Accept": "text/event-stream"} | ({} if last is None else {"Last-Event-ID": last})
        with self._open("GET", f"/api/runs/{id}/events", None, headers) as answer:
            fields: dict[str, str] = {}
            for line in answer:
                name, colon, value = line.decode().rstrip("\n").partition(": ")
                if colon and name:
                    fields[name] = value
                elif fields.keys() >= {"id", "event", "data"}:
                    yield Event(fields["id"], fields["event"], json.loads(fields["data"]))
                    fields = {}

    def _json(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        return json.loads(self._bytes(method, path, body))

    def _bytes(self, method: str, path: str, body: Any = None) -> bytes:
        try:
            with self._open(method, path, body, {}) as answer:
                return answer.read()
        except (OSError, HTTPException) as error:
            raise UserError(f"no answer from '{self._url}' ({error}); is the server running?") from None

    def _open(self, method: str, path: str, body: Any, headers: Mapping[str, str]) -> Any:
        content = None if body is None else json.dumps(body).encode()
        every = {**self._headers, **headers, **({} if content is None else {"Content-Type": "application/json"})}
        request = urllib.request.Request(self._url + path, content, every, method=method)
        try:
            return urllib.request.urlopen(request, timeout=self._timeout)
        except urllib.error.HTTPError as error:
            with error:
                raise Answer(error.code, _sentence(error.read())) from None


def _sentence(content: bytes) -> str:
    try:
        return str(json.loads(content)["error"])
    except (ValueError, KeyError, TypeError):
        return content.decode("utf-8", "replace")[:200]
