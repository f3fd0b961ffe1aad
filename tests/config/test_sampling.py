"""The settings of generator clip-gen: what goes with what, and that nothing is accepted which has no effect."""

from __future__ import annotations

from typing import Any

import pytest

from fastclipgen.config import defaults, sampling
from fastclipgen.config.run import RunConfig, make_config
from fastclipgen.errors import UserError

OTHER: dict[str, Any] = {
    "clip_gen": "a.pt", "candidates": 3, "keep": 2, "candidate": 0, "top_k": 3, "top_p": 0.5, "temperature": 0.5,
    "guidance": 2.0, "text_to_image": "knn", "gallery": "folder", "rank_by": "condition",
    "rank_views": 4,
    "refine": 3, "compat_clip_gen": True, "rows": 2,
    "generator_options": {"tile": 1}, "views": 3, "batches": 2, "cutouts": "das", "augments": ["Af"], "loss": "l2",
    "prompt_sum": True, "constraints": ["tv"], "optimizer": "sgd", "learning_rate": 0.5, "schedule": "linear",
    "weight_decay": 0.5, "warmup": 0.5, "auto_stop": 1, "ema": 0.5, "keep_best": True, "preset": "best", "steps": 3,
    "starts": 2, "tracks": 1, "finalists": 1, "init": "a.png", "init_noise": "snow",
    "change_prompt_every": 3, "image_prompt_recut": True, "spot": ["a"], "spot_off": ["a"], "spot_mask": "a.png",
    "target_images": ["a.png"], "target_pixels": ["a.png"], "init_weight": 1.0, "init_weight_dist": 1.0,
    "init_weight_cos": 1.0, "init_weight_decay": 1.0, "init_weight_pixels": 1.0,
    "overlay": "a.png", "overlay_every": 5, "overlay_offset": 1, "overlay_until": 9, "overlay_alpha": 0.5,
    "zoom_every": 5, "zoom": 1.1, "zoom_rotate": 2.0, "zoom_shift": (1, 2), "zoom_from": 3,
}  # fmt: skip
"""A value of every setting that is not its default."""
OVERLAY = {"overlay": "a.png", "overlay_every": 5}
WITH: dict[str, dict[str, Any]] = {
    "augments": {"cutouts": "latest"},
    "change_prompt_every": {"prompts": ["a ^ b"]},
    "image_prompt_recut": {"image_prompts": ["a.png"]},
    "spot_mask": {"spot": ["a"]},
    "overlay": {"overlay_every": 5},
    **dict.fromkeys(("overlay_every", "overlay_offset", "overlay_until", "overlay_alpha"), OVERLAY),
    **{name: {"zoom_every": 5} for name in ("zoom", "zoom_rotate", "zoom_shift", "zoom_from")},
}
"""What some of them need beside them."""


STARTS = {"mask", "init_over", "init_alpha"}  # which say nothing without a start, and clip-gen has none


def config(**values: Any) -> RunConfig:
    return make_config({"prompts": ["a"], "generator": "clip-gen", **values})


def test_groups_are_settings_and_each_is_in_one() -> None:
    names = [*sampling.OWN, *sampling.REFINING, *sampling.FOREIGN]
    assert set(names) <= set(RunConfig.model_fields)
    assert len(set(names)) == len(names)
    assert set(OTHER) | STARTS == set(names)


@pytest.mark.parametrize("name", sampling.OWN)
def test_other_generators_refuse_what_only_clip_gen_has(name: str) -> None:
    more = {"vqgan": "a.ckpt"} if name == "clip_gen" else {}
    for generator in ("vae", "vqgan"):
        with pytest.raises(UserError, match=f"'{name}' (is|holds weights) of generator 'clip-gen'"):
            make_config({"prompts": ["a"], "generator": generator, name: OTHER[name], **more})
    if name != "clip_gen":
        with pytest.raises(UserError, match=f"'{name}' is of generator 'clip-gen', .*add --generator clip-gen"):
            make_config({"prompts": ["a"], name: OTHER[name]})


