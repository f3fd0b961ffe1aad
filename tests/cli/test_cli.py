"""Commands, exit codes and the ways in which arguments are mistaken."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable

import pytest

import fastclipgen
from fastclipgen.cli import COMMANDS, main, make_parser


def test_without_arguments_a_short_help(cli: Callable) -> None:
    done = cli()
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("usage: fastclipgen PROMPT")
    assert len(done.err.splitlines()) <= 6
    assert all(command in done.err for command in COMMANDS)


@pytest.mark.parametrize("command", [[], *([name] for name in COMMANDS), ["models", "get"], ["train", "vae"]])
def test_help_of_every_command(cli: Callable, command: list[str]) -> None:
    done = cli(*command, "--help")
    assert (done.code, done.err) == (0, "")
    name = "" if command in ([], ["generate"]) else "".join(f" {part}" for part in command)
    assert done.out.startswith(f"usage: fastclipgen{name} [-h]")


def test_help_names_the_other_commands(cli: Callable) -> None:
    text = cli("--help").out
    assert all(re.search(rf"^  {name} +\S", text, re.MULTILINE) for name in COMMANDS if name != "generate")


def test_version(cli: Callable) -> None:
    done = cli("--version")
    assert (done.code, done.out) == (0, f"fastclipgen {fastclipgen.__version__}\n")


def test_every_option_has_a_help_text() -> None:
    for command in ("generate", "rerun", "info"):
        for action in make_parser(command)._actions:
            assert action.help, action


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["x", "--stpes", "3"], "unknown option '--stpes'; did you mean '--steps'?; see fastclipgen --help"),
        (["x", "--n", "0"], "unknown option '--n'; did you mean '-n'?"),
        (["x", "--step=3"], "unknown option '--step'; did you mean '--steps'?"),
        (["x", "--zzzzzzzz"], "unknown option '--zzzzzzzz'; see fastclipgen --help"),
        (["x", "--steps"], "argument --steps: expected one argument; see fastclipgen --help"),
        (["x", "--steps", "many"], "argument --steps: expected a whole number, got 'many'"),
        (["x", "--lr", "fast"], "argument --learning-rate/--lr: expected a number, got 'fast'"),
        (["x", "--size", "64x"], "expected WIDTHxHEIGHT or one side in pixels, got '64x'"),
        (["x", "--quiet", "--json"], "argument --json: not allowed with argument --quiet"),
        (["rerun"], "the following arguments are required: FILE; see fastclipgen rerun --help"),
        (["rerun", "a.png", "b.png"], "unexpected argument 'b.png'; see fastclipgen rerun --help"),
        (["info"], "expected at least one picture, got none"),
        (["models", "get"], "the following arguments are required: NAME:TAG; see fastclipgen models get --help"),
        (["models", "gte", "x"], "invalid choice: 'gte'"),
        (["models", "--cachd"], "unknown option '--cachd'; did you mean '--cached'?; see fastclipgen models --help"),
        (["train"], "the following arguments are required: MODEL; see fastclipgen train --help"),
        (["train", "clip", "--stpes", "3"], "unknown option '--stpes'; did you mean '--steps'?"),
        (["doctor", "now"], "unexpected argument 'now'"),
    ],
)
def test_mistaken_arguments_are_one_sentence(refused: Callable, arguments: list[str], sentence: str) -> None:
    assert sentence in refused(*arguments)


def test_prompts_stand_anywhere() -> None:
    parse = make_parser("generate").parse
    assert parse(["a", "--steps", "3", "b", "--quiet", "c"]).prompts == ["a", "b", "c"]
    assert parse(["--steps", "3", "a", "b"]).prompts == ["a", "b"]
    assert parse(["a", "--steps", "3", "--", "--odd", "-x"]).prompts == ["a", "--odd", "-x"]
    assert parse(["--quiet"]).prompts == []
    assert parse(["-5", "- a list"]).prompts == ["-5", "- a list"]


def test_a_command_name_as_prompt() -> None:
    assert make_parser("generate").parse(["info"]).prompts == ["info"]


def test_errors_are_events_too_with_json(cli: Callable) -> None:
    done = cli("x", "--json", "--steps", "-1")
    assert done.code == 2
    assert done.event("error")["text"] in done.err
    assert len(done.events) == 1


def test_an_error_stays_one_line_without_escape_codes(refused: Callable) -> None:
    sentence = refused("x", "--generator", "a\nb\x1b[31m")
    assert "a\\nb\\x1b[31m" in sentence


def test_ctrl_c_outside_a_run(cli: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(args: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("fastclipgen.cli.doctor.run", interrupted)
    done = cli("doctor")
    assert (done.code, done.err) == (130, "fastclipgen: interrupted\n")


def test_a_reader_that_has_enough_ends_no_command_with_a_traceback() -> None:
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    for arguments in (["--help"], ["train", "clip", "--help"]):
        with subprocess.Popen(
            [sys.executable, "-m", "fastclipgen", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=buffered,
        ) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            process.stdout.close()
            assert process.stderr.read() == b""
        assert process.returncode == 0


def test_main_reads_the_command_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["fastclipgen", "--version"])
    assert main() == 0
    assert capsys.readouterr().out.startswith("fastclipgen ")


def test_letters_the_terminal_lacks_are_no_error() -> None:
    code = "from fastclipgen.cli import main; import sys, fastclipgen.cli.doctor as d; "
    code += "d.run = lambda args: print('z\\u00e9 \\u2665'); sys.exit(main(['doctor']))"
    done = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONIOENCODING": "ascii", "PATH": ""}, capture_output=True, text=True
    )
    assert done.stdout == "z\\xe9 \\u2665\n", done.stderr
