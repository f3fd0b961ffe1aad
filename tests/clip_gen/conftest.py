"""Settings of a run with tiny weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fastclipgen import api
from fastclipgen.clip_gen.job import SampleJob
from fastclipgen.config.run import make_config

from . import tiny


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, Any]:
    """Of generator clip-gen, with a transformer that can be guided."""
    transformer = tiny.write(tmp_path, "tiny.safetensors", guided=True)
    vqgan = tiny.write_vqgan(tmp_path)
    return {"clip_gen": str(transformer), "vqgan": str(vqgan), "seed": 5, "device": "cpu", "prompts": ["a red circle"]}


@pytest.fixture
def job(settings: dict[str, Any]) -> Callable[..., SampleJob]:
    """Makes a job, with other settings where they are given; `notes`: what gets its notices."""

    def make(notes: list[str] | None = None, **others: Any) -> SampleJob:
        notice: Any = print if notes is None else notes.append
        made = api.make_job(make_config({**settings, **others}), perceptors=[tiny.Eye()], notice=notice)
        assert isinstance(made, SampleJob)
        return made

    return make


Make = Callable[..., SampleJob]
