"""The pictures of docs/studio.md: drives the studio in Chromium and photographs it.

    python scripts/studio_pictures.py [--address http://127.0.0.1:8765] [--out docs/studio]

Needs Debian's chromium and Playwright. --address: of a studio that runs already; else one is started, with a folder of
its own.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import shutil
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import sync_playwright

TEXT = """\
# a circle, and nothing of a star
epochs: 400
resolution: 96
model: builtin
generator: stack
learnrate: 4
targets:
  - name: scene
    batch_size: 4
    features:
      - text: a red circle on a blue background
      - text: a green star
        weight: -.3
    transforms:
      - random_shift: -.15 .15
"""
FRAMES, MOST, WIDTH = 20, 1_000_000, 720


@contextlib.contextmanager
def studio(address: str | None) -> Iterator[str]:
    if address:
        yield address
        return
    from fastclipgen.serving.server import Service, Settings

    with tempfile.TemporaryDirectory() as folder:
        service = Service(Settings(folder=Path(folder), port=0, opened=()))
        thread = threading.Thread(target=service.run)
        thread.start()
        try:
            yield service.address
        finally:
            service.stop()
            thread.join()


def write(page: Any, text: str) -> None:
    page.locator(".cm-content").click()
    page.keyboard.press("Control+a")
    page.keyboard.insert_text(text)


def photograph(page: Any, out: Path) -> None:
    write(page, TEXT.replace("random_shift", "random_shft") + "optimizer: ")
    page.locator("#mistake", has_text="line").wait_for()
    page.keyboard.press("Control+Space")
    page.locator(".cm-tooltip-autocomplete").wait_for()
    page.screenshot(path=out / "editor.png", clip={"x": 0, "y": 0, "width": 700, "height": 800})
    page.keyboard.press("Escape")
    write(page, TEXT)
    page.locator("#summary", has_text="400 steps").wait_for()
    page.get_by_role("button", name="Start").click()
    frames = [page.screenshot() for _ in moments(page, FRAMES, 100)]
    page.get_by_text("What CLIP sees").click()
    page.get_by_role("button", name="Look at the next step").click()
    page.get_by_text("frames of step").wait_for()
    page.keyboard.press("Control+s")
    page.locator("#log a").first.wait_for()
    page.screenshot(path=out / "run.png")
    page.get_by_role("combobox", name="Compare with").focus()
    page.locator("option[value=start]").wait_for(state="attached")
    page.get_by_role("combobox", name="Compare with").select_option("start")
    page.locator(".above").wait_for()
    page.get_by_label("Reveal").fill("50")
    page.screenshot(path=out / "compare.png", clip={"x": 460, "y": 90, "width": 572, "height": 710})
    page.get_by_role("button", name="Stop").click()
    page.locator("#state", has_text="cancelled").wait_for()
    page.get_by_role("button", name="History").click()
    page.locator(".runs img:visible").first.wait_for()
    page.screenshot(path=out / "history.png", clip={"x": 0, "y": 0, "width": 1360, "height": 480})
    animate(frames, out / "studio.webp")  # last: it takes longer than the run


def moments(page: Any, count: int, last: int) -> Iterator[int]:
    """Waits for steps of the run, evenly spread until `last`."""
    reached = "step => Number(/step (\\d+)/.exec(document.querySelector('#state').textContent)?.[1] ?? 0) >= step"
    for place in range(count):
        page.wait_for_function(reached, arg=1 + place * last // count)
        yield place


def animate(frames: list[bytes], path: Path) -> None:
    """At the best quality at which the film is small enough."""
    pictures = [Image.open(io.BytesIO(frame)).convert("RGB") for frame in frames]
    height = round(WIDTH * pictures[0].height / pictures[0].width)
    small = [picture.resize((WIDTH, height), Image.Resampling.LANCZOS) for picture in pictures]
    for quality in (80, 60, 40, 25):
        small[0].save(path, save_all=True, append_images=small[1:], duration=250, loop=0, quality=quality, method=2)
        if path.stat().st_size <= MOST:
            return


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--address")
    parser.add_argument("--out", type=Path, default=Path("docs/studio"))
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    with studio(args.address) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1360, "height": 800})
        page.set_default_timeout(300_000)
        page.goto(address)
        page.get_by_role("tab").first.wait_for()
        photograph(page, args.out)
        browser.close()


if __name__ == "__main__":
    main()
