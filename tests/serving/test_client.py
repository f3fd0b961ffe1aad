"""The Python client: what it gives, what it raises, and that it outlives a server."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from fastclipgen.errors import UserError
from fastclipgen.serving.client import Answer, Client
from fastclipgen.serving.server import Service, Settings

from .drawing import Fake, settings_of, wait_until


def test_refusals_are_raised_with_their_sentence(api: Client) -> None:
    with pytest.raises(Answer, match=r"unknown field 'settings\.stepz'; did you mean 'steps'") as refused:
        api.submit({"prompts": ["a"], "stepz": 1})
    assert refused.value.status == 422
    with pytest.raises(Answer, match="there is no run"):
        next(api.events("0" * 16))


def test_no_server_is_a_sentence() -> None:
    with pytest.raises(UserError, match=r"no answer from 'http://127\.0\.0\.1:9'"):
        Client("http://127.0.0.1:9/", timeout=2).runs()


def test_events_go_on_with_the_next_server(tmp_path: Path) -> None:
    """The first server ends in the middle of the run; the second one, at the same port, begins it again."""
    fake, after = Fake(), Fake()
    fake.gate.clear()
    first = Service(Settings(folder=tmp_path, port=0), fake)
    port = int(first.address.rpartition(":")[2])
    thread = threading.Thread(target=first.run)
    thread.start()
    api = Client(first.address, timeout=20)
    id = api.submit(settings_of(steps=5))["id"]
    wait_until(lambda: (api.run(id)["progress"] or {}).get("done"))
    events = api.events(id)
    assert next(events).data["state"] == "running"
    first.stop()
    fake.gate.set()
    thread.join(30)
    assert not thread.is_alive()
    second = Service(Settings(folder=tmp_path, port=port), after)
    thread = threading.Thread(target=second.run)
    thread.start()
    try:
        rest = list(events)
        assert (rest[-1].kind, rest[-1].data["state"]) == ("run", "done")
        assert (rest[-1].data["settings"], len(rest[-1].data["pictures"])) == (settings_of(steps=5), 1)
    finally:
        second.stop()
        thread.join(30)
    assert after.order == ["a fox"]
