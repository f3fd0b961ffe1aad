"""The whole server: many clients at once, real pictures, and what a kill leaves."""

from __future__ import annotations

import io
import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fastclipgen.errors import UserError
from fastclipgen.serving.client import Client
from fastclipgen.serving.limits import Limits
from fastclipgen.serving.server import Service, Settings
from fastclipgen.serving.store import Store

from .drawing import Fake, client, served, settings_of, wait_until

CLIENTS, POLLS = 50, 4
TINY = {
    "prompts": ["a red circle"], "clip": ["builtin"], "generator": "vae", "steps": 3, "width": 32, "height": 32,
    "views": 4, "starts": 1, "tracks": 1, "finalists": 1, "seed": 7, "deterministic": True,
}  # fmt: skip


def test_fifty_clients_at_once(tmp_path: Path, record_property: Any) -> None:
    """Each hands in a run, asks how it is, and follows it to its end: no error, and no long wait for any answer."""
    waits: dict[str, list[float]] = {"submit": [], "status": [], "result": []}

    def one(api: Client) -> str:
        def timed(kind: str, call: Any, *arguments: Any) -> Any:
            begun = time.perf_counter()
            answer = call(*arguments)
            waits[kind].append(time.perf_counter() - begun)
            return answer

        id = timed("submit", api.submit, settings_of())["id"]
        for _ in range(POLLS):
            timed("status", api.run, id)
        state = api.wait(id)["state"]
        assert timed("result", api.result, id).startswith(b"\x89PNG")
        return state

    with served(tmp_path, Fake(pause=0.001)) as service, ThreadPoolExecutor(CLIENTS) as pool:
        states = list(pool.map(one, [client(service, name=f"client-{n}") for n in range(CLIENTS)]))
    assert states == ["done"] * CLIENTS
    assert {kind: len(times) for kind, times in waits.items()} == {
        "submit": CLIENTS, "status": CLIENTS * POLLS, "result": CLIENTS,
    }  # fmt: skip
    for kind, times in (*waits.items(), ("all", [one for several in waits.values() for one in several])):
        p50, p99 = 1000 * np.percentile(times, [50, 99])
        record_property(kind, [len(times), round(p50), round(p99)])
        print(f"| {kind} | {len(times)} | {p50:.0f} ms | {p99:.0f} ms | 0 |")  # the table of docs/api.md
        assert p99 < 20_000


def test_real_pictures_are_those_of_the_command_line(tmp_path: Path) -> None:
    from fastclipgen.api import generate

    [expected] = generate(**{**TINY, "notice": lambda line: None})  # pyright: ignore[reportArgumentType]
    with served(tmp_path, device="cpu") as service:
        api = client(service)
        run = api.wait(api.submit(TINY)["id"])
        assert (run["state"], run["error"]) == ("done", None)
        assert run["pictures"][0]["loss"] == pytest.approx(expected.loss)
        content = api.result(run["id"])
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(content))), expected.pixels)


def test_what_only_the_job_finds_out_fails_the_run(tmp_path: Path) -> None:
    """A preset decides steps and size, which no request has named."""
    with served(tmp_path, device="cpu", limits=Limits(steps=5)) as service:
        api = client(service)
        run = api.wait(api.submit({name: value for name, value in TINY.items() if name != "steps"})["id"])
        assert run["state"] == "failed"
        assert "expected at most 5 for steps on this server" in run["error"]


def test_queued_work_survives_a_kill(tmp_path: Path) -> None:
    """SIGKILL during the first of two runs: the next server draws both, to the pictures that they would have been."""
    with Process(tmp_path) as (server, api):
        first = api.submit({**TINY, "steps": 2000})["id"]
        second = api.submit(TINY)["id"]
        wait_until(lambda: (api.run(first)["progress"] or {}).get("done"), 300)
        server.kill()
        server.wait(10)
    with served(tmp_path, Fake()) as service:  # the second server need not be as slow as the first
        api = client(service)
        runs = [api.wait(id) for id in (first, second)]
    assert [(run["state"], run["settings"]["seed"]) for run in runs] == [("done", 7)] * 2
    assert [run["pictures"][0]["steps"] for run in runs] == [2000, 3]


def test_sigterm_puts_the_run_back(tmp_path: Path) -> None:
    with Process(tmp_path) as (server, api):
        id = api.submit({**TINY, "steps": 2000})["id"]
        wait_until(lambda: (api.run(id)["progress"] or {}).get("done"), 300)
        server.send_signal(signal.SIGTERM)
        assert server.wait(60) == 0
    store = Store(tmp_path)
    found = store.find(id)
    store.close()
    assert found is not None
    assert found.state == "queued"  # and not counted as a death, which only `recover` can know of
    with served(tmp_path, Fake()) as service:
        assert client(service).wait(id)["state"] == "done"


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(UserError, match="cannot listen to"):
        Service(Settings(folder=tmp_path, port=taken.getsockname()[1]), Fake())


class Process:
    """`fastclipgen serve` as a process of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __enter__(self) -> tuple[subprocess.Popen[str], Client]:
        arguments = ["serve", "-o", str(self._folder), "--port", "0", "--device", "cpu"]
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "fastclipgen", *arguments], stdout=subprocess.PIPE, text=True, env=os.environ
        )
        assert self._process.stdout is not None
        return self._process, Client(self._process.stdout.readline().strip(), timeout=60)

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait(10)
        assert self._process.stdout is not None
        self._process.stdout.close()
