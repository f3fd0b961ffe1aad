"""`fastclipgen serve`: what it refuses before it listens."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from fastclipgen.cli import main
from fastclipgen.cli.serve import TOKEN


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["serve", *arguments]) == 2
    return capsys.readouterr().err


def test_without_its_extra_it_names_it(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    plain = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *a: None if name == "uvicorn" else plain(name, *a))
    assert "serve needs uvicorn; install the extra: pip install 'fastclipgen[ui]'" in refused(capsys)


def test_beyond_this_machine_a_token_is_needed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.delenv(TOKEN, raising=False)
    assert f"set {TOKEN}" in refused(capsys, "--host", "0.0.0.0", "-o", str(tmp_path))
    monkeypatch.setenv(TOKEN, "short")
    said = refused(capsys, "--host", "0.0.0.0", "-o", str(tmp_path))
    assert "16 or more ASCII letters" in said
    assert not list(tmp_path.iterdir())


def test_limits_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert "unknown limit 'stepz'; did you mean 'steps'?" in refused(capsys, "--limit", "stepz=4")


def test_settings_reach_the_service(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from fastclipgen.serving import server

    made: list[Any] = []

    class Recorded:
        address = "http://127.0.0.1:1"

        def __init__(self, settings: server.Settings) -> None:
            made.append(settings)

        def run(self) -> None:
            made.append("run")

    monkeypatch.setattr(server, "Service", Recorded)
    monkeypatch.setenv(TOKEN, "a token of many letters")
    arguments = ["-o", str(tmp_path / "o"), "--models", str(tmp_path), "--limit", "steps=4", "--device", "cpu"]
    assert main(["serve", "--host", "::1", "--port", "0", *arguments]) == 0
    settings = made[0]
    assert made[1:] == ["run"]
    assert (settings.host, settings.port, settings.token) == ("::1", 0, "a token of many letters")
    assert (settings.folder, settings.models, settings.device) == (tmp_path / "o", tmp_path, "cpu")
    assert settings.limits.steps == 4
