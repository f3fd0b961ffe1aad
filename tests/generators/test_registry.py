from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from fastclipgen.errors import UserError
from fastclipgen.generators import Generator, create, names, options, parse_options
from fastclipgen.generators.registry import generator_class

PLAIN = ["fourier", "pixels", "siren", "stack"]


@pytest.mark.parametrize("name", PLAIN)
def test_create(name: str) -> None:
    assert name in names()
    generator = create(name, 9, 12)
    assert isinstance(generator, Generator)
    assert generator.name == name
    assert generator(generator.init(torch.tensor([1]))).shape == (1, 3, 9, 12)


def test_every_name_has_a_class() -> None:
    for name in names():
        assert issubclass(generator_class(name), Generator)
        assert generator_class(name).name == name


def test_options_reach_the_generator() -> None:
    assert options("pixels") == {"noise": 0.01}
    parsed = parse_options("stack", ["margin=3", "resolutions=1, 4,8", "collapsed=false", "rank=None"])
    assert parsed == {"margin": 3, "resolutions": [1, 4, 8], "collapsed": False, "rank": None}
    generator = create("stack", 8, 8, **parsed)
    assert set(generator.init(torch.tensor([1]))) == {"p_1", "p_4", "p_8"}
    assert parse_options("stack", ["resolutions=8"]) == {"resolutions": [8]}
    assert parse_options("fourier", ["decay=1.5"]) == {"decay": 1.5}
    assert parse_options("siren", ["fit-steps=7"]) == {"fit_steps": 7}


def test_form_follows_the_optimiser_unless_chosen() -> None:
    seeds = torch.tensor([1])
    assert set(create("stack", 8, 8, optimizer="sgd").init(seeds)) == {"raw"}
    assert "p_1" in create("stack", 8, 8, optimizer="adam").init(seeds)
    assert set(create("stack", 8, 8, optimizer="adam", collapsed=True).init(seeds)) == {"raw"}
    assert create("pixels", 8, 8, optimizer="adam").name == "pixels"


def test_unknown_names_get_the_nearest() -> None:
    with pytest.raises(UserError, match="unknown generator 'stak'; did you mean 'stack'"):
        create("stak", 8, 8)
    with pytest.raises(UserError, match="unknown option of generator 'pixels' 'nois'; did you mean 'noise'"):
        create("pixels", 8, 8, nois=1)


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("stack", "margin=wide", "must be a whole number or none, got 'wide'"),
        ("stack", "collapsed=perhaps", "must be true or false"),
        ("stack", "resolutions=1,x", "whole numbers with commas"),
        ("pixels", "noise", "key=value"),
        ("pixels", "=1", "key=value"),
        ("pixels", "height=3", "unknown option"),
    ],
)
def test_unfit_options_get_a_sentence(name: str, text: str, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        parse_options(name, [text])


def test_an_option_given_twice_is_refused() -> None:
    with pytest.raises(UserError, match="twice"):
        parse_options("pixels", ["noise=0", "noise=1"])


def test_names_come_without_torch() -> None:
    code = "import sys; from fastclipgen.generators import names; names(); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
