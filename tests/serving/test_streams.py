"""Event streams over a real port: reconnecting, slow and cancelled listeners, limits."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from fastclipgen.serving.client import Client
from fastclipgen.serving.limits import Limits
from fastclipgen.serving.server import Service

from .drawing import Fake, client, served, settings_of, wait_until


@contextmanager
def stream(service: Service, id: str, **headers: str) -> Iterator[httpx.Response]:
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    with httpx.stream("GET", f"{service.address}/api/runs/{id}/events", headers=headers, timeout=20) as answer:
        yield answer


def test_a_run_is_told_from_beginning_to_end(service: Service, api: Client, fake: Fake) -> None:
    fake.gate.clear()
    id = api.submit(settings_of())["id"]
    events = api.events(id)
    first = next(events)
    assert (first.kind, first.data["id"]) == ("run", id)
    fake.gate.set()
    rest = list(events)
    assert [event.kind for event in rest if event.kind in ("picture", "run")] == ["picture", "run"]
    progress = [event.data for event in rest if event.kind == "progress"]
    assert (progress[-1]["done"], progress[-1]["total"]) == (3, 3)
    assert rest[-1].data["state"] == "done"
    assert len(rest[-1].data["pictures"]) == 1
    with stream(service, id, Last_Event_ID=rest[-1].id) as answer:  # so a page's EventSource stops asking
        assert answer.status_code == 204


def test_a_listener_goes_on_where_it_was(service: Service, api: Client, fake: Fake) -> None:
    fake.gate.clear()
    id = api.submit(settings_of())["id"]
    with stream(service, id) as answer:
        lines = answer.iter_lines()
        last = next(line for line in lines if line.startswith("id: ")).removeprefix("id: ")
    fake.gate.set()
    api.wait(id)
    # what came meanwhile is gone with the run; its end is not
    events = list(api.events(id, last))
    assert [(event.kind, event.data["state"]) for event in events] == [("run", "done")]


def test_reconnecting_during_a_run_repeats_nothing(service: Service, api: Client, fake: Fake) -> None:
    fake.gate.clear()
    id = api.submit(settings_of(steps=50))["id"]
    wait_until(lambda: api.run(id)["progress"])
    with stream(service, id) as answer:
        lines = answer.iter_lines()
        last = next(line for line in lines if line.startswith("id: ")).removeprefix("id: ")
    api.pause(id)
    with stream(service, id, Last_Event_ID=last) as answer:
        lines = answer.iter_lines()
        kinds = [next(line for line in lines if line.startswith("event: "))]
        while kinds[-1] != "event: state":
            kinds.append(next(line for line in lines if line.startswith("event: ")))
        assert "event: run" not in kinds
        assert json.loads(next(lines).removeprefix("data: ")) == {"state": "paused"}
    with stream(service, id, Last_Event_ID="another.7") as answer:
        assert next(line for line in answer.iter_lines() if line.startswith("event: ")) == "event: run"
    fake.gate.set()
    api.resume(id)


def test_streams_that_are_left_end(service: Service, api: Client, fake: Fake) -> None:
    fake.gate.clear()
    id = api.submit(settings_of())["id"]
    for _ in range(5):
        with stream(service, id) as answer:
            next(answer.iter_lines())
    wait_until(lambda: not service.queue.feed(id)._listeners)
    fake.gate.set()
    assert api.wait(id)["state"] == "done"


def test_a_listener_that_does_not_read_holds_up_nobody(service: Service, api: Client, fake: Fake) -> None:
    fake.gate.clear()
    id = api.submit(settings_of(steps=300))["id"]
    host, port = service.address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), 10) as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
        deaf.sendall(f"GET /api/runs/{id}/events HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        wait_until(lambda: service.queue.feed(id)._listeners)
        fake.gate.set()
        assert api.wait(id)["state"] == "done"


def test_the_number_of_streams_is_limited(tmp_path: Path, fake: Fake) -> None:
    fake.gate.clear()
    with served(tmp_path, fake, limits=Limits(streams=2)) as service:
        api = client(service)
        id = api.submit(settings_of())["id"]
        with stream(service, id) as one, stream(service, id) as two:
            lines = one.iter_lines(), two.iter_lines()  # kept: a stream ends with its iterator
            for each in lines:
                next(each)
            with stream(service, id) as three:
                assert three.status_code == 429
        wait_until(lambda: not service.queue.feed(id)._listeners)
        with stream(service, id) as again:
            assert again.status_code == 200


def test_streams_end_with_the_server(tmp_path: Path, fake: Fake) -> None:
    fake.gate.clear()
    with served(tmp_path, fake) as service:
        id = client(service).submit(settings_of())["id"]
        with stream(service, id) as answer:
            lines = answer.iter_lines()
            next(lines)
            service.stop()
            rest = list(lines)  # it ends, although the run has not
        assert [line for line in rest if line.startswith("event: ")][:1] == ["event: run"]  # as it was at first
        assert rest.count("event: run") == 1  # and no end of a run that has not ended
