"""Who may ask, and how much: the guard before the routes, over a real port."""

from __future__ import annotations

import json
import logging
import socket
import time
from pathlib import Path

import httpx
import pytest

from fastclipgen.errors import UserError
from fastclipgen.serving.client import Answer, Client
from fastclipgen.serving.limits import Limits
from fastclipgen.serving.security import Rules
from fastclipgen.serving.server import Service

from .drawing import TOKEN, Fake, client, served, settings_of


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "::", "example.org", ""])
def test_beyond_this_machine_a_token_is_needed(host: str) -> None:
    with pytest.raises(UserError, match="FASTCLIPGEN_TOKEN"):
        Rules(host, None, 1, 1)
    Rules(host, TOKEN, 1, 1)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1", "localhost"])
def test_on_loopback_none_is(host: str) -> None:
    Rules(host, None, 1, 1)


@pytest.mark.parametrize("token", ["", "short", "ümlaut ümlaut ümlaut"])
def test_tokens_that_could_be_guessed_or_not_sent(token: str) -> None:
    with pytest.raises(UserError, match="16 or more ASCII letters") as refused:
        Rules("127.0.0.1", token, 1, 1)
    assert not token or token not in str(refused.value)


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("127.0.0.1:8765", True), ("localhost", True), ("LOCALHOST:1", True), ("[::1]:8765", True),
        ("evil.example", False), ("evil.example:8765", False), ("127.0.0.1.evil.example", False), ("", False),
        ("localhost.evil.example:80", False),
    ],
)  # fmt: skip
def test_names_that_were_made_to_lead_here(host: str, allowed: bool) -> None:
    refused = Rules("127.0.0.1", None, 1, 1).refusal({"host": host})
    assert (refused is None) == allowed
    assert refused is None or refused[0] == 403


def test_with_a_token_any_name_will_do_beyond_this_machine() -> None:
    headers = {"host": "gpu.example:8765", "authorization": f"Bearer {TOKEN}"}
    assert Rules("0.0.0.0", TOKEN, 1, 1).refusal(headers) is None


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("http://127.0.0.1:8765", True), ("http://127.0.0.1:9999", False), ("http://evil.example", False),
        ("null", False), ("", False),
    ],
)  # fmt: skip
def test_pages_of_other_origins(origin: str, allowed: bool) -> None:
    refused = Rules("127.0.0.1", None, 1, 1).refusal({"host": "127.0.0.1:8765", "origin": origin})
    assert (refused is None) == allowed


def test_the_token_over_the_wire(tmp_path: Path, fake: Fake, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG), served(tmp_path, fake, token=TOKEN) as service:
        api = client(service, token=TOKEN)
        assert api.wait(api.submit(settings_of())["id"])["state"] == "done"
        for wrong in (None, TOKEN[:-1], TOKEN + "x", "ä" * 20):
            with pytest.raises(Answer, match="expected the server's token") as refused:
                client(service, token=wrong if wrong is None else wrong.encode().decode("latin-1")).runs()
            assert refused.value.status == 401
        for path in ("/openapi.json", "/api", "/nothing"):
            assert httpx.get(service.address + path).status_code == 401
        answer = httpx.get(service.address + "/api", headers={"Authorization": f"Basic {TOKEN}"})
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
        schema = httpx.get(service.address + "/openapi.json", headers={"Authorization": f"Bearer {TOKEN}"}).json()
        assert schema["security"] == [{"token": []}]
    assert "run" in caplog.text
    assert TOKEN not in caplog.text
    assert TOKEN not in repr(service.settings)


def test_no_page_of_another_origin_can_read(service: Service) -> None:
    answer = httpx.options(service.address + "/api/runs", headers={"Origin": "http://evil.example"})
    assert answer.status_code == 403
    assert not [name for name in answer.headers if name.startswith("access-control")]


def test_bodies_are_limited(tmp_path: Path, fake: Fake) -> None:
    with served(tmp_path, fake, limits=Limits(body=1000)) as service:
        fits = json.dumps({"settings": settings_of("a" * 500)})
        kind = {"Content-Type": "application/json"}
        assert httpx.post(service.address + "/api/runs", content=fits, headers=kind).status_code == 201
        long = httpx.post(service.address + "/api/runs", content=fits.ljust(1001), headers=kind)
        assert (long.status_code, long.json()) == (413, {"error": "expected a body of at most 1000 bytes; send less"})
        pieces = (b" " * 100 for _ in range(11))  # chunked: no length is said before
        assert httpx.post(service.address + "/api/runs", content=pieces, headers=kind).status_code == 413


def test_half_a_body_is_not_waited_for(tmp_path: Path, fake: Fake) -> None:
    with served(tmp_path, fake, limits=Limits(seconds=1)) as service:
        host, port = service.address.removeprefix("http://").split(":")
        head = (
            f"POST /api/runs HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n"
        )
        with (
            socket.create_connection((host, int(port)), 10) as slow,
            socket.create_connection((host, int(port))) as gone,
        ):
            slow.sendall(head.encode() + b'{"settings"')
            gone.sendall(head.encode() + b'{"settings"')
            gone.close()
            begun = time.monotonic()
            answer = slow.recv(4096)
            assert answer.startswith(b"HTTP/1.1 408")
            assert time.monotonic() - begun < 8
            assert b"did not arrive within 1 s" in answer + slow.recv(4096)
        api: Client = client(service)
        assert api.wait(api.submit(settings_of())["id"])["state"] == "done"
