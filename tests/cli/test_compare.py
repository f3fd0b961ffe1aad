"""`fastclipgen compare`: options become entries; one run through the processes that draw."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fastclipgen.cli import compare, main, make_parser
from fastclipgen.config.texts import read_prompts
from fastclipgen.errors import UserError

TINY = (
    *("--clip", "builtin", "--size", "16", "--steps", "2", "--device", "cpu", "--seed", "3"),
    *("--set", "views=2", "--set", "starts=4", "--set", "tracks=1", "--set", "compile=off"),
)


def settings(*options: str) -> dict[str, Any]:
    return compare.settings_of(make_parser("compare").parse(["a", "-o", "x", *options]))


def test_options_become_settings() -> None:
    assert settings() == {}
    assert settings("--steps", "5", "--size", "32x16", "--clip", "a", "--clip", "b", "--set", "views=3") == {
        "steps": 5, "width": 32, "height": 16, "clip": ["a", "b"], "views": "3",
    }  # fmt: skip
    assert settings("--vqgan", "a.ckpt", "--clip-gen", "b.pt") == {"vqgan": "a.ckpt", "clip_gen": "b.pt"}
    with pytest.raises(UserError, match="'steps' is given by an option and by --set"):
        settings("--steps", "5", "--set", "steps=4")


def test_every_option_has_a_help_text() -> None:
    for action in make_parser("compare")._actions:
        assert action.help, action


def test_prompts_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "prompts.txt"
    path.write_text("\ufeff# a comment\n\n  a fox \n  # another\nan owl # at night\n", encoding="utf-8")
    assert read_prompts(str(path)) == ["a fox", "an owl # at night"]
    path.write_text("# nothing\n")
    with pytest.raises(UserError, match="holds no prompts"):
        read_prompts(str(path))
    for bad in (tmp_path / "none.txt", tmp_path):
        with pytest.raises(UserError, match="cannot read prompts from"):
            read_prompts(str(bad))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["a"], "the following arguments are required: -o/--out"),
        (["-o", "x"], "expected a prompt or --prompts-file"),
        (["a", "-o", "x", "--generators", "vea"], "unknown generator 'vea'; did you mean 'vae'"),
        (["a", "-o", "x", "--generators", "autoencoder"], "nothing of what is to be compared can draw here: .*PATH"),
        (["a", "-o", "x", "--entry", "v: vae stpes=3"], "unknown setting 'stpes'"),
        (["a", "-o", "x", "--set", "views=-1"], "setting 'views'"),
        (["a", "a", "-o", "x"], "the prompt 'a' is there twice"),
        (["a", "-o", "x", "--count", "0"], "whole number of 1 or more"),
    ],
)
def test_mistakes_are_one_sentence_and_leave_nothing(
    refused: Callable[..., str], arguments: list[str], sentence: str
) -> None:
    found = refused("compare", *arguments)
    with pytest.raises(UserError, match=sentence):
        raise UserError(found)


def test_two_entries_through_their_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One draws, one breaks while it loads; the second time only that one is tried again."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.ckpt").write_bytes(b"no checkpoint")
    (tmp_path / "prompts.txt").write_text("a red circle on a blue background\n")
    command = [
        "compare", "--prompts-file", "prompts.txt", *TINY, "-o", "out", "--entry", "pixels",
        "--entry", "broken: vqgan vqgan=bad.ckpt", "--entry", "nothing: autoencoder",
    ]  # fmt: skip
    for attempt in range(2):
        assert main(command) == 2
        out, err = capsys.readouterr()
        assert "'broken' was not finished (" in err.splitlines()[-1]
        assert "bad.ckpt" in err.splitlines()[-1]
        assert "'nothing' is left out: generator 'autoencoder' draws with weights from a file" in err
        assert ("1/2 pixels: is there already" if attempt else "1/2 pixels: one picture to draw") in err
        assert out == (tmp_path / "out" / "table.md").read_text()
    record = json.loads((tmp_path / "out" / "comparison.json").read_text())
    [picture, missing] = record["pictures"]
    assert picture["device"] == "cpu"
    assert picture["peak_bytes"] > 2**20
    assert missing["file"] is None
    assert list(record["unavailable"]) == ["nothing"]
    path = tmp_path / "out" / picture["file"]
    assert main(["rerun", str(path)]) == 0
    assert path.with_name(f"{path.stem.rpartition('-')[0]}-4.png").read_bytes()[-500:] == path.read_bytes()[-500:]
    # another question in the same folder, and the way out
    other = ["compare", "a green star", *TINY, "-o", "out", "--entry", "nothing: pixels"]
    assert main(other) == 2
    assert "was made with prompt 'a red circle on a blue background'" in capsys.readouterr().err
