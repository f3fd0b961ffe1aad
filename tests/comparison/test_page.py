"""The sheet and the page: geometry, escaping, links that lead somewhere."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fastclipgen.comparison import page_parts, sheet
from fastclipgen.comparison.entries import Entry
from fastclipgen.comparison.page import page_of
from fastclipgen.comparison.plan import KEY, Plan
from fastclipgen.comparison.rows import Picture, summarize
from fastclipgen.comparison.sheet import SIDE, fitted, label, sheet_of, turned

from ..chromium import browsing, needed

EVIL = "<script>alert('x')</script>\"&"
RED, GREEN = (250, 0, 0), (0, 250, 0)


def plan_of(entries: int, prompts: int) -> Plan:
    made = tuple(Entry(f"e{n}", {"generator": "pixels"}) for n in range(entries))
    return Plan(tuple(f"prompt {n}" for n in range(prompts)), 1, 0, made, Path("out"))


def pictures_of(plan: Plan, height: int = 8, width: int = 8) -> list[Picture]:
    """Each as bright as its number."""
    slots = [slot for entry in plan.entries for slot in plan.slots(entry)]
    metadata = {"settings": {"generator": "pixels", "steps": 4}, KEY: {}}
    pixels = [np.full((height, width, 3), 10 * n, np.uint8) for n in range(len(slots))]
    return [Picture(slot, metadata, one, guide=12.34) for slot, one in zip(slots, pixels, strict=True)]


def greys(drawn: np.ndarray) -> list[list[int]]:
    """The grey of each cell of a sheet, by rows."""
    step = SIDE + 12
    left = np.arange(12 + step + SIDE // 2, drawn.shape[1], step)
    column = drawn[:, left[0], 0].astype(int)
    is_grey = (drawn[:, left[0]] == drawn[:, left[0], :1]).all(1) & (column < 200)
    tops = [y for y in np.flatnonzero(is_grey) if is_grey[y : y + SIDE].all() and not is_grey[max(0, y - 1)]]
    return [[int(drawn[y + SIDE // 2, x, 0]) for x in left] for y in tops]


def test_prompts_go_down_and_entries_across() -> None:
    plan = plan_of(3, 2)
    drawn = sheet_of(plan, pictures_of(plan), [])
    assert drawn.shape[1] == 12 + 4 * (SIDE + 12)  # the heads and three entries
    assert greys(drawn) == [[0, 20, 40], [10, 30, 50]]


def test_many_entries_go_down(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [turned(8, 2), turned(9, 2), turned(9, 9)] == [False, True, False]
    monkeypatch.setattr(sheet, "MOST_ACROSS", 2)
    plan = plan_of(3, 2)
    drawn = sheet_of(plan, pictures_of(plan), [])
    assert drawn.shape[1] == 12 + 3 * (SIDE + 12)
    assert greys(drawn) == [[0, 10], [20, 30], [40, 50]]


def test_pictures_fill_their_cells() -> None:
    assert fitted(np.zeros((16, 8, 3), np.uint8)).shape == (SIDE, SIDE // 2, 3)
    assert fitted(np.zeros((999, 1, 3), np.uint8)).shape == (SIDE, 1, 3)


def test_labels_have_the_scores_and_the_verdict() -> None:
    from fastclipgen.evaluation.judge import judge

    [one] = pictures_of(plan_of(1, 1))
    black = judge(np.zeros((32, 32, 3), np.uint8), "circle", "red", "black")
    changed = Picture(one.slot, one.metadata, one.pixels, 12.34, {"J": 5.0}, black, True)
    assert label(changed, ["J", "K"]) == "guide 12.3, J 5.0, wrong, noise"
    assert label(Picture(one.slot), ["J"]) == "not drawn"


class Reader(HTMLParser):
    """Collects tags, links and texts, and whether every tag is closed in its order."""

    VOID = ("meta", "img", "br")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.texts: list[str] = []
        self.scripts = 0
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open += [] if tag in self.VOID else [tag]
        self.scripts += tag == "script"
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def page(plan: Plan, pictures: list[Picture]) -> str:
    rows = len(plan.prompts)
    summaries = [summarize(pictures[n : n + rows], [EVIL]) for n in range(0, len(pictures), rows)]
    failed = summarize([Picture(pictures[0].slot)], [], failure=f"failed {EVIL}")
    return page_of(plan, pictures, [*summaries, failed], [EVIL], {EVIL: EVIL}, {"e0": EVIL}, {"on": EVIL})


def test_every_text_is_escaped() -> None:
    entry = Entry(EVIL, {"generator": "pixels"})
    plan = Plan((EVIL,), 1, 0, (entry,), Path("out"))
    read = Reader(page(plan, pictures_of(plan)))
    assert read.open == []
    assert read.scripts == 1  # ours
    assert sum(EVIL in text for text in read.texts) >= 6


def test_links_lead_to_the_pictures() -> None:
    entry = Entry("a b", {"generator": "pixels"})
    plan = Plan(("émile 100 %", "x"), 1, 0, (entry,), Path("out"))
    pictures = [*pictures_of(plan)[:1], Picture(plan.slots(entry)[1])]
    read = Reader(page(plan, pictures))
    place = "pictures/a-b/%C3%A9mile-100-0.png"
    assert read.links == ["sheet.png", "table.csv", "comparison.json", place, place]
    assert read.texts.count("not drawn") == 1


def test_the_page_needs_nothing_else() -> None:
    plan = plan_of(2, 2)
    text = page(plan, pictures_of(plan))
    assert "http" not in text
    assert "prefers-color-scheme" in text
    assert 'name="viewport"' in text


@pytest.mark.skipif(shutil.which("node") is None, reason="material: no node to run the page's script")
def test_rows_are_sorted_by_a_click() -> None:
    rows = [["b", "2"], ["a", ""], ["c", "10"]]
    stub = """
