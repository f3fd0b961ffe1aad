"""Experiments over a real port, with the built-in CLIP: handed in, changed, looked at, saved."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from fastclipgen.outputs.metadata import read_metadata

from .drawing import client, served, settings_of, wait_until
from .recipes import TINY, tiny

LONG = tiny(epochs=9000)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("served")


@pytest.fixture(scope="module")
def http(folder: Path) -> Iterator[httpx.Client]:
    with served(folder, device="cpu") as service, httpx.Client(base_url=service.address, timeout=60) as found:
        yield found


def run_of(http: httpx.Client, id: str) -> dict[str, Any]:
    return http.get(f"/api/runs/{id}").json()


def drawn(http: httpx.Client, id: str) -> int:
    return (run_of(http, id)["progress"] or {}).get("done", 0)


def test_an_experiment_that_is_changed_while_it_runs(http: httpx.Client, folder: Path) -> None:
    answer = http.post("/api/experiments", json={"text": LONG, "title": "long"})
    run = answer.json()
    id = run["id"]
    assert (answer.status_code, run["experiment"], run["title"], list(run["settings"])) == (201, LONG, "long", ["seed"])
    wait_until(lambda: drawn(http, id) >= 3, 120)

    views = http.get(f"/api/runs/{id}/views")
    assert (views.headers["x-frames"], Image.open(io.BytesIO(views.content)).size) == ("1", (64, 64))
    start = http.get(f"/api/runs/{id}/picture?start=true").content
    assert Image.open(io.BytesIO(start)).size == (16, 16)
    points = http.get(f"/api/runs/{id}/figures").json()["points"]
    assert points[0]["step"] == 1

    saved = http.post(f"/api/runs/{id}/save").json()
    png, beside = folder / id / saved["png"], folder / id / saved["yaml"]
    assert read_metadata(png)["experiment"] == beside.read_text()
    assert f"seed: {run['settings']['seed']}" in beside.read_text()
    assert http.get(f"/api/runs/{id}/files/{saved['png']}").content == png.read_bytes()
    assert http.get(f"/api/runs/{id}/files/saved-9-9.png").status_code == 404
    assert http.get(f"/api/runs/{id}/files/..%2Fserve.sqlite").status_code in (404, 422)

    # an update that cannot be is refused before anything happens
    refused = http.put(f"/api/runs/{id}/experiment", json={"text": tiny(batch=2)})
    assert (refused.status_code, "batch: expected 1" in refused.json()["error"]) == (422, True)
    before, changed = drawn(http, id), LONG.replace("weight: 1", "weight: 2")
    assert http.put(f"/api/runs/{id}/experiment", json={"text": changed}).status_code == 200
    wait_until(lambda: run_of(http, id)["experiment"] == changed, 60)
    assert drawn(http, id) >= before
    # and one of a paused run is taken up at once
    http.post(f"/api/runs/{id}/pause")
    short = changed.replace("9000", "5")
    http.put(f"/api/runs/{id}/experiment", json={"text": short})
    wait_until(lambda: run_of(http, id)["state"] == "done", 60)

    # how it went is kept
    assert http.get(f"/api/runs/{id}/figures").json()["points"][: len(points)] == points
    kept = http.get(f"/api/runs/{id}/picture?start=true").content
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(kept))), np.asarray(Image.open(io.BytesIO(start))))

    [picture] = run_of(http, id)["pictures"]
    assert picture["prompt"] == "a red circle"
    over = http.put(f"/api/runs/{id}/experiment", json={"text": short})
    assert over.status_code == 409
    copied = http.post(f"/api/runs/{id}/save").json()
    assert "weight: 2" in (folder / id / copied["yaml"]).read_text()


def test_a_text_is_checked(http: httpx.Client) -> None:
    found = http.post("/api/experiments/check", json={"text": TINY}).json()
    assert (found["error"], found["prompt"], found["epochs"], found["pictures"]) == (None, "a red circle", 4, 1)
    found = http.post("/api/experiments/check", json={"text": TINY.replace("text:", "txt:")}).json()
    assert (found["line"], "did you mean 'text'" in found["error"], found["prompt"]) == (8, True, None)
    refused = http.post("/api/experiments", json={"text": "epochs: [\n"})
    assert (refused.status_code, "experiment.yaml, line" in refused.json()["error"]) == (422, True)
    assert "targets" in http.get("/api/experiments/schema").json()["properties"]


def test_runs_of_settings_are_no_experiments(http: httpx.Client) -> None:
    tiny_run = {"clip": ["builtin"], "generator": "pixels", "width": 16, "height": 16, "starts": 1, "tracks": 1}
    id = http.post("/api/runs", json={"settings": {**settings_of(steps=1, views=2, finalists=1), **tiny_run}}).json()[
        "id"
    ]
    for method, path in (("PUT", "experiment"), ("POST", "save"), ("GET", "views")):
        answer = http.request(method, f"/api/runs/{id}/{path}", json={"text": TINY} if method == "PUT" else None)
        assert (answer.status_code, "not one of an experiment" in answer.json()["error"]) == (409, True), path


def test_a_server_that_is_begun_again_draws_what_was_updated_last(tmp_path: Path) -> None:
    with served(tmp_path, device="cpu") as service:
        api = client(service)
        id = api.experiment(LONG, "one")["id"]
        wait_until(lambda: (api.run(id)["progress"] or {}).get("done"), 60)
        changed = LONG.replace("weight: 1", "weight: 3")
        api.update(id, changed)
        wait_until(lambda: api.run(id)["experiment"] == changed, 60)
    with served(tmp_path, device="cpu") as service:
        api = client(service)
        assert (api.run(id)["experiment"], api.run(id)["title"]) == (changed, "one")
        api.cancel(id)
