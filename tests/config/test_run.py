"""Settings: what is wrong with them is said in one sentence that names the setting, and nothing else is changed."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from fastclipgen.config.run import MAX_SEED, make_config
from fastclipgen.errors import UserError

GOOD: dict[str, Any] = {"prompts": ["a red circle"]}


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"prompts": [""]}, "a prompt needs a text, but it is empty"),
        ({"prompts": ["a", "  "]}, "a prompt needs a text, but it is empty"),
        ({"prompts": ["a|"]}, "expected a prompt on both sides"),
        ({"prompts": ["a:nan"]}, "expected a weight between .* got nan"),
        ({"prompts": ["a:0"]}, "weight other than 0"),
        ({"prompts": ["a:1:nan"]}, "expected a stop that is a number"),
        ({"negative": ["b:inf"]}, "expected a weight between .* got inf"),
        ({"image_prompts": ["x.png:nan"]}, "expected a weight between .* got nan"),
        ({"image_prompts": [":2"]}, "needs the path of a picture"),
        ({"prompts": []}, "expected a prompt or an image prompt, got neither"),
        ({"prompts": "a red circle"}, "setting 'prompts': input should be a valid list, got 'a red circle'"),
        ({"prompts": [3]}, r"setting 'prompts\.0': input should be a valid string, got 3"),
        ({"steps": -1}, "setting 'steps': .*greater than or equal to 0, got -1"),
        ({"steps": 1.5}, "setting 'steps': .*got 1.5"),
        ({"width": 0}, "setting 'width': .*greater than or equal to 1, got 0"),
        ({"height": 10**9}, "setting 'height': .*less than or equal to 16384, got 1000000000"),
        ({"count": 0}, "setting 'count': .*got 0"),
        ({"views": 0}, "setting 'views': .*got 0"),
        ({"seed": -1}, "setting 'seed': .*got -1"),
        ({"seed": MAX_SEED + 1}, "setting 'seed': "),
        ({"seed": MAX_SEED, "count": 2}, "but 2 pictures from seed"),
        ({"learning_rate": math.nan}, "setting 'learning_rate': .*got nan"),
        ({"learning_rate": math.inf}, "setting 'learning_rate': must be a finite number, got inf"),
        ({"learning_rate": -0.1}, "setting 'learning_rate': "),
        ({"loss": "cosin"}, "setting 'loss': .*'cosine', 'spherical', 'l1' or 'l2', got 'cosin'"),
        ({"ema": 1.0}, "setting 'ema': .*less than 1, got 1.0"),
        ({"ema": math.nan}, "setting 'ema': "),
        ({"warmup": 1.0}, "setting 'warmup': "),
        ({"stpes": 5}, r"unknown setting 'stpes'; did you mean 'steps'\?"),
        ({"xyzzy": 5}, "unknown setting 'xyzzy'$"),
        ({"mask": "m.png"}, "a mask needs a start picture"),
        ({"init": "a.png", "starts": 5}, "starts and tracks choose among random starts"),
        (
            {"init_noise": "perlin", "starts": 5},
            "choose among random starts, but init_noise was given",
        ),
        ({"init_noise": "fog"}, "setting 'init_noise': .*'gradient' or 'white', got 'fog'"),
        ({"init": "a.png", "init_alpha": 0.5}, "init_alpha is the opacity of a start picture over noise, but"),
        ({"init_noise": "snow", "init_alpha": 1.5}, "setting 'init_alpha': .*got 1.5"),
        ({"init_over": "a.png:0.5"}, "init_over lies over a start picture, but there is none"),
        ({"init": "a.png", "init_over": "a.png:2"}, "setting 'init_over': must be PATH:OPACITY with an opacity from 0"),
        ({"auto_stop": -1}, "setting 'auto_stop': .*got -1"),
        ({"auto_stop": 1, "ema": 0.5}, "auto_stop ends with parameters that stay, and ema averages"),
        ({"batches": 0}, "setting 'batches': .*got 0"),
        (
            {"vqgan": "a.ckpt", "generator": "stack"},
            "'vqgan' holds weights of generator 'vqgan', but generator 'stack'",
        ),
        ({"vqgan": "a.ckpt", "autoencoder": "b.pth"}, "expected weights of one generator, got those of vqgan and auto"),
        ({"weight_decay": -1.0}, "setting 'weight_decay': .*got -1.0"),
        ({"init": "a.png", "tracks": 2}, "starts and tracks choose among random starts"),
        ({"keep_best": True, "ema": 0.5}, "keep_best and ema both decide"),
        ({"starts": 2, "tracks": 3}, "expected no more tracks than starts, got 3 of 2"),
        ({"tracks": 2, "finalists": 3}, "expected no more finalists than tracks, got 3 of 2"),
    ],
)
def test_mistakes_are_sentences(values: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence) as caught:
        make_config({**GOOD, **values})
    message = str(caught.value)
    assert "\n" not in message
    assert "pydantic" not in message
    assert len(message) < 300


def test_a_long_value_is_cut() -> None:
    with pytest.raises(UserError) as caught:
        make_config({**GOOD, "loss": "x" * 5000})
    assert len(str(caught.value)) < 200


def test_good_settings_are_kept_as_they_are() -> None:
    values = {
        "prompts": ["a:2|b", "c"], "negative": ["blurry:0.5"], "image_prompts": ["dir:x/y.png:2"], "seed": MAX_SEED - 1,
        "steps": 0, "width": 1, "height": 16384, "learning_rate": 0.0, "starts": 5, "tracks": 5, "constraints": [],
        "generator_options": {"noise": 0.1}, "mask": None, "count": 1,
    }  # fmt: skip
    config = make_config(values)
    assert {key: getattr(config, key) for key in values} == values
    assert make_config(config.model_dump()) == config
    assert make_config(json.loads(json.dumps(config.model_dump()))) == config
    assert make_config({"prompts": [], "image_prompts": ["x.png"]}).prompts == []
    assert make_config({**GOOD, "init": "a.png", "mask": "b.png", "starts": 1, "tracks": 1}).mask == "b.png"


def test_defaults_are_not_shared() -> None:
    one, two = make_config(GOOD), make_config(GOOD)
    one.negative.append("x")
    one.generator_options["noise"] = 1
    assert two.negative == []
    assert two.generator_options == {}


@pytest.mark.parametrize("name", ["vqgan", "autoencoder", "gan"])
def test_weights_say_which_generator(name: str) -> None:
    for generator in ("auto", name):
        config = make_config({**GOOD, name: "dir/a.pth", "generator": generator})
        assert (config.generator, getattr(config, name)) == (name, "dir/a.pth")
        assert make_config(config.model_dump()) == config
