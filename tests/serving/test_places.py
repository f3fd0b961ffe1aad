"""Requests name files of one folder, and learn nothing of others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fastclipgen.config.run import RunConfig, make_config
from fastclipgen.errors import UserError
from fastclipgen.serving.places import FILES, REFUSED, Places


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """shared/a.png, shared/sub/b.png and links; secret.png lies outside."""
    shared = tmp_path / "shared"
    (shared / "sub").mkdir(parents=True)
    for file in (shared / "a.png", shared / "sub" / "b.png", tmp_path / "secret.png", shared / "model.yaml"):
        file.write_bytes(b"x")
    (shared / "inside.png").symlink_to(shared / "a.png")
    (shared / "outside.png").symlink_to(tmp_path / "secret.png")
    (shared / "out").symlink_to(tmp_path)
    (shared / "circle").symlink_to(shared / "circle")
    return shared


def located(folder: Path | None, **settings: Any) -> Any:
    return Places(folder).located(make_config({"prompts": ["a"], **settings}))


@pytest.mark.parametrize(
    ("settings", "name", "expected"),
    [
        ({"init": "a.png"}, "init", "{}/a.png"),
        ({"init": "inside.png"}, "init", "{}/a.png"),
        ({"init": "sub/../a.png"}, "init", "{}/a.png"),
        ({"init": "a.png", "init_over": "sub/b.png:0.5"}, "init_over", "{}/sub/b.png:0.5"),
        ({"image_prompts": ["a.png:2:0.1"]}, "image_prompts", ["{}/a.png:2:0.1"]),
        ({"vqgan": "a.png:model.yaml"}, "vqgan", "{}/a.png:{}/model.yaml"),
        ({"vqgan": "builtin"}, "vqgan", "builtin"),
        ({"vqgan": "imagenet_f16_1024"}, "vqgan", "imagenet_f16_1024"),
        ({"clip": ["ViT-B-32:openai"]}, "clip", ["ViT-B-32:openai"]),
        ({"clip": ["ViT-B-32:sub/b.png@0.5"]}, "clip", ["ViT-B-32:{}/sub/b.png@0.5"]),
        ({"clip": ["local-dir:sub"]}, "clip", ["local-dir:{}/sub@1.0"]),
    ],
)  # fmt: skip
def test_files_of_the_folder_are_found(folder: Path, settings: dict[str, Any], name: str, expected: Any) -> None:
    wanted = [text.replace("{}", str(folder)) for text in expected] if isinstance(expected, list) else expected
    assert getattr(located(folder, **settings), name) == (
        wanted.replace("{}", str(folder)) if isinstance(wanted, str) else wanted
    )


@pytest.mark.parametrize(
    "name",
    [
        "outside.png", "out/secret.png", "../secret.png", "../nothing.png", "{}/a.png", "/etc/passwd", "circle", "~/x",
        "a\0b", "..",
    ],
)  # fmt: skip
@pytest.mark.parametrize("setting", ["init", "cvae", "image_prompts", "gallery", "clip"])
def test_other_files_are_refused_alike(folder: Path, name: str, setting: str) -> None:
    name = name.replace("{}", str(folder))
    values: dict[str, Any] = {setting: name}
    if setting == "image_prompts":
        values = {setting: [name]}
    if setting == "clip":
        values = {setting: [f"local-dir:{name}"]}
    if setting == "gallery":
        values |= {"generator": "clip-gen", "text_to_image": "knn"}
    with pytest.raises(UserError) as refused:
        located(folder, **values)
    said = str(refused.value).replace(repr(name)[:80], "")
    assert said == (
        f"the setting '{setting}' names , and there is no such file in the server's --models folder; give a path below "
        "that folder"
    )


def test_without_a_folder_there_are_no_files() -> None:
    assert located(None).prompts == ["a"]
    with pytest.raises(UserError, match="--models DIR"):
        located(None, init="a.png")


def test_repositories_of_anybody_are_refused(folder: Path) -> None:
    with pytest.raises(UserError, match="architecture and a tag"):
        located(folder, clip=["hf-hub:somebody/something"])


@pytest.mark.parametrize("setting", REFUSED)
def test_what_no_request_may_have(setting: str) -> None:
    value = {"trust_gan": True, "device": "cuda:1", "memory": "6GiB"}[setting]
    more = {"gan": "x.pt"} if setting == "trust_gan" else {}
    with pytest.raises(UserError, match=f"'{setting}' cannot come with a request"):
        located(None, **{setting: value}, **more)


def test_sentences_do_not_tell_where_the_folder_is(folder: Path) -> None:
    assert Places(folder).as_asked(f"'{folder}/a.png' is damaged") == "'a.png' is damaged"


def test_the_folder_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="expected a folder for --models"):
        Places(tmp_path / "none")


# Settings of texts that name no file of the machine, as whoever adds one has looked up.
NO_FILES = {
    "prompts", "negative", "labels", "noise_prompts", "spot", "spot_off", "preset", "generator", "compat", "cutouts",
    "augments", "loss", "constraints", "optimizer", "schedule", "init_noise", "precision", "backend", "compile",
    "rank_by", "generator_options",  # numbers, switches and names of attributes
}  # fmt: skip


def test_every_setting_is_a_file_or_is_none() -> None:
    """A new setting that could name a file must come to places.py, or be named here."""
    texts = {name for name, field in RunConfig.model_fields.items() if "str" in str(field.annotation)}
    texts |= {name for name, field in RunConfig.model_fields.items() if "Literal" in str(field.annotation)}
    assert texts == NO_FILES | set(FILES) | set(REFUSED) - {"trust_gan"}
