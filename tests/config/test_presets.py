"""What a preset asks for: more of everything from one to the next, behind whatever was asked for explicitly."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from fastclipgen.config import defaults, presets
from fastclipgen.config.run import RunConfig, make_config
from fastclipgen.errors import UserError
from fastclipgen.generators import registry
from fastclipgen.perceptors import names
from fastclipgen.weights import known


def resolve(generator: str = "pixels", builtin: bool = False, **values: Any) -> RunConfig:
    return defaults.resolve(make_config({"prompts": ["a"], **values}), generator, builtin, 7, {"adam": 0.1})


@pytest.mark.parametrize("builtin", [True, False])
@pytest.mark.parametrize("generator", [*registry.names(), "MyModule"])
def test_each_takes_more_than_the_one_before(generator: str, builtin: bool) -> None:
    costs = []
    for name in presets.NAMES:
        one = resolve(
            generator, builtin, preset=name, **({generator: "builtin"} if generator in ("gan", "cvae") else {})
        )
        pixels = (one.width or 0) * (one.height or 0)
        assert (one.width or 0) % (1 if builtin else 16) == 0
        assert (one.tracks or 0) <= (one.starts or 0)
        costs.append((pixels, one.views or 0, one.steps or 0, one.starts or 0, one.tracks or 0))
        again = make_config(one.model_dump())  # what a picture stores
        assert defaults.resolve(again, generator, builtin, 7, {}) == again == one
    for less, more in pairwise(costs):
        assert all(a <= b for a, b in zip(less, more, strict=True))
        assert less[1] * less[2] < more[1] * more[2]


def test_one_of_them_is_what_a_generator_does_without() -> None:
    for builtin, name in ((True, "normal"), (False, "better")):
        for generator in registry.names():
            with_preset = resolve(generator, builtin, preset=name).model_copy(update={"preset": None})
            assert with_preset == resolve(generator, builtin)


def test_what_was_asked_for_stays() -> None:
    asked = {"steps": 3, "width": 30, "height": 20, "views": 7, "starts": 2, "tracks": 2, "vqgan": "mine.ckpt"}
    config = resolve("vqgan", False, preset="best", **asked)
    assert {key: getattr(config, key) for key in asked} == asked
    assert resolve("vqgan", False, preset="best").views == 48


def test_one_start_stays_one() -> None:
    assert resolve("siren", True, preset="best").starts == 1
    assert resolve("vae", True, preset="best").starts == 4 * defaults.BUILTIN["vae"]["starts"]
    assert resolve("vae", True, preset="best", init="a.png").starts == 1


def test_what_draws_under_real_clips() -> None:
    asked = make_config({"prompts": ["a"], "preset": "draft"})
    assert defaults.resolve_generator(asked, builtin=True) == "vae"
    assert defaults.resolve_generator(asked, builtin=False) == "vqgan"
    assert defaults.resolve(asked, "vqgan", False, 7, {}).vqgan == "imagenet_f16_16384"
    assert presets.VQGAN in known.names("vqgan")
    builtin = make_config({"prompts": ["a"], "preset": "draft", "generator": "vqgan"})
    assert defaults.resolve(builtin, "vqgan", False, 7, {}).vqgan == "builtin"


def test_the_tables_name_what_there_is() -> None:
    for table in (presets.CLIPS, presets.REAL, presets.BUILTIN):
        assert tuple(table) == presets.NAMES
    for clips in presets.CLIPS.values():
        for clip in clips:
            arch, _, tag = clip.partition(":")
            assert names.architecture(arch) == arch
            assert names.tag_of(arch, tag) == tag


def test_the_documentation_has_the_same_numbers() -> None:
    text = (Path(__file__).resolve().parents[2] / "docs" / "options.md").read_text(encoding="utf-8")
    for name in presets.NAMES:
        real, drawn = resolve("vqgan", False, preset=name, vqgan="x"), resolve("vae", True, preset=name)
        clips = ", ".join(clip.partition(":")[0] for clip in presets.CLIPS[name])
        assert f"| `{name}` | {clips} | {real.width} | {real.steps} | {real.views} | " in text
        assert f"| `{name}` | {drawn.steps} | {drawn.views} | {drawn.starts} | {drawn.tracks} | " in text


def test_mistakes() -> None:
    with pytest.raises(UserError, match=r"setting 'preset': input should be 'draft', 'normal', 'better' or 'best'"):
        make_config({"prompts": ["a"], "preset": "worst"})
    with pytest.raises(UserError, match="takes no steps from a start, so 'preset' has no effect"):
        make_config({"prompts": ["a"], "preset": "best", "generator": "clip-gen"})
