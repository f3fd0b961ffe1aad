"""The studio in a browser."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..chromium import PATIENCE

EXPECTED = (
    # a picture that is asked for before there is one
    "Failed to load resource: the server responded with a status of 404",
    # Chromium gives what is written over a selection the look of that, which the page's policy forbids it
    "Applying inline style violates",
)


@contextmanager
def opened(browser: Any, address: str, **options: Any) -> Iterator[Any]:
    """A page of a browser that knows nothing yet. What it complains of fails the test."""
    context = browser.new_context(**{"viewport": {"width": 1400, "height": 850}, **options})
    page, complaints = context.new_page(), []
    page.set_default_timeout(PATIENCE)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda line: complaints.append(line.text) if line.type == "error" else None)
    page.goto(address)
    page.get_by_role("tab").first.wait_for()
    yield page
    context.close()
    complaints = [line for line in complaints if not line.startswith(EXPECTED)]
    assert not complaints, complaints


def text_of(page: Any) -> str:
    """What the editor holds."""
    return "\n".join(page.locator(".cm-line").all_inner_texts()).replace("\u200b", "")


def write(page: Any, text: str) -> None:
    """As if a user had pasted it over everything."""
    page.locator(".cm-content").click()
    page.keyboard.press("Control+a")
    page.keyboard.insert_text(text)


def saved_files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*/saved-*"))
