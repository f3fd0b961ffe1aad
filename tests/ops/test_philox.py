from __future__ import annotations

import math
import random

import pytest
import torch

from fastclipgen.errors import UserError
from fastclipgen.ops.philox import Stream, normals, philox4x32, uniforms, words

ALL = 0xFFFFFFFF
# The known answers of Random123's kat_vectors for philox4x32 with 10 rounds: counter, key, words.
KNOWN = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((ALL,) * 4, (ALL,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


def seeds(*values: int) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.int64)


def test_known_answers() -> None:
    for counter, key, answer in KNOWN:
        c = tuple(torch.tensor(v) for v in counter)
        k = tuple(torch.tensor(v) for v in key)
        assert tuple(int(w) for w in philox4x32(c, k)) == answer  # type: ignore[arg-type]


def test_counter_and_key_layout() -> None:
    """counter = (element, cutout, step, stream), key = (low, high word of the seed); a negative seed is its bits."""
    seed = -0x123456789ABCDEF
    got = words(seeds(5, seed), 77, Stream.NOISE, 12, cutouts=3)
    assert got.shape == (2, 3, 12)
    counter = (torch.tensor(2), torch.tensor(1), torch.tensor(77), torch.tensor(int(Stream.NOISE)))
    pattern = seed % 2**64
    expected = philox4x32(counter, (torch.tensor(pattern & ALL), torch.tensor(pattern >> 32)))
    assert got[1, 1, 8:12].tolist() == [int(w) for w in expected]
    assert words(seeds(0), 0, Stream.INIT, 4).flatten().tolist() == list(KNOWN[0][2])


@pytest.mark.parametrize("draw", [words, uniforms, normals])
def test_a_picture_alone_draws_the_same_as_in_a_batch(draw) -> None:
    batch = draw(seeds(3, 2**40 + 1, -9), 4, Stream.GEOMETRY, 10, cutouts=5)
    for b, seed in enumerate((3, 2**40 + 1, -9)):
        assert torch.equal(batch[b : b + 1], draw(seeds(seed), 4, Stream.GEOMETRY, 10, cutouts=5))
    assert torch.equal(batch[..., :7], draw(seeds(3, 2**40 + 1, -9), 4, Stream.GEOMETRY, 7, cutouts=5))
    assert torch.equal(batch[:, :2], draw(seeds(3, 2**40 + 1, -9), 4, Stream.GEOMETRY, 10, cutouts=2))


def test_every_part_of_the_counter_and_key_matters() -> None:
    draws = [
        words(seeds(s), step, stream, 4, cutouts=2)
        for s in (1, 2, 1 + 2**32)
        for step in (0, 1)
        for stream in (Stream.COLOUR, Stream.ERASE)
    ]
    assert len(torch.cat(draws).flatten().unique()) == len(draws) * 8


def test_step_as_tensor_equals_step_as_int() -> None:
    assert torch.equal(words(seeds(1), torch.tensor(9), Stream.INIT, 5), words(seeds(1), 9, Stream.INIT, 5))
    assert not torch.equal(words(seeds(1), torch.tensor(8), Stream.INIT, 5), words(seeds(1), 9, Stream.INIT, 5))


def test_uniforms_are_uniform() -> None:
    u = uniforms(seeds(0, 1), 3, Stream.DATA, 50_001).double()
    assert u.min() >= 0
    assert u.max() < 1
    assert abs(u.mean() - 0.5) < 5 * math.sqrt(1 / 12 / u.numel())
    counts = torch.histc(u.float(), 64, 0, 1).double()
    chi2 = ((counts - u.numel() / 64) ** 2 / (u.numel() / 64)).sum()
    assert 25 < chi2 < 120  # 63 degrees of freedom


def test_normals_are_normal() -> None:
    z = normals(seeds(0, 1), 3, Stream.NOISE, 50_001).double()
    assert z.shape == (2, 1, 50_001)
    assert z.isfinite().all()
    assert abs(z.mean()) < 5 / math.sqrt(z.numel())
    assert abs(z.var() - 1) < 5 * math.sqrt(2 / z.numel())
    assert abs((z**4).mean() - 3) < 5 * math.sqrt(96 / z.numel())
    assert abs((z[..., :-1:2] * z[..., 1::2]).mean()) < 5 / math.sqrt(z.numel() / 2)
    inside = ((z > -1) & (z < 1)).double().mean()
    assert abs(inside - 0.6826895) < 5 * math.sqrt(0.22 / z.numel())


def test_normals_are_finite_for_the_extreme_words(monkeypatch: pytest.MonkeyPatch) -> None:
    extreme = torch.tensor([0, 0, 0, ALL, ALL, 0, ALL, ALL]).view(1, 1, 8)
    monkeypatch.setattr("fastclipgen.ops.philox.words", lambda *_: extreme)
    z = normals(seeds(0), 0, Stream.NOISE, 8)
    assert z.isfinite().all()
    assert z.abs().max() < 5.8


def test_empty_draws() -> None:
    assert words(seeds(), 0, Stream.INIT, 4).shape == (0, 1, 4)
    assert normals(seeds(1), 0, Stream.INIT, 0, cutouts=3).shape == (1, 3, 0)


def test_wrong_seeds_are_explained() -> None:
    with pytest.raises(UserError, match=r"int64 tensor of shape \[B\], got torch.float32 \[1\]"):
        words(torch.zeros(1), 0, Stream.INIT, 4)
    with pytest.raises(UserError, match="seeds"):
        words(torch.tensor(3), 0, Stream.INIT, 4)


def test_global_generators_are_untouched() -> None:
    before, python = torch.get_rng_state(), random.getstate()
    normals(seeds(1), 0, Stream.INIT, 64)
    assert torch.equal(before, torch.get_rng_state())
    assert python == random.getstate()


def test_compiles_fullgraph_once_for_all_steps() -> None:
    torch.compiler.reset()
    draw = torch.compile(lambda s, t: normals(s, t, Stream.NOISE, 6, 2), fullgraph=True, backend="aot_eager")
    with torch._dynamo.config.patch(error_on_recompile=True):
        for step in range(3):
            expected = normals(seeds(1, 2), step, Stream.NOISE, 6, 2)
            assert torch.equal(draw(seeds(1, 2), torch.tensor(step)), expected)