@pytest.mark.parametrize("name", [*sampling.REFINING, *(name for name in sampling.FOREIGN if name not in STARTS)])
def test_clip_gen_refuses_what_takes_steps(name: str) -> None:
    values = WITH.get(name, {}) | {name: OTHER[name]}
    first = next((one for one in sampling.REFINING if one in values), name)
    with pytest.raises(UserError, match=f"'{first}' has no effect"):
        config(**values)
    if name in sampling.REFINING:
        assert getattr(config(refine=1, **values), name) == OTHER[name]
    else:
        with pytest.raises(UserError, match=f"'{name}' has no effect"):
            config(refine=1, **{name: OTHER[name]})


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"candidates": 3, "keep": 4}, "expected to keep at most the 3 candidates, got keep 4"),
        ({"candidate": 1, "keep": 2}, "candidate 1 is one picture, but keep is 2"),
        ({"rows": 3, "deterministic": True}, "a deterministic run draws 16 samples at a time, got rows 3"),
        ({"gallery": "x"}, "give both --text-to-image and --gallery, or neither"),
        ({"text_to_image": "knn"}, "give both --text-to-image and --gallery, or neither"),
        (
            {"text_to_image": "knn", "gallery": "x", "prompts": [], "image_prompts": ["a.png"]},
            "there are only image prompts",
        ),
        ({"text_to_image": "knm"}, "unknown text_to_image (or .safetensors file) 'knm'; did you mean 'knn'?"),
        ({"text_to_image": "builtin", "gallery": "x"}, "give both --text-to-image and --gallery, or neither"),
        ({"text_to_image": "a.safetensors", "prompts": [], "image_prompts": ["a.png"]}, "there are only image prompts"),
        ({"prompts": ["a:1:0.5"]}, "the stop of a prompt is about steps"),
        ({"negative": ["a:1:0.5"]}, "the stop of a prompt is about steps"),
        ({"image_prompts": ["a.png:1:0.5"]}, "the stop of a prompt is about steps"),
        ({"clip": ["a", "b"]}, "a sampled picture has one CLIP, that of its transformer, got 2"),
        ({"clip_gen": "a.pt"}, "'clip_gen' was given without 'vqgan'; give both, or neither"),
        ({"vqgan": "a.pt"}, "'vqgan' was given without 'clip_gen'; give both, or neither"),
        ({"clip_gen": "a.pt", "vqgan": "b", "generator": "stack"}, "but generator 'stack' was asked for"),
        ({"autoencoder": "a.pth"}, "but autoencoder was given; leave it out"),
        ({"gan": "a.pth"}, "but gan was given; leave it out"),
        ({"temperature": -1.0}, "setting 'temperature'"),
        ({"temperature": float("nan")}, "setting 'temperature'"),
        ({"guidance": float("inf")}, "setting 'guidance'"),
        ({"top_p": 0.0}, "setting 'top_p'"),
        ({"top_p": 1.5}, "setting 'top_p'"),
        ({"top_k": -1}, "setting 'top_k'"),
        ({"candidates": 0}, "setting 'candidates'"),
        ({"refine": -1}, "setting 'refine'"),
    ],
)
def test_what_cannot_be(values: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UserError) as refused:
        config(**values)
    assert sentence in str(refused.value)


def test_weights_name_the_generator_and_none_are_the_built_in_ones() -> None:
    found = make_config({"prompts": ["a"], "clip_gen": "a.pt", "vqgan": "b.pt"})
    assert (found.generator, found.clip_gen, found.vqgan) == ("clip-gen", "a.pt", "b.pt")
    assert (config().clip_gen, config().vqgan) == ("builtin", "builtin")
    assert make_config({"prompts": ["a"], "generator": "vqgan"}).vqgan == "builtin"
    assert make_config({"prompts": ["a"], "generator": "vae"}).vqgan is None


def test_what_is_decided() -> None:
    decided = defaults.resolve_sampling(config(), 7)
    assert (decided.seed, decided.clip, decided.candidates, decided.keep) == (7, ["builtin"], 32, 1)
    ours = {"top_p": 0.8, "temperature": 0.6, "guidance": 1.5, "rank_by": "condition", "rank_views": 9}
    assert decided.model_dump(include=set(ours)) == ours
    other = defaults.resolve_sampling(config(clip_gen="a.pt", vqgan="b.pt"), 7)
    assert (other.top_p, other.temperature, other.guidance, other.rank_by) == (0.95, 1.0, 1.0, "text")
    theirs = defaults.resolve_sampling(config(clip_gen="a.pt", vqgan="b.pt", compat_clip_gen=True), 7)
    assert (theirs.clip, theirs.candidates, theirs.keep) == (["ViT-B-32:openai"], 64, 8)
    own = {"candidates": 5, "keep": 2, "top_k": 0, "top_p": 1.0, "temperature": 0.0, "guidance": 0.0, "clip": ["RN50"]}
    assert defaults.resolve_sampling(config(**own), 7).model_dump(include=set(own)) == own
    # what is stored is accepted when the picture is made again
    stored = decided.model_copy(update={"candidate": 3, "rows": 16})
    assert make_config(stored.model_dump()) == stored
