"""The studio's page in a real browser, with the built-in CLIP."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from fastclipgen.jobs.store import Finished, Store
from fastclipgen.outputs.metadata import read_metadata

from ..chromium import browsing, needed
from .chromium import opened, saved_files, text_of, write
from .drawing import TOKEN, Fake, served, wait_until
from .recipes import TINY, tiny
from .test_batches import batch

pytestmark = [needed, pytest.mark.slow]
LONG = tiny(epochs=9000, resolution="32 32")
DROP = """([name, type, data]) => {
  const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
  const dropped = new DataTransfer();
  dropped.items.add(new File([bytes], name, { type }));
  document.dispatchEvent(new DragEvent("drop", { dataTransfer: dropped, bubbles: true, cancelable: true }));
}"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("studio")


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    given = folder / "given.yaml"
    given.write_text(TINY)
    with served(folder, device="cpu", opened=(given,)) as service:
        yield service.address


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with browsing() as found:
        yield found


@pytest.fixture
def page(browser: Any, address: str) -> Iterator[Any]:
    with opened(browser, address) as found:
        yield found


@pytest.fixture(autouse=True)
def nothing_is_left(address: str) -> Iterator[None]:
    yield
    for run in httpx.get(f"{address}/api/runs", timeout=60).json()["runs"]:
        if run["state"] in ("queued", "running", "paused"):
            httpx.post(f"{address}/api/runs/{run['id']}/cancel", timeout=60)


def newest(address: str) -> dict[str, Any]:
    return httpx.get(f"{address}/api/runs?limit=1", timeout=60).json()["runs"][0]


def test_a_picture_is_watched_changed_and_saved(page: Any, address: str, folder: Path) -> None:
    write(page, LONG)
    page.get_by_label("Prompt", exact=True).fill("a green star: on black")
    page.get_by_role("button", name="Start").click()
    below, stage = page.locator(".below"), page.locator(".stage")
    below.wait_for()
    first = stage.screenshot()
    wait_until(lambda: stage.screenshot() != first, 60)

    # another weight while it runs
    run = newest(address)
    assert "a green star: on black" in run["experiment"]
    assert page.get_by_role("button", name="Update").is_disabled()
    changed = text_of(page).replace("weight: 1", "weight: 2.5")
    write(page, changed)
    page.keyboard.press("Control+Enter")
    page.locator("#log", has_text="updated at step").wait_for()
    after = newest(address)
    assert (after["id"], after["state"], "weight: 2.5" in after["experiment"]) == (run["id"], "running", True)
    assert after["progress"]["step"] >= run["progress"]["step"]
    page.get_by_role("button", name="Update").and_(page.locator(":disabled")).wait_for()

    page.keyboard.press("Control+s")
    page.locator("#log a").first.wait_for()
    png, text = saved_files(folder)
    assert (png.suffix, text.suffix) == (".png", ".yaml")
    assert read_metadata(png)["experiment"] == text.read_text()
    assert "weight: 2.5" in text.read_text()
    assert "a green star: on black" in text.read_text()

    page.get_by_role("button", name="Pause").click()
    page.locator("#state", has_text="paused").wait_for()
    page.get_by_role("button", name="Resume").click()
    page.locator("#state", has_text="running").wait_for()
    page.get_by_role("button", name="Stop").click()
    page.locator("#state", has_text="cancelled").wait_for()
    assert page.get_by_role("button", name="Start").is_enabled()

    # the picture that was saved, dropped in: its settings come back
    content = base64.b64encode(png.read_bytes()).decode()
    page.evaluate(DROP, [png.name, "image/png", content])
    page.get_by_role("tab", name=png.stem).wait_for()
    assert text_of(page).strip() == text.read_text().strip()


def test_form_and_text_stay_in_step(page: Any) -> None:
    write(page, TINY)
    assert page.get_by_label("Prompt", exact=True).input_value() == "a red circle"
    page.get_by_label("Steps").fill("12")
    page.get_by_label("Seed").fill("5")
    page.get_by_label("Prompt", exact=True).fill("yes")  # which YAML would read as true
    text = text_of(page)
    assert text.startswith("# a comment\nmodel: builtin\nepochs: 12\nresolution: 16\n")
    assert "seed: 5" in text
    page.get_by_label("Seed").fill("")
    assert "seed" not in text_of(page)
    page.locator("#summary", has_text="12 steps, 1 picture: yes").wait_for()
    write(page, TINY.replace("a red circle", "[a red circle, a blue one]"))
    assert page.get_by_label("Prompt", exact=True).is_disabled()


def test_mistakes_are_shown_at_their_lines(page: Any) -> None:
    write(page, TINY.replace("text:", "txt:"))
    page.locator("#mistake", has_text="line 8: unknown key 'txt' in targets[0].features[0]; did you mean").wait_for()
    assert page.locator(".cm-lintRange-error").inner_text() == "txt: a red circle"
    assert page.get_by_role("button", name="Start").is_disabled()
    write(page, TINY)
    page.locator("#summary", has_text="4 steps").wait_for()
    assert page.get_by_role("button", name="Start").is_enabled()


def test_what_there_is_to_write_is_offered(page: Any) -> None:
    write(page, TINY + "  transforms:\n  - rando")
    page.keyboard.press("Control+Space")
    page.locator(".cm-tooltip-autocomplete", has_text="random_rotate").wait_for()
    page.keyboard.press("Escape")
    write(page, TINY + "optimizer: ")
    page.keyboard.press("Control+Space")
    page.locator(".cm-tooltip-autocomplete", has_text="rmsprob").wait_for()


