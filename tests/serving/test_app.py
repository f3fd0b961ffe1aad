"""The HTTP API, over a real port: what each route answers, and every mistake a sentence."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from fastclipgen.outputs.metadata import read_metadata
from fastclipgen.serving.client import Answer, Client
from fastclipgen.serving.server import Service

from .drawing import Fake, client, served, settings_of, wait_until

NOBODY = "0" * 16


def get(service: Service, path: str, **headers: str) -> httpx.Response:
    return httpx.get(service.address + path, headers={k.replace("_", "-"): v for k, v in headers.items()}, timeout=20)


def post(service: Service, path: str = "/api/runs", **options: Any) -> httpx.Response:
    return httpx.post(service.address + path, timeout=20, **options)


def test_a_run_from_submission_to_picture(service: Service, api: Client, tmp_path: Path) -> None:
    answer = post(service, json={"settings": settings_of(count=2), "title": "two"}, headers={"X-Client": "me"})
    run = answer.json()
    assert (answer.status_code, answer.headers["location"]) == (201, f"/api/runs/{run['id']}")
    assert (run["client"], run["title"], run["settings"]) == ("me", "two", settings_of(count=2))
    run = api.wait(run["id"])
    assert (run["state"], run["error"], run["progress"], run["ahead"]) == ("done", None, None, None)
    assert run["created"] <= run["started"] <= run["finished"]
    assert [(p["index"], p["seed"], p["steps"], p["loss"]) for p in run["pictures"]] == [
        (0, 1, 3, None),
        (1, 2, 3, None),
    ]
    assert run["pictures"][0]["similarities"] == {"clip": [0.5]}
    content = api.result(run["id"], 1)
    assert Image.open(io.BytesIO(content)).size == (6, 4)
    [file] = (tmp_path / run["id"]).glob("0001-*")
    assert (file.name, file.read_bytes()) == ("0001-a-fox-2.png", content)
    assert read_metadata(file)["settings"]["prompts"] == ["a fox"]


def test_a_seed_is_drawn_at_submission(api: Client) -> None:
    """Begun again, the run becomes the same picture."""
    seeds = {api.submit({"prompts": ["a"], "steps": 1})["settings"]["seed"] for _ in range(2)}
    assert len(seeds) == 2
    assert api.submit({"prompts": ["a"], "seed": None})["settings"]["seed"] is not None


def test_progress_of_the_run_at_hand(service: Service, api: Client, fake: Fake) -> None:
    fake.gate.clear()
    id, waiting = api.submit(settings_of(steps=5))["id"], api.submit(settings_of())["id"]
    wait_until(lambda: (api.run(id)["progress"] or {}).get("done") == 1)
    run = api.run(id)
    progress = run["progress"]
    assert (run["state"], progress["total"], progress["step"], progress["steps"]) == ("running", 5, 1, 5)
    assert (progress["losses"], progress["loss_step"]) == ([1.0], 1)
    assert progress["eta"] >= 0
    assert run["notices"] == ["loading model"]
    assert api.run(waiting)["ahead"] == 0
    assert get(service, "/api").json()["running"] == id
    shown = get(service, f"/api/runs/{id}/picture")
    assert Image.open(io.BytesIO(shown.content)).getpixel((0, 0)) == (51, 51, 51)
    again = get(service, f"/api/runs/{id}/picture", If_None_Match=shown.headers["etag"])
    assert (again.status_code, again.content) == (304, b"")
    assert get(service, f"/api/runs/{id}/picture?index=1").status_code == 404
    assert get(service, f"/api/runs/{id}/result").status_code == 409
    fake.gate.set()
    api.wait(id)
    final = get(service, f"/api/runs/{id}/picture", If_None_Match=shown.headers["etag"])
    assert final.status_code == 200
    assert final.content == get(service, f"/api/runs/{id}/result").content
    assert get(service, f"/api/runs/{id}/result?index=7").status_code == 404


def test_cancelling_keeps_what_there_is(api: Client, fake: Fake) -> None:
    fake.gate.clear()
    id = api.submit(settings_of(steps=100))["id"]
    wait_until(lambda: api.run(id)["progress"] and api.run(id)["progress"]["done"])
    api.cancel(id)
    fake.gate.set()
    run = api.wait(id)
    assert run["state"] == "cancelled"
    assert 1 <= run["pictures"][0]["steps"] < 100
    assert api.result(id)


def test_pausing_and_going_on(api: Client, fake: Fake) -> None:
    fake.gate.clear()
    id = api.submit(settings_of(steps=4))["id"]
    wait_until(lambda: api.run(id)["progress"] and api.run(id)["progress"]["done"])
    assert api.pause(id)["state"] == "paused"
    fake.gate.set()
    wait_until(lambda: api.run(id)["progress"]["done"] == 2)
    assert api.run(id)["state"] == "paused"
    assert api.resume(id)["state"] == "running"
    run = api.wait(id)
    assert (run["state"], run["pictures"][0]["steps"]) == ("done", 4)


def test_a_paused_run_leaves_the_device_to_others(tmp_path: Path) -> None:
    from fastclipgen.serving.limits import Limits

    fake = Fake()
    fake.gate.clear()
    with served(tmp_path, fake, limits=Limits(hold=1)) as service:
        api = client(service)
        first = api.submit(settings_of("first", steps=3))["id"]
        wait_until(lambda: api.run(first)["progress"] and api.run(first)["progress"]["done"])
        api.pause(first)
        fake.gate.set()
        second = api.submit(settings_of("second"))["id"]
        assert api.wait(second)["state"] == "done"
        run = api.run(first)
        assert (run["state"], run["pictures"], run["progress"]) == ("paused", [], None)
        api.resume(first)
        assert api.wait(first)["state"] == "done"
    assert fake.order == ["first", "second", "first"]


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"steps": 3}, "body 'settings.prompts': field required"),
        ({"prompts": []}, "expected a prompt or an image prompt"),
        ({"prompts": ["a"], "stepz": 3}, "unknown field 'settings.stepz'; did you mean 'steps'?"),
        ({"prompts": ["a"], "steps": "x"}, "body 'settings.steps': input should be a valid integer"),
        ({"prompts": ["a"], "steps": -1}, "body 'settings.steps': input should be greater than or equal to 0"),
        ({"prompts": ["a"], "init_weight": 1e99}, "body 'settings.init_weight': must be a number between"),
        ({"prompts": ["a"], "steps": 10**6}, "expected at most 10000 for steps on this server, got 1000000"),
        ({"prompts": ["a"], "keep_best": True, "ema": 0.5}, "keep_best and ema both decide"),
    ],
)
def test_mistakes_in_settings(service: Service, settings: dict[str, Any], sentence: str) -> None:
    answer = post(service, json={"settings": settings})
    assert (answer.status_code, list(answer.json())) == (422, ["error"])
    assert answer.json()["error"].startswith(sentence)
    assert "\n" not in answer.json()["error"]


@pytest.mark.parametrize(
    ("method", "path", "status", "sentence"),
    [
        ("GET", f"/api/runs/{NOBODY}", 404, "there is no run"),
        ("DELETE", f"/api/runs/{NOBODY}", 404, "there is no run"),
        ("GET", f"/api/runs/{NOBODY}/events", 404, "there is no run"),
        ("GET", f"/api/runs/{NOBODY}/result", 404, "there is no run"),
        ("POST", f"/api/runs/{NOBODY}/cancel", 404, "there is no run"),
        ("GET", "/api/runs/..%2f..%2fetc", 404, "there is nothing at"),
        ("GET", "/api/runs/xyz", 422, "path 'id': string should match pattern"),
        ("GET", "/api/runs?limit=0", 422, "query 'limit': input should be greater"),
        ("GET", "/api/runs?state=gone", 422, "query 'state': input should be"),
        ("GET", "/", 404, "there is nothing at '/'"),
        ("PUT", "/api/runs", 405, "PUT is not possible here; use"),
    ],
)
def test_mistakes_in_requests(service: Service, method: str, path: str, status: int, sentence: str) -> None:
    answer = httpx.request(method, service.address + path, timeout=20)
    assert (answer.status_code, list(answer.json())) == (status, ["error"])
    assert answer.json()["error"].startswith(sentence)


def test_bodies_that_are_none(service: Service) -> None:
    kind = {"Content-Type": "application/json"}
    broken = post(service, content=b'{"settings": ', headers=kind)
    assert (broken.status_code, broken.json()["error"][:25]) == (400, "expected a body of JSON, ")
    for content in (
        b"",
        b"[]",
        b"3",
        b"null",
        b'{"settings": []}',
        b"\xff\xfe",
        b'{"settings": {"prompts": ["\\ud800"]}}',
    ):
        answer = post(service, content=content, headers=kind)
        assert answer.status_code in (400, 422), (content, answer.text)
        assert list(answer.json()) == ["error"]
    deep = post(service, content=b"[" * 100_000, headers=kind)
    assert deep.status_code in (400, 422)
    # a form of another page could send this without asking
    plain = post(
        service, content=json.dumps({"settings": settings_of()}).encode(), headers={"Content-Type": "text/plain"}
    )
    assert plain.status_code == 422


def test_what_goes_wrong_with_a_run_is_told(api: Client, caplog: pytest.LogCaptureFixture) -> None:
    mistake, bug, fine = (api.submit(settings_of(steps=steps))["id"] for steps in (13, 14, 3))
    assert api.wait(fine)["state"] == "done"
    assert (api.run(mistake)["state"], api.run(mistake)["error"]) == ("failed", "thirteen steps of model cannot be")
    assert (api.run(bug)["state"], api.run(bug)["error"]) == (
        "failed",
        "the server failed to draw this run; its log says why",
    )
    assert "ZeroDivisionError" in caplog.text


def test_lists_pages_and_deletion(service: Service, api: Client, tmp_path: Path) -> None:
    ids = [api.submit(settings_of())["id"] for _ in range(3)]
    api.wait(ids[-1])
    page = api.runs(limit=2, client="me")
    assert [run["id"] for run in page["runs"]] == [ids[2], ids[1]]
    assert [run["id"] for run in api.runs(limit=2, before=page["next"])["runs"]] == [ids[0]]
    assert api.runs(client="other")["runs"] == []
    (tmp_path / ids[1] / "0000-a-fox-1.png").unlink()
    assert get(service, f"/api/runs/{ids[1]}/result").json()["error"].endswith("is gone")
    api.delete(ids[0])
    assert not (tmp_path / ids[0]).exists()
    assert (tmp_path / ids[2]).exists()
    with pytest.raises(Answer, match="there is no run"):
        api.run(ids[0])


def test_the_queue_is_limited(tmp_path: Path) -> None:
    from fastclipgen.serving.limits import Limits

    fake = Fake()
    fake.gate.clear()
    with served(tmp_path, fake, limits=Limits(client_queue=2)) as service:
        api = client(service)
        first = api.submit(settings_of())["id"]
        wait_until(lambda: api.run(first)["state"] == "running")
        api.submit(settings_of())
        api.submit(settings_of())
        full = post(service, json={"settings": settings_of()})
        assert (full.status_code, full.headers["retry-after"]) == (429, "5")
        assert post(service, json={"settings": settings_of()}, headers={"X-Client": "other"}).status_code == 201
        fake.gate.set()
