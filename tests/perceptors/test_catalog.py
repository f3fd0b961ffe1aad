"""`fastclipgen models`: what there is, what is cached, and fetching."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fastclipgen.errors import UserError
from fastclipgen.perceptors import catalog, hub

from .conftest import config


def command(*words: str) -> int:
    parser = argparse.ArgumentParser()
    catalog.add_arguments(parser)
    return catalog.run(parser.parse_args(words))


def test_list(no_hub: None):
    rows = {row.name: row for row in catalog.list_models()}
    assert "builtin" in rows
    assert not rows["ViT-B-32:laion2b_s34b_b79k"].cached
    assert rows["ViT-M-16"].size is None
    assert "ViT-B-32-quickgelu:openai" not in rows
    assert list(rows) == list(dict.fromkeys(row.name for row in catalog.list_models()))


def test_filter(no_hub: None):
    names = [row.name for row in catalog.list_models(filter="vit-h-14-378")]
    assert names == ["ViT-H-14-378:dfn5b"]
    assert all(row.cached for row in catalog.list_models(cached_only=True))


def test_get_then_listed_as_cached(
    serve: Any, arch: str, checkpoint: Path, add_tag: Callable[..., None], capsys: pytest.CaptureFixture[str]
):
    add_tag(arch, "remote", hf_hub="test-org/tiny/")
    assert command("get", f"{arch}:remote") == 0
    assert str(hub.cached(hub.Source("test-org/tiny", ("open_clip_model.safetensors",)))) in capsys.readouterr().out
    (row,) = catalog.list_models(cached_only=True, filter="tiny")
    assert (row.name, row.size) == ("Tiny-Test-16:remote", checkpoint.stat().st_size)
    assert command("--cached", "--filter", "tiny") == 0
    out = capsys.readouterr().out
    assert "Tiny-Test-16:remote  1.7 MB" in out
    assert "1 models, 1 on this machine (1.7 MB)" in out


def test_get_repairs_a_damaged_file(serve: Any, arch: str, checkpoint: Path, add_tag: Callable[..., None]):
    add_tag(arch, "remote", hf_hub="test-org/tiny/")
    path = catalog.get_model(f"{arch}:remote")
    with path.open("r+b") as file:
        file.seek(-8, 2)
        file.write(b"\0\1\2\3\4\5\6\7")
    assert catalog.get_model(f"{arch}:remote").read_bytes() == checkpoint.read_bytes()
    assert serve.gets == 2


def test_repository_outside_the_registry_is_found_in_the_cache(serve: Any):
    serve.files["open_clip_config.json"] = json.dumps({"model_cfg": config()}).encode()
    catalog.get_model("hf-hub:test-org/tiny")
    assert [row.name for row in catalog.list_models(cached_only=True, filter="hf-hub")] == ["hf-hub:test-org/tiny"]


def test_get_what_cannot_be_got(no_hub: None, arch: str):
    for spec, sentence in (
        ("RN50:a/b.pt", "names a local file"),
        ("local-dir:/x", "names a local file"),
        ("RN51:openai", "did you mean 'RN50'"),
        ("RN50:openia", "did you mean 'openai'"),
        ("RN50:openai", "not in the cache"),
    ):
        with pytest.raises(UserError, match=sentence):
            catalog.get_model(spec)


def test_environment_of_a_fresh_process(serve: Any, arch: str, add_arch: Callable[..., Path], tmp_path: Path):
    """HF_ENDPOINT and HF_HOME are read by huggingface_hub when it is imported, so this needs a process of its own."""
    serve.files["open_clip_config.json"] = json.dumps({"model_cfg": config()}).encode()
    code = "from fastclipgen.perceptors.catalog import get_model; print(get_model('hf-hub:test-org/tiny'))"
    environment = {**os.environ, "HF_ENDPOINT": serve.url, "HF_HOME": str(tmp_path / "home"), "HF_HUB_OFFLINE": "0"}
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        environment.pop(name, None)
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()).is_relative_to(tmp_path / "home" / "hub")
    assert Path(done.stdout.strip()).stat().st_size == len(serve.files["open_clip_model.safetensors"])
