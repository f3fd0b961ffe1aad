"""open_clip models by tag, file, hub repository and folder: right weights, right activation, and one sentence else."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch
import torch.nn.functional as F
from open_clip.transformer import QuickGELU
from safetensors.torch import load_file, save_file

from fastclipgen.errors import UserError
from fastclipgen.perceptors import hub, parse_clip
from fastclipgen.perceptors.base import FrozenPerceptor
from fastclipgen.perceptors.open_clip import load

from .conftest import config


def load_text(text: str, heard: list[str] | None = None) -> FrozenPerceptor:
    return load(parse_clip(text), ([] if heard is None else heard).append)


def test_local_checkpoint_computes_what_open_clip_computes(arch: str, model: Any, checkpoint: Path):
    perceptor = load_text(f"{arch.lower()}:{checkpoint}")
    assert (perceptor.image_size, perceptor.embed_dim) == (32, 16)
    assert perceptor.mean == open_clip.OPENAI_DATASET_MEAN
    assert perceptor.name == f"{arch}:{checkpoint}"
    views = torch.randn(2, 3, 32, 32)
    torch.testing.assert_close(perceptor.encode_image(views), model.encode_image(views))
    tokens = open_clip.get_tokenizer(arch)(["a red circle", "a cat"])
    torch.testing.assert_close(
        perceptor.encode_text(["a red circle", "a cat"]), F.normalize(model.encode_text(tokens), dim=-1)
    )


@pytest.mark.parametrize("name", ["w.pt", "w.bin", "w.pth"])
def test_torch_files_and_wrapped_state_dicts(arch: str, model: Any, tmp_path: Path, name: str):
    torch.save({"state_dict": {f"module.{k}": v for k, v in model.state_dict().items()}}, tmp_path / name)
    views = torch.randn(1, 3, 32, 32)
    perceptor = load_text(f"{arch}:{tmp_path / name}")
    torch.testing.assert_close(perceptor.encode_image(views), model.encode_image(views))


def test_half_precision_on_disk_is_float32_in_memory(arch: str, checkpoint: Path, tmp_path: Path):
    save_file({k: v.half() for k, v in load_file(checkpoint).items()}, tmp_path / "w.safetensors")
    assert load_text(f"{arch}:{tmp_path / 'w.safetensors'}").dtype == torch.float32


def test_half_precision_is_close_and_differentiable(arch: str, checkpoint: Path):
    perceptor, views = load_text(f"{arch}:{checkpoint}"), torch.randn(2, 3, 32, 32, requires_grad=True)
    exact, text = perceptor.encode_image(views), perceptor.encode_text(["a cat"])
    half = perceptor.to("cpu", torch.bfloat16).encode_image(views)
    assert not torch.equal(half, exact)
    assert F.cosine_similarity(half, exact).min() > 0.999
    assert torch.equal(perceptor.encode_text(["a cat"]), text)
    half.sum().backward()
    assert views.grad is not None
    assert views.grad.abs().sum() > 0


def test_loading_leaves_random_numbers_and_logging_alone(arch: str, checkpoint: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    state = torch.get_rng_state()
    load_text(f"{arch}:{checkpoint}")
    assert torch.equal(torch.get_rng_state(), state)
    assert logging.getLogger().handlers == []


def activations(perceptor: FrozenPerceptor) -> set[type]:
    return {type(m) for m in perceptor.modules() if isinstance(m, (QuickGELU, torch.nn.GELU))}


@pytest.mark.parametrize("spelling", ["Tiny-Test-16", "tiny/test/16", "TINY_TEST_16"])
def test_weights_trained_with_quickgelu_get_it_however_the_name_is_written(
    arch: str, checkpoint: Path, add_tag: Callable[..., None], spelling: str
):
    add_tag(arch, "openai", quick_gelu=True, file=str(checkpoint))
    add_tag(arch, "laion", file=str(checkpoint), mean=(0.1, 0.2, 0.3), std=(0.4, 0.5, 0.6))
    assert activations(load_text(f"{spelling}:openai")) == {QuickGELU}
    assert activations(load_text(spelling)) == {QuickGELU}
    plain = load_text(f"{spelling}:laion")
    assert activations(plain) == {torch.nn.GELU}
    assert (plain.mean, plain.std) == ((0.1, 0.2, 0.3), (0.4, 0.5, 0.6))


def test_real_openai_entries_ask_for_quickgelu():
    entries = [(name, tag) for name, tag in open_clip.list_pretrained() if tag == "openai"]
    assert len(entries) >= 9
    assert all(open_clip.get_pretrained_cfg(*entry)["quick_gelu"] for entry in entries)


def test_long_text_is_cut_and_said_once(arch: str, checkpoint: Path, heard: list[str]):
    perceptor = load_text(f"{arch}:{checkpoint}", heard)
    perceptor.encode_text(["one two three four five six"])
    assert heard == []
    perceptor.encode_text(["one two three four five six seven", "one two three four five six seven eight"])
    perceptor.encode_text(["one two three four five six seven"])
    assert len(heard) == 1
    assert "reads 8 tokens" in heard[0]
    assert "has 9" in heard[0]


def test_wrong_architecture(add_arch: Callable[..., Path], checkpoint: Path):
    add_arch("Tiny-Test-Wide", width=48)
    with pytest.raises(UserError, match=r"does not fit Tiny-Test-Wide.*size mismatch") as raised:
        load_text(f"Tiny-Test-Wide:{checkpoint}")
    assert "\n" not in str(raised.value)


def test_weights_of_something_else(arch: str, tmp_path: Path):
    save_file({"layer.weight": torch.ones(3)}, tmp_path / "w.safetensors")
    with pytest.raises(UserError, match="does not fit Tiny-Test-16"):
        load_text(f"{arch}:{tmp_path / 'w.safetensors'}")


def test_values_that_are_not_finite(arch: str, checkpoint: Path, tmp_path: Path):
    state = load_file(checkpoint)
    state["visual.proj"][0, 0] = float("nan")
    save_file(state, tmp_path / "w.safetensors")
    with pytest.raises(UserError, match="not finite"):
        load_text(f"{arch}:{tmp_path / 'w.safetensors'}")


def test_input_that_is_not_square(add_arch: Callable[..., Path], tmp_path: Path):
    add_arch("Tiny-Test-Flat", image_size=[32, 64])
    state = open_clip.create_model("Tiny-Test-Flat").state_dict()
    save_file(dict(state), tmp_path / "w.safetensors")
    with pytest.raises(UserError, match="32x64 pixels, but views are square"):
        load_text(f"Tiny-Test-Flat:{tmp_path / 'w.safetensors'}")


def test_tokenizer_that_needs_another_package(monkeypatch: pytest.MonkeyPatch, checkpoint: Path):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match="pip install transformers"):
        load_text(f"ViT-B-16-SigLIP:{checkpoint}")


def test_tag_is_downloaded_once(serve: Any, arch: str, model: Any, add_tag: Callable[..., None]):
    add_tag(arch, "remote", hf_hub="test-org/tiny/")
    views = torch.randn(1, 3, 32, 32)
    for _ in range(2):
        perceptor = load_text(f"{arch}:remote")
        torch.testing.assert_close(perceptor.encode_image(views), model.encode_image(views))
    assert serve.gets == 1


def test_named_tag_never_falls_back(no_hub: None, arch: str, add_tag: Callable[..., None]):
    add_tag(arch, "remote", hf_hub="test-org/tiny/")
    with pytest.raises(UserError, match=r"Tiny-Test-16:remote is not in the cache .*--clip NAME:PATH"):
        load_text(f"{arch}:remote")


def test_web_page_in_place_of_weights_is_not_kept(serve: Any, arch: str, add_tag: Callable[..., None]):
    add_tag(arch, "remote", hf_hub="test-org/tiny/")
    serve.mode = "html"
    with pytest.raises(UserError, match=r"is a web page.*removed from the cache"):
        load_text(f"{arch}:remote")
    serve.mode = "ok"
    assert load_text(f"{arch}:remote").image_size == 32


def test_cached_file_cut_short_is_replaced_at_the_next_try(serve: Any, arch: str, add_tag: Callable[..., None]):
    add_tag(arch, "remote", hf_hub="test-org/tiny/")
    load_text(f"{arch}:remote")
    path = hub.cached(hub.Source("test-org/tiny", ("open_clip_model.safetensors",)))
    assert path is not None
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(UserError, match=r"damaged or cut short.*removed from the cache"):
        load_text(f"{arch}:remote")
    assert load_text(f"{arch}:remote").image_size == 32


def test_hub_repository(serve: Any, model: Any):
    preprocess = {"mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25]}
    serve.files["open_clip_config.json"] = json.dumps({"model_cfg": config(), "preprocess_cfg": preprocess}).encode()
    views = torch.randn(1, 3, 32, 32)
    perceptor = load_text("hf-hub:test-org/tiny")
    torch.testing.assert_close(perceptor.encode_image(views), model.encode_image(views))
    assert perceptor.std == (0.25, 0.25, 0.25)
    seen = serve.heads
    assert load_text("hf-hub:test-org/tiny").name == "hf-hub:test-org/tiny"
    assert serve.heads == seen
    serve.mode = "no repo"
    with pytest.raises(UserError, match="hf-hub:test-org/tinny cannot be downloaded"):
        load_text("hf-hub:test-org/tinny")


def test_hub_name_that_is_none(serve: Any):
    with pytest.raises(UserError, match="check the name"):
        load_text("hf-hub:one two/three/four")


def test_broken_config_of_a_repository_is_not_kept(serve: Any):
    serve.files["open_clip_config.json"] = b"no json"
    with pytest.raises(UserError, match="must be JSON with a 'model_cfg'"):
        load_text("hf-hub:test-org/tiny")
    assert hub.cached(hub.Source("test-org/tiny", ("open_clip_config.json",))) is None


def test_folder(tmp_path: Path, checkpoint: Path):
    (tmp_path / "w.safetensors").write_bytes(checkpoint.read_bytes())
    with pytest.raises(UserError, match=r"lacks an open_clip_config.json"):
        load_text(f"local-dir:{tmp_path}")
    (tmp_path / "open_clip_config.json").write_text(json.dumps({"model_cfg": config()}))
    assert load_text(f"local-dir:{tmp_path}").embed_dim == 16
    (tmp_path / "w.safetensors").unlink()
    with pytest.raises(UserError, match="lacks a checkpoint"):
        load_text(f"local-dir:{tmp_path}")
