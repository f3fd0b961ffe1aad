"""Who may ask, and how much a request may bring: checked before any route sees it.

- A token, where there is one: `Authorization: Bearer TOKEN`, compared in constant time. A server that listens to more
  than this machine must have one.
- On loopback the Host header must name this machine: a page of a stranger's whose name was made to lead here (DNS
  rebinding) still sends that name.
- What a browser sends for a page of another origin is refused, so no page can hand in or cancel runs by a plain form.
  There are no CORS headers: no page of another origin can read an answer.
- The body is read whole, up to a size and within a time, before it is passed on.
"""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import json
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any

from fastclipgen.errors import UserError

SHORTEST = 16  # letters of a token: shorter ones can be tried out

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]


@dataclass(frozen=True)
class Rules:
    """host: the address that is listened to; body: bytes; seconds: for a request to arrive; page: whether there is one,
    whose files need no token since it asks for it. Raises UserError for an
    address beyond this machine without a token, and for a token that is too short."""

    host: str
    token: str | None
    body: int
    seconds: float
    page: bool = False

    def __post_init__(self) -> None:
        if self.token is None and not is_loopback(self.host):
            raise UserError(
                f"'{self.host}' can be reached from other machines, so a token is needed; set FASTCLIPGEN_TOKEN or add "
                "--token TOKEN, or listen to 127.0.0.1"
            )
        if self.token is not None and (len(self.token) < SHORTEST or not self.token.isascii()):
            raise UserError(
                f"expected a token of {SHORTEST} or more ASCII letters, got {len(self.token)} letters; make one with "
                "python -c 'import secrets; print(secrets.token_urlsafe())'"
            )

    def refusal(self, headers: Mapping[str, str], path: str = "/api") -> tuple[int, str, dict[str, str]] | None:
        """Status, sentence and headers of the answer to a request that is refused for who asks. headers: by their
        names in small letters."""
        host = headers.get("host", "")
        if is_loopback(self.host) and not is_loopback(name_of(host)) and name_of(host) != self.host:
            return 403, f"expected the Host header of this machine, got '{host:.80}'; ask for http://{self.host}", {}
        origin = headers.get("origin")
        if origin is not None and origin.partition("://")[2] != host:
            return 403, f"a page of '{origin:.80}' may not ask this server; use a page of its own", {}
        if self.token is not None and not (self.page and _is_page(path)):
            scheme, _, given = headers.get("authorization", "").partition(" ")
            # bytes: compare_digest takes no text beyond ASCII
            right = hmac.compare_digest(given.strip().encode(), self.token.encode())
            if scheme.lower() != "bearer" or not right:
                return 401, "expected the server's token; send the header 'Authorization: Bearer TOKEN'", {
                    "WWW-Authenticate": "Bearer"
                }  # fmt: skip
        return None


class Guard:
    """The application behind its rules."""

    def __init__(self, app: App, rules: Rules) -> None:
        self._app, self._rules = app, rules

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        if (refused := self._rules.refusal(headers, scope["path"])) is not None:
            await answer(send, *refused)
            return
        try:
            body = await asyncio.wait_for(self._body(headers, receive), self._rules.seconds)
        except asyncio.TimeoutError:
            await answer(send, 408, f"the request did not arrive within {self._rules.seconds:g} s; send it again", {})
            return
        if body is None:
            return
        if len(body) > self._rules.body:
            await answer(send, 413, f"expected a body of at most {self._rules.body} bytes; send less", {})
            return
        await self._app(scope, _replay(body, receive), send)

    async def _body(self, headers: Mapping[str, str], receive: Receive) -> bytes | None:
        """The body, of which no more is read than shows that it is too long; None where the client has gone."""
        length = headers.get("content-length", "")
        if length.isdecimal() and int(length) > self._rules.body:
            return bytes(self._rules.body + 1)
        body, more = bytearray(), True
        while more and len(body) <= self._rules.body:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            body += message.get("body", b"")
            more = message.get("more_body", False)
        return bytes(body)


async def answer(send: Send, status: int, sentence: str, headers: Mapping[str, str]) -> None:
    """A refusal as JSON, like those of the routes. The connection ends: the rest of the request is not read."""
    content = json.dumps({"error": sentence}).encode()
    fields = {"Content-Type": "application/json", "Content-Length": str(len(content)), "Connection": "close", **headers}
    lines = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in fields.items()]
    await send({"type": "http.response.start", "status": status, "headers": lines})
    await send({"type": "http.response.body", "body": content})


def _is_page(path: str) -> bool:
    """Whether it is one of the page's own files, in which nothing is secret."""
    return path != "/api" and not path.startswith(("/api/", "/openapi.json"))


def is_loopback(host: str) -> bool:
    """Whether a name or address leads to this machine alone."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def name_of(host: str) -> str:
    """A Host header without its port."""
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.partition(":")[0]


def _replay(body: bytes, receive: Receive) -> Receive:
    """The body in one piece, then whatever comes after it."""
    told = False

    async def replay() -> Message:
        nonlocal told
        if told:
            return await receive()
        told = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay
