from __future__ import annotations

import argparse
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest

from bench import publish, results
from bench.chart import Bar, bars
from bench.machine import checkout
from bench.schema import READER
from fastclipgen.errors import UserError


@pytest.fixture
def tree(tmp_path: Path, reports: Any, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with a report of every suite for a CPU and a GPU."""
    for device in ("cpu", "cuda"):
        for values in reports(device).values():
            results.write(READER.validate_python(values), tmp_path / "bench" / "results")
    monkeypatch.setattr(publish, "checkout", lambda: tmp_path)
    return tmp_path


def test_what_is_committed_is_what_the_results_give() -> None:
    root = checkout()
    assert root is not None
    assert publish.stale(root / "bench", publish.files()) == [], "run: fastclipgen bench publish"


def test_every_report_has_a_section_a_chart_and_its_gaps(tree: Path) -> None:
    made = publish.files(tree / "bench" / "results")
    text = made["README.md"]
    assert text.count("\n## ") == 22
    assert "## Ops: NVIDIA Z9, version 0.1.0" in text
    assert "commit 000000000000" in text
    assert text.count("- CUDA graph: no such device") == 22
    assert "**2.00**" in text  # what the package takes
    assert "2.00x (1.00-3.00)" in text
    assert "Drawn as asked, engine: colours 100%, shapes 50%." in text
    for name in ("results/0.1.0/ops--cpu-2-cores.svg", "results/0.1.0/ladder--nvidia-z9.svg"):
        assert name in text
        assert name in made
    cpu = text[text.index("## Loops: p,") : text.index("## Loops: NVIDIA")]
    assert "a picture" not in cpu  # no seconds of a CPU
    assert "1.50 s" in text
    assert (
        "| `best` | ViT-B-32 | 256 | 16 | 200 | 2.00x (1.00-3.00) | 2.0x | 1 MiB | 1.00 | 1024 MiB | 2000.0 |" in text
    )
    assert "Captions of 30 pictures, 15 of them different" in text
    assert "| cache | 2.00x (1.00-3.00) | 2 KiB | 0.0e+00 | 2000.000 |" in text
    assert "Two workers on one store: 2.00x (1.00-3.00) as fast as one." in text
    assert "| calls | 16 | 2.00x (1.00-3.00) | 30.0 |" in text  # pictures a minute of a GPU
    assert "with 1/16 of the pixels and of the views" in text


def test_publishing_writes_what_changed_and_removes_what_has_no_report(tree: Path, capsys: Any) -> None:
    home, check = tree / "bench", argparse.Namespace(check=True)
    assert publish.run(check) == 1
    assert not (home / "README.md").exists()
    assert publish.run(argparse.Namespace(check=False)) == 0
    assert publish.run(check) == 0
    (home / "results" / "0.1.0" / "ops--old.svg").write_text("<svg/>", encoding="utf-8")
    (home / "README.md").write_text("edited by hand", encoding="utf-8")
    capsys.readouterr()
    assert publish.run(check) == 1
    assert capsys.readouterr().out.splitlines() == [
        "not up to date: bench/README.md",
        "not up to date: bench/results/0.1.0/ops--old.svg",
    ]
    assert publish.run(argparse.Namespace(check=False)) == 0
    assert publish.run(check) == 0
    assert not (home / "results" / "0.1.0" / "ops--old.svg").exists()


def test_mistakes_are_explained(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tree / "bench" / "results" / "0.1.0" / "x.json").write_text("{}", encoding="utf-8")
    with pytest.raises(UserError, match="is no report of a bench"):
        publish.files(tree / "bench" / "results")
    monkeypatch.setattr(publish, "checkout", lambda: None)
    with pytest.raises(UserError, match="this copy is installed"):
        publish.run(argparse.Namespace(check=True))


def test_bars_are_as_long_as_their_values() -> None:
    text = bars("a <title>", "x", [Bar("one & only", 2.0, 1.0, 3.0), Bar("half", 1.0, 0.9, 1.1)], mark=1.0)
    root = ElementTree.fromstring(text)
    widths = [float(part.attrib["width"]) for part in root.iter() if "y" in part.attrib and "width" in part.attrib]
    assert widths[0] == pytest.approx(2 * widths[1])
    shown = [part.text for part in root.iter() if part.text and part.text.strip()]
    assert {"a <title>", "one & only", "2x", "1x"} <= set(shown)
    right = max(float(number) for path in root.iter() if (d := path.attrib.get("d")) for number in d.split("H")[1:])
    assert right <= float(root.attrib["width"])  # a whisker beyond the scale is cut
    assert ElementTree.fromstring(bars("nothing", "x", [])) is not None