const make = values => ({cells: values.map(value => ({dataset: {value}}))});
const body = {rows: ROWS.map(make), append(...rows) { this.rows = rows; }};
const heads = [0, 1].map(() => ({attributes: {}, closest: () => ({tBodies: [body]}),
  getAttribute(n) { return this.attributes[n] ?? null; }, setAttribute(n, v) { this.attributes[n] = v; },
  removeAttribute(n) { delete this.attributes[n]; }}));
const row = {children: heads};
const buttons = heads.map(head => { head.parentElement = row;
  return {parentElement: head, addEventListener(_, f) { this.click = f; }}; });
const document = {querySelectorAll: () => buttons};
SCRIPT
const shown = () => body.rows.map(one => one.cells[0].dataset.value).join("");
const seen = [];
for (const n of [1, 1, 0]) { buttons[n].click(); seen.push(shown()); }
console.log(JSON.stringify(seen));
"""
    program = stub.replace("ROWS", json.dumps(rows)).replace("SCRIPT", page_parts.SCRIPT)
    done = subprocess.run(["node", "-e", program], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == ["cba", "bca", "cba"]


@needed
@pytest.mark.slow
def test_pictures_are_shown_alike_whatever_their_size(tmp_path: Path) -> None:
    plan = replace(plan_of(2, 1), folder=tmp_path)
    pictures = [*pictures_of(plan, 8, 8)[:1], *pictures_of(plan, 192, 192)[1:]]
    for one in pictures:
        assert one.pixels is not None
        one.slot.path.parent.mkdir(parents=True)
        Image.fromarray(one.pixels).save(one.slot.path)
    (tmp_path / "index.html").write_text(page(plan, pictures), encoding="utf-8")
    with browsing() as browser:
        shown = browser.new_page(viewport={"width": 1200, "height": 800})
        shown.goto((tmp_path / "index.html").as_uri())
        sizes = shown.locator("figure img").evaluate_all("all => all.map(one => [one.offsetWidth, one.offsetHeight])")
    assert sizes[0] == sizes[1]
    assert sizes[0][0] == sizes[0][1] > 100
