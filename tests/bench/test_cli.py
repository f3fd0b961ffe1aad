"""`fastclipgen bench`, which is the same as `python -m bench.SUITE`."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

import pytest

from bench import cli
from fastclipgen.cli.parser import Parser

ROOT = Path(__file__).resolve().parents[2]


def parsed(*arguments: str) -> argparse.Namespace:
    parser = Parser(prog="x")
    cli.add_arguments(parser)
    return parser.parse(arguments)


def test_every_suite_has_options_with_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli._OPTIONS.keys() == cli.SUITES.keys()
    for suite in cli.SUITES:
        parser = Parser(prog=suite)
        cli._OPTIONS[suite](parser)
        assert all(action.help for action in parser._actions), suite
        with pytest.raises(SystemExit):
            parsed(suite, "--help")
    assert "usage: x ops" in capsys.readouterr().out


def test_settings_hold_what_was_asked_for_and_nothing_else() -> None:
    assert cli.settings(parsed("loops")) == {"device": "auto"}
    asked = parsed("loops", "--size", "64", "--clip", "a", "--clip", "b", "--views", "3", "--precision", "bf16")
    assert cli.settings(asked) == {
        "device": "auto", "clip": ["a", "b"], "views": 3, "precision": "bf16", "width": 64, "height": 64,
    }  # fmt: skip


def test_loads_nothing_heavy_before_a_suite_runs() -> None:
    code = "import sys, bench.cli; print(sorted({'torch', 'numpy', 'pydantic', 'open_clip'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr


def test_publish_runs_as_a_command_and_as_a_module() -> None:
    for command in (["-m", "fastclipgen", "bench", "publish"], ["-m", "bench.publish"]):
        done = subprocess.run([sys.executable, *command, "--check"], cwd=ROOT, capture_output=True, text=True)
        assert (done.returncode, done.stdout) == (0, "bench/README.md is up to date\n"), done.stderr
