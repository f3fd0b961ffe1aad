"""Which model `auto` takes, what it says, and that nothing else falls back."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from fastclipgen.errors import UserError
from fastclipgen.perceptors import auto, builtin, hub, resolve

SOURCE = hub.Source("test-org/tiny", ("open_clip_model.safetensors",))


@pytest.fixture
def tiny(
    arch: str, add_arch: Callable[..., Path], checkpoint: Path, add_tag: Callable[..., None], monkeypatch: Any
) -> None:
    """The tiny model in place of both the built-in one and the real one that `auto` means."""
    monkeypatch.setattr(builtin, "CONFIG", add_arch(arch))
    monkeypatch.setattr(builtin, "WEIGHTS", checkpoint)
    add_tag(arch, "remote", hf_hub="test-org/tiny/")
    monkeypatch.setattr(auto, "REAL", f"{arch}:remote")


def run(specs: list[str], heard: list[str]) -> list[auto.LoadedPerceptor]:
    return resolve(specs, "cpu", torch.float32, heard.append)


def test_no_hub_means_built_in_and_one_line(no_hub: None, tiny: None, heard: list[str], stopwatch: Any):
    with stopwatch(5):
        (loaded,) = run([], heard)
    assert loaded.is_builtin
    assert "shapes-clip (32 px, auto: http://127.0.0.1:9 cannot be reached" in loaded.description
    assert len(heard) == 1
    assert "using the built-in CLIP 'shapes-clip'" in heard[0]
    assert "'fastclipgen models get Tiny-Test-16:remote'" in heard[0]
    assert "\n" not in heard[0]


def test_hub_means_download_then_cache(serve: Any, tiny: None, heard: list[str], monkeypatch: pytest.MonkeyPatch):
    (loaded,) = run(["auto@0.5"], heard)
    assert not loaded.is_builtin
    assert loaded.weight == 0.5
    assert loaded.description == "Tiny-Test-16:remote (32 px, auto: downloaded)"
    monkeypatch.setattr(hub, "_verdict", hub.Verdict(False, "unplugged"))
    assert run([], heard)[0].description == "Tiny-Test-16:remote (32 px, auto: cached)"
    assert heard == []


def test_failed_download_means_built_in(serve: Any, tiny: None, heard: list[str]):
    serve.mode = "garbage"
    (loaded,) = run([], heard)
    assert loaded.is_builtin
    assert len(heard) == 1
    assert "does not have the hash" in heard[0]


def test_damaged_cache_is_downloaded_again(serve: Any, tiny: None, heard: list[str]):
    run([], heard)
    path = hub.cached(SOURCE)
    assert path is not None
    path.write_bytes(b"cut")
    assert run([], heard)[0].description.endswith("downloaded)")
    path.write_bytes(b"cut")
    serve.mode = "no entry"
    assert run([], heard)[0].is_builtin


def test_asked_for_built_in_says_nothing(no_hub: None, tiny: None, heard: list[str]):
    (loaded,) = run(["builtin"], heard)
    assert loaded.is_builtin
    assert loaded.description == "built-in shapes-clip (32 px, asked for)"
    assert heard == []


def test_ensemble(no_hub: None, tiny: None, checkpoint: Path, heard: list[str]):
    name = f"Tiny-Test-16:{checkpoint}"
    one, two, three = resolve([name, f"{name}@-0.5", "builtin@2"], "cpu", torch.bfloat16, heard.append)
    assert [one.weight, two.weight, three.weight] == [1.0, -0.5, 2.0]
    assert one.perceptor is two.perceptor
    assert three.is_builtin
    assert one.perceptor.dtype == torch.bfloat16
    assert not one.is_builtin


def test_built_in_that_is_missing(tiny: None, tmp_path: Path, heard: list[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(builtin, "WEIGHTS", tmp_path / "none.safetensors")
    with pytest.raises(UserError, match=r"needs '.*none.safetensors', which is missing; install"):
        run(["builtin"], heard)


def test_built_in_is_loaded_from_its_own_files(tmp_path: Path, add_arch: Any, checkpoint: Path, monkeypatch: Any):
    config = shutil.copy(add_arch("Tiny-Test-16"), tmp_path / "tiny_test_shapes.json")
    monkeypatch.setattr(builtin, "CONFIG", Path(config))
    monkeypatch.setattr(builtin, "WEIGHTS", checkpoint)
    from open_clip import factory

    monkeypatch.setattr(factory, "_MODEL_CONFIGS", dict(factory._MODEL_CONFIGS))
    monkeypatch.setattr(factory, "_MODEL_CONFIG_PATHS", list(factory._MODEL_CONFIG_PATHS))
    perceptor = builtin.load_builtin(print)
    assert (perceptor.name, perceptor.image_size) == ("shapes-clip", 32)


def test_of_models_that_nobody_named_those_at_hand_are_taken(
    serve: Any, tiny: None, arch: str, checkpoint: Path, add_tag: Callable[..., None], heard: list[str]
):
    specs, loaded = auto.resolve_available([f"{arch}:remote", f"{arch}:gone"], "cpu", torch.float32, heard.append)
    assert specs == [f"{arch}:remote"]
    assert [one.is_builtin for one in loaded] == [False]
    assert heard[0].startswith(f"CLIP '{arch}:gone' of the preset left out, because it is not at hand (")


def test_where_no_model_is_at_hand_auto_decides(no_hub: None, tiny: None, arch: str, heard: list[str]):
    specs, loaded = auto.resolve_available([f"{arch}:remote"], "cpu", torch.float32, heard.append)
    assert (specs, loaded[0].is_builtin) == (["auto"], True)
    assert auto.decided(specs, loaded) == ["builtin"]
    assert len(heard) == 1
