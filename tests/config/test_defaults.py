"""What "auto" becomes: everything is decided, what was asked for stays, and every default can be used."""

from __future__ import annotations

from typing import Any

import pytest

from fastclipgen.config import defaults
from fastclipgen.config.run import SHIPPED, RunConfig, make_config
from fastclipgen.engine import optimizers
from fastclipgen.engine.schedule import parse_schedule
from fastclipgen.generators import registry
from fastclipgen.guidance.constraints import parse_constraint
from fastclipgen.ops.cutout_presets import preset

RATES = {"adam": 0.11, "sgd": 0.22, "rmsprop": 0.33}
DECIDED = (
    "seed", "steps", "width", "height", "generator", "views", "cutouts", "loss", "constraints", "optimizer",
    "learning_rate", "schedule", "starts", "tracks", "finalists",
)  # fmt: skip


def resolve(generator: str = "stack", builtin: bool = False, **values: Any) -> RunConfig:
    return defaults.resolve(make_config({"prompts": ["a"], **values}), generator, builtin, 7, RATES)


@pytest.mark.parametrize("builtin", [True, False])
@pytest.mark.parametrize("generator", [*registry.names(), "MyModule"])
def test_everything_is_decided_and_usable(generator: str, builtin: bool) -> None:
    config = resolve(generator, builtin, **({generator: "builtin"} if generator in SHIPPED else {}))
    own_size = {"width", "height"} if generator == "gan" else set()  # that of the network, which is not loaded yet
    assert all(getattr(config, name) is None for name in own_size)
    for name in set(DECIDED) - own_size:
        assert getattr(config, name) not in (None, "auto"), name
    assert (config.generator, config.seed) == (generator, 7)
    assert preset(config.cutouts).parts(1)
    optimizers.create(config.optimizer)
    for text in config.constraints or []:
        parse_constraint(text)
    assert config.learning_rate is not None
    assert len(parse_schedule(config.schedule, config.warmup).evaluate(config.steps or 0, config.learning_rate)) > 0
    assert (config.tracks or 0) <= (config.starts or 0)
    # what is stored in a picture is accepted when it is made again, and then changes nothing
    again = make_config(config.model_dump())
    assert defaults.resolve(again, generator, builtin, 7, RATES) == again == config


def test_tables_hold_known_settings_of_known_generators() -> None:
    for table in (defaults.BUILTIN, defaults.REAL):
        assert set(table) == set(registry.names())
        for row in table.values():
            assert set(row) - {"size"} <= set(DECIDED)


def test_which_generator_auto_is() -> None:
    auto = make_config({"prompts": ["a"]})
    assert defaults.resolve_generator(auto, builtin=True) == "vae"
    assert defaults.resolve_generator(auto, builtin=False) == "stack"
    assert defaults.resolve_generator(make_config({"prompts": ["a"], "generator": "siren"}), True) == "siren"


def test_what_was_asked_for_stays() -> None:
    asked = {
        "steps": 0, "width": 30, "height": 20, "views": 3, "cutouts": "plain", "loss": "spherical", "constraints": [],
        "optimizer": "rmsprop", "learning_rate": 0.0, "schedule": "linear", "starts": 9, "tracks": 4,
        "finalists": 3,
    }  # fmt: skip
    config = resolve("vae", True, **asked)
    assert {key: getattr(config, key) for key in asked} == asked


def test_sizes() -> None:
    assert (resolve(width=100).width, resolve(width=100).height) == (100, 100)
    assert (resolve(height=50).width, resolve(height=50).height) == (50, 50)
    assert resolve("stack", True).width == defaults.BUILTIN["stack"]["size"]
    assert resolve("MyModule").width == 224


def test_the_learning_rate_belongs_to_the_optimiser() -> None:
    own = defaults.REAL["stack"]
    assert resolve().learning_rate == own["learning_rate"]
    assert resolve(optimizer=own["optimizer"]).learning_rate == own["learning_rate"]
    assert resolve(optimizer="rmsprop").learning_rate == 0.33
    assert resolve(optimizer="rmsprop", learning_rate=0.5).learning_rate == 0.5


def test_starts_and_tracks() -> None:
    table = defaults.BUILTIN["vae"]
    assert (resolve("vae", True).starts, resolve("vae", True).tracks) == (table["starts"], table["tracks"])
    one = resolve("vae", True, starts=1)
    assert (one.starts, one.tracks) == (1, 1)
    four = resolve("pixels", tracks=4)  # one start by default, but four tracks were asked for
    assert (four.starts, four.tracks) == (4, 4)
    given = resolve("vae", True, init="a.png")
    assert (given.starts, given.tracks, given.finalists) == (1, 1, 1)
    assert resolve("vae", True, tracks=4).finalists == 2
    assert resolve("vae", True, tracks=4, finalists=4).finalists == 4