def test_closing_the_page_ends_nothing(browser: Any, address: str) -> None:
    with opened(browser, address) as page:
        write(page, LONG)
        page.get_by_role("button", name="Start").click()
        page.locator("#state", has_text="running").wait_for()
    id, step = newest(address)["id"], newest(address)["progress"]["done"]
    wait_until(lambda: newest(address)["progress"]["done"] > step, 60)
    with opened(browser, address) as page:  # another browser
        page.get_by_role("tab").nth(1).click()  # behind the file of the command line
        page.locator(".below").wait_for()
        page.locator("#state", has_text="running").wait_for()
        assert text_of(page).strip() == LONG.strip()
        page.get_by_role("button", name="Stop").click()
        page.locator("#state", has_text="cancelled").wait_for()
        page.get_by_role("button", name="History").click()
        page.locator(".runs img:visible").first.wait_for()
        assert newest(address)["id"] == id
    with opened(browser, address) as page:  # how it went is still to be seen
        page.get_by_role("button", name="History").click()
        page.get_by_role("button", name="Open").first.click()
        page.locator("#state", has_text="cancelled").wait_for()
        page.locator("output[data-of=loss]").filter(has_text=".").wait_for()
        page.get_by_role("combobox", name="Compare with").focus()
        page.locator("option[value=start]").wait_for(state="attached")
        page.get_by_role("combobox", name="Compare with").select_option("start")
        page.locator(".above").wait_for()


def test_a_late_answer_does_not_undo_what_the_stream_told(page: Any) -> None:
    held: list[Any] = []
    page.route("**/cancel", lambda route: held.append((route, route.fetch())))
    write(page, LONG)
    page.get_by_role("button", name="Start").click()
    page.locator("#state", has_text="running").wait_for()
    page.get_by_role("button", name="Stop").click()
    page.locator("#state", has_text="cancelled").wait_for()
    [(route, answer)] = held
    assert answer.json()["state"] == "running"  # as it was when the request came
    with page.expect_response("**/cancel"):
        route.fulfill(response=answer)
    page.wait_for_timeout(300)
    assert page.locator("#state").inner_text() == "cancelled"


def test_zoom_tiles_and_comparison(page: Any, address: str) -> None:
    write(page, tiny(resolution="32 32", epochs=9000))
    page.get_by_role("button", name="Start").click()
    below, above = page.locator(".below"), page.locator(".above")
    below.wait_for()
    page.get_by_label("Tiles").fill("3")
    page.get_by_label("Zoom").fill("200")
    assert below.evaluate("one => [one.offsetWidth, one.style.backgroundSize]") == [192, "64px 64px"]
    page.get_by_role("combobox", name="Compare with").focus()
    page.locator("option[value=start]").wait_for(state="attached")
    page.get_by_role("combobox", name="Compare with").select_option("start")
    above.wait_for()
    page.get_by_label("Reveal").fill("25")
    assert above.evaluate("one => one.style.clipPath") == "inset(0px 75% 0px 0px)"
    page.get_by_text("What CLIP sees").click()
    page.get_by_role("button", name="Look at the next step").click()
    page.get_by_text("1 frames of step").wait_for()


def test_nothing_comes_from_elsewhere(address: str) -> None:
    answer = httpx.get(address, timeout=60)
    assert "default-src 'self'" in answer.headers["content-security-policy"]
    assert "unsafe" not in answer.headers["content-security-policy"]
    for name in ("%2e%2e/studio.py", "../studio.py", "..%2fstudio.py"):
        assert httpx.get(f"{address}/{name}", timeout=60).status_code in (403, 404)


def test_with_a_token_the_page_asks_for_it(browser: Any, tmp_path: Path) -> None:
    with served(tmp_path, device="cpu", opened=(), token=TOKEN) as service:
        assert httpx.get(f"{service.address}/api", timeout=60).status_code == 401
        assert httpx.get(f"{service.address}/api/studio", timeout=60).status_code == 401
        context = browser.new_context()
        page = context.new_page()
        page.goto(service.address)
        page.get_by_label("This server needs its token").fill(TOKEN)
        page.get_by_role("button", name="Go on").click()
        page.locator("#server", has_text="idle").wait_for()
        context.close()


def test_a_batch_is_shown_while_it_grows(browser: Any, tmp_path: Path) -> None:
    folder = tmp_path / "lent" / "one"
    folder.parent.mkdir()
    batch(folder, ["a Red fox", "a blue fox", "a red hen"])
    for number in (1, 2, 3):
        Image.new("RGB", (8, 8), "red").save(folder / f"{number}.png")
    with (
        served(tmp_path / "runs", Fake(), opened=(), batches=folder.parent) as service,
        opened(browser, service.address) as page,
    ):
        page.get_by_role("button", name="Batches").click()
        entries = page.locator("#batches li")
        page.get_by_text("2 of 3 pictures").wait_for()
        wait_until(lambda: page.locator("#batches li img:visible").count() == 2, 60)
        page.get_by_label("Find in prompts").fill("red")
        wait_until(lambda: entries.count() == 2, 60)
        store = Store(folder)
        with store.change():
            store.settle([Finished(3, "3.png", 0.5, 1.0)])
        store.close()
        page.get_by_text("3 of 3 pictures").wait_for()
        wait_until(lambda: page.locator("#batches li img:visible").count() == 2, 60)
        page.get_by_label("State").select_option("waiting")
        wait_until(lambda: entries.count() == 0, 60)
