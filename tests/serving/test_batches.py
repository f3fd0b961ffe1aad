"""Folders of batches behind HTTP: what is seen of them, and that nothing else is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from fastclipgen.jobs.items import Item
from fastclipgen.jobs.store import Finished, Store

from .drawing import Fake, served


def batch(folder: Path, prompts: list[str]) -> None:
    """All but the last picture are done."""
    folder.mkdir()
    store = Store(folder)
    items = [Item(f"k{n}", "{}", prompt, n, n + 1) for n, prompt in enumerate(prompts)]
    store.add(items, [])
    with store.change():
        store.settle([Finished(n, f"{n}.png", 0.5, 1.0) for n in range(1, len(prompts))])
    for n in range(1, len(prompts)):
        (folder / f"{n}.png").write_bytes(b"picture %d" % n)
    store.close()


@pytest.fixture
def http(tmp_path: Path) -> Iterator[httpx.Client]:
    lent = tmp_path / "lent"
    lent.mkdir()
    batch(lent / "one", ["a Red fox", "a blue fox", "a red hen"])
    batch(tmp_path / "other", ["x", "y"])
    (lent / "empty").mkdir()
    (lent / "link").symlink_to(tmp_path / "other")
    with served(tmp_path / "runs", Fake(), batches=lent) as service, httpx.Client(base_url=service.address) as found:
        yield found


def test_batches_and_their_pictures(http: httpx.Client, tmp_path: Path) -> None:
    [one] = http.get("/api/batches").json()
    assert (one["name"], one["total"], one["done"], one["waiting"]) == ("one", 3, 2, 1)
    found = http.get("/api/batches/one", params={"find": "RED"}).json()["items"]
    assert [(item["prompt"], item["state"]) for item in found] == [("a Red fox", "done"), ("a red hen", "waiting")]
    assert [item["number"] for item in http.get("/api/batches/one?state=waiting").json()["items"]] == [3]
    page = http.get("/api/batches/one?limit=2").json()
    assert (len(page["items"]), page["next"]) == (2, 2)
    rest = http.get("/api/batches/one?limit=2&after=2").json()
    assert ([item["number"] for item in rest["items"]], rest["next"]) == ([3], None)
    assert http.get("/api/batches/one/pictures/2").content == b"picture 2"
    assert http.get("/api/batches/one/manifest").status_code == 404
    (tmp_path / "lent" / "one" / "manifest.jsonl").write_text("{}\n")
    assert http.get("/api/batches/one/manifest").text == "{}\n"


@pytest.mark.parametrize("name", ["other", "link", "empty", "..", "%2e%2e", "..%2Fother", "."])
def test_what_is_no_batch_of_the_folder_is_not_there(http: httpx.Client, name: str) -> None:
    assert http.get(f"/api/batches/{name}/pictures/1").status_code == 404


def test_a_picture_elsewhere_is_not_shown(http: httpx.Client, tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_bytes(b"secret")
    store = Store(tmp_path / "lent" / "one")
    with store.change():
        store.settle([Finished(3, "../../secret.png", 0.5, 1.0)])
    store.close()
    assert http.get("/api/batches/one/pictures/3").status_code == 404
    assert http.get("/api/batches/one/pictures/4").status_code == 404
