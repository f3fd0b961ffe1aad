from __future__ import annotations

import math
from dataclasses import fields

import pytest
import torch

from fastclipgen.errors import UserError
from fastclipgen.ops.cutout_augments import DEFAULT, LATEST
from fastclipgen.ops.cutout_presets import PRESETS, preset
from fastclipgen.ops.cutout_spec import CutoutSpec
from fastclipgen.ops.cutouts import sample_cutouts

SEEDS = torch.tensor([1, 2])


def chosen(name: str, *codes: str) -> CutoutSpec:
    spec = preset(name, codes)
    assert isinstance(spec, CutoutSpec)
    return spec


@pytest.mark.parametrize("name", ["latest", "nrupdated"])
def test_the_default_list_is_the_preset(name: str) -> None:
    assert chosen(name, *DEFAULT) == PRESETS[name]
    assert chosen(name, *reversed(DEFAULT)) == PRESETS[name]  # the order of stages is the op's


@pytest.mark.parametrize("name", ["latest", "nrupdated"])
@pytest.mark.parametrize("code", LATEST)
def test_each_code_changes_its_stage_alone(name: str, code: str) -> None:
    none, one, rest = chosen(name), chosen(name, code), chosen(name, *(c for c in LATEST if c != code))
    everything = chosen(name, *LATEST)
    changed = {field.name for field in fields(none) if getattr(none, field.name) != getattr(one, field.name)}
    assert changed
    assert changed == {f.name for f in fields(none) if getattr(rest, f.name) != getattr(everything, f.name)}
    drawn = [sample_cutouts(spec, SEEDS, 0, 50, 64, 64, 32) for spec in (none, one)]
    names = ("matrix", "colour", "erase", "noise_scale", "sharpness")
    parts = {part for part in names if not _same(*(getattr(params, part) for params in drawn))}
    moved = {"Ji": "colour", "Sh": "sharpness", "Gn": "noise_scale", "Er": "erase"}.get(code, "matrix")
    assert parts == {moved}


def _same(one: torch.Tensor | None, other: torch.Tensor | None) -> bool:
    return one is other or (one is not None and other is not None and torch.equal(one, other))


def test_amounts_are_those_of_the_method() -> None:
    every = chosen("latest", *LATEST)
    turn = sample_cutouts(chosen("latest", "Ro"), SEEDS, 0, 800, 64, 64, 32).matrix
    angle = torch.atan2(turn[..., 1, 0], turn[..., 0, 0])
    assert angle.abs().max() == pytest.approx(math.radians(15), rel=0.02)
    assert (angle != 0).double().mean() == pytest.approx(0.7, abs=0.04)
    grain = sample_cutouts(chosen("latest", "Gn"), SEEDS, 0, 800, 64, 64, 32).noise_scale
    assert (grain >= 1).double().mean() == pytest.approx(0.5, abs=0.04)
    assert grain.max() < math.hypot(1, 0.1)  # two normal noises are one
    assert ((grain < 0.1) | (grain >= 1)).all()
    zoom = sample_cutouts(chosen("latest", "Re"), SEEDS, 0, 800, 64, 64, 32).matrix
    area = zoom[..., 0, 0] * zoom[..., 1, 1]
    assert (area < 0.999).double().mean() == pytest.approx(0.5, abs=0.04)
    assert 0.1 - 1e-4 < area.min() < 0.12
    assert (every.perspective, every.rotation) == (0.7, 15.0)
    other = chosen("nrupdated", *LATEST)
    assert (other.perspective, other.rotation, other.shear) == (0.5, 30.0, 5.0)


@pytest.mark.parametrize(
    ("codes", "message"),
    [
        (["Af", "Px"], "unknown augment 'Px'"),
        (["af"], "unknown augment 'af'; did you mean 'Af'"),
        (["Af", "Pe", "Af"], "expected each augment once, got 'Af' 2 times; leave one out"),
        (["Et"], "augment 'Et' bends views by about a pixel"),
        (["Ts"], "augment 'Ts' bends views freely"),
        (["Cr"], "augment 'Cr' cuts a view to the size that it has, which changes nothing; leave it out"),
    ],
)
def test_mistakes_are_explained(codes: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        preset("latest", codes)
