"""Entries: how they are written, which settings reach them, and which can draw here."""

from __future__ import annotations

import pytest

from fastclipgen.comparison.entries import Entry, all_generators, make_entries, obstacle, parse_entry
from fastclipgen.errors import UserError
from fastclipgen.generators import registry


@pytest.mark.parametrize(
    ("text", "name", "settings"),
    [
        ("vae", "vae", {"generator": "vae"}),
        ("vqgan steps=100", "vqgan steps=100", {"generator": "vqgan", "steps": "100"}),
        ("long: generator=vqgan steps=100", "long", {"generator": "vqgan", "steps": "100"}),
        ("a b: steps=3 generator=vae", "a b", {"generator": "vae", "steps": "3"}),
        (
            "vae constraints=tv:0.1 constraints=range",
            "vae constraints=tv:0.1 constraints=range",
            {"generator": "vae", "constraints": ["tv:0.1", "range"]},
        ),
        (
            "tiled: vqgan vqgan=my file.ckpt generator-options={'tile': 4}".replace("'", '"'),
            "tiled",
            {"generator": "vqgan", "vqgan": "my file.ckpt", "generator_options": {"tile": 4}},
        ),
    ],
)
def test_what_an_entry_says(text: str, name: str, settings: dict) -> None:
    assert parse_entry(text) == (name, settings)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "expected an entry as"),
        ("name: ", "expected an entry as"),
        (": vae", "expected an entry as"),
        ("fast: steps=3", "entry 'fast': names no generator"),
        ("fast: vae stpes=3", "unknown setting 'stpes'; did you mean 'steps'"),
        ("fast: vae seed=3", "entry 'fast': 'seed' is the same for all that is compared"),
        ("fast: vae steps=3 steps=4", "entry 'fast': steps is given twice"),
    ],
)
def test_entries_that_cannot_be_read(text: str, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        parse_entry(text)


def test_every_generator_of_the_registry_can_be_compared() -> None:
    assert set(all_generators()) == {*registry.names(), *registry.SAMPLERS}
    entries, without = make_entries(all_generators(), [], {})
    assert [entry.generator for entry in entries] == all_generators()
    assert not any(without.values())


def test_general_settings_reach_those_that_have_them() -> None:
    general = {"steps": 5, "width": 32, "height": 32, "candidates": 4, "vqgan": "a.ckpt", "autoencoder": "b.pth"}
    entries, without = make_entries(["vae", "vqgan", "autoencoder", "clip-gen"], ["own: vae steps=9"], general)
    found = {entry.name: dict(entry.settings) for entry in entries}
    common = {"steps": 5, "width": 32, "height": 32}
    assert found == {
        "vae": {**common, "generator": "vae"},
        "vqgan": {**common, "generator": "vqgan", "vqgan": "a.ckpt"},
        "autoencoder": {**common, "generator": "autoencoder", "autoencoder": "b.pth"},
        "clip-gen": {"generator": "clip-gen", "candidates": 4},
        "own": {**common, "generator": "vae", "steps": "9"},
    }
    assert without["clip-gen"] == ["steps", "width", "height"]
    assert without["vae"] == ["candidates"]


def test_a_transformer_gets_the_vqgan_that_is_given_with_it() -> None:
    [entry], _ = make_entries(["clip-gen"], [], {"clip_gen": "a.pt", "vqgan": "b.ckpt", "steps": 3})
    assert entry.settings == {"generator": "clip-gen", "clip_gen": "a.pt", "vqgan": "b.ckpt"}
    assert entry.config(["a"], 1, 0).keep == 1


@pytest.mark.parametrize(
    ("generators", "own", "general", "sentence"),
    [
        (["vea"], [], {}, "unknown generator 'vea'; did you mean 'vae'"),
        (["vae"], ["vae steps=3", "vae: vae"], {}, "'vae' and 'vae' would share the folder 'vae'"),
        (["vae"], ["VAE: vae"], {}, "'vae' and 'VAE' would share the folder"),
        (["vae"], [], {"count": 3}, "'count' is decided by the comparison"),
        (["vae"], [], {"generator_options": {}}, "'generator_options' belongs to an entry"),
    ],
)
def test_what_cannot_be_compared(generators: list[str], own: list[str], general: dict, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        make_entries(generators, own, general)


def test_what_lacks_its_weights_is_known_before_it_draws() -> None:
    assert obstacle(Entry("vae", {"generator": "vae"})) is None
    assert obstacle(Entry("auto", {"generator": "auto"})) is None
    assert "--autoencoder PATH" in (obstacle(Entry("a", {"generator": "autoencoder"})) or "")
    missing = obstacle(Entry("v", {"generator": "vqgan", "vqgan": "nowhere.ckpt"})) or ""
    assert "nowhere.ckpt" in missing
    sampler = {"generator": "clip-gen", "clip_gen": "nowhere.pt", "vqgan": "builtin"}
    assert "nowhere.pt" in (obstacle(Entry("c", sampler)) or "")


def test_mistaken_settings_are_the_users_business() -> None:
    with pytest.raises(UserError, match="entry 'v': setting 'steps'"):
        obstacle(Entry("v", {"generator": "vae", "steps": "-1"}))


def test_stored_settings_have_their_types_and_leave_out_the_machine() -> None:
    entry = Entry("v", {"generator": "vae", "steps": "7", "device": "cpu", "memory": "1GiB"})
    assert entry.asked() == {"generator": "vae", "steps": 7}
