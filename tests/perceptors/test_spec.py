"""`--clip NAME[:TAG|:PATH][@WEIGHT]`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from fastclipgen.errors import UserError
from fastclipgen.perceptors.spec import ClipSpec, parse_clip


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("auto", ClipSpec("auto")),
        ("builtin@0.5", ClipSpec("builtin", weight=0.5)),
        ("ViT-B-32", ClipSpec("ViT-B-32")),
        (" RN50:openai@-2 ", ClipSpec("RN50", tag="openai", weight=-2.0)),
        ("ViT-L/14@336px:openai", ClipSpec("ViT-L/14@336px", tag="openai")),
        ("RN50:w.pt", ClipSpec("RN50", path=Path("w.pt"))),
        ("RN50:W.SafeTensors@2", ClipSpec("RN50", path=Path("W.SafeTensors"), weight=2.0)),
        ("RN50:a/b@3.pt", ClipSpec("RN50", path=Path("a/b@3.pt"))),
        ("RN50:/x:y/w.bin@1e-1", ClipSpec("RN50", path=Path("/x:y/w.bin"), weight=0.1)),
        ("RN50:~/w", ClipSpec("RN50", path=Path.home() / "w")),
        ("hf-hub:org/model@0.25", ClipSpec("hf-hub:org/model", weight=0.25)),
        ("local-dir:/a:b", ClipSpec("local-dir:/a:b")),
    ],
)
def test_parse(text: str, spec: ClipSpec):
    assert parse_clip(text) == spec


def test_bare_word_is_a_path_only_where_such_a_file_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    assert parse_clip("RN50:mine").tag == "mine"
    (tmp_path / "mine").touch()
    assert parse_clip("RN50:mine").path == Path("mine")
    (tmp_path / "openai").mkdir()
    assert parse_clip("RN50:openai").tag == "openai"


@pytest.mark.parametrize("weight", ["nan", "inf", "-inf", "0", "-0.0"])
def test_weight_must_be_finite_and_not_zero(weight: str):
    with pytest.raises(UserError, match=f"finite number other than 0, got {weight}"):
        parse_clip(f"RN50:openai@{weight}")


@pytest.mark.parametrize("text", ["", ":openai", "RN50:", "RN50:@2", "@2", "hf-hub:", "auto:openai", "builtin:w.pt"])
def test_missing_or_surplus_parts(text: str):
    with pytest.raises(UserError, match="write "):
        parse_clip(text)


def test_label():
    assert [parse_clip(t).label for t in ("RN50", "RN50:openai@2", "RN50:a/w.pt")] == [
        "RN50",
        "RN50:openai",
        "RN50:a/w.pt",
    ]


def test_options_are_read_without_torch():
    code = (
        "import sys, argparse; from fastclipgen.perceptors import parse_clip, catalog; parse_clip('RN50');"
        "catalog.add_arguments(argparse.ArgumentParser()); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
