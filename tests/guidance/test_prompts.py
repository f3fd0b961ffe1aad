"""Prompt syntax: the peeling rule, bars, bad numbers, and the round trip."""

from __future__ import annotations

import math
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastclipgen.errors import UserError
from fastclipgen.guidance.prompts import (
    MAX_WEIGHT,
    ImagePrompt,
    Prompt,
    check_total,
    format_prompt,
    format_prompts,
    negate,
    parse_image_prompt,
    parse_noise_prompt,
    parse_prompt,
    parse_prompts,
    parse_target,
    phases_of,
)

INF = math.inf


@pytest.mark.parametrize(
    ("source", "text", "weight", "stop"),
    [
        ("a red circle", "a red circle", 1.0, -INF),
        ("  a red circle : 0.5 ", "a red circle", 0.5, -INF),
        ("sky:-2", "sky", -2.0, -INF),
        ("sky:1e-1:.25", "sky", 0.1, 0.25),
        ("sky:2:-inf", "sky", 2.0, -INF),
        ("ratio 3:2 poster", "ratio 3:2 poster", 1.0, -INF),
        ("ratio 3:2", "ratio 3", 2.0, -INF),
        ("ratio 3:2:1:-inf", "ratio 3:2", 1.0, -INF),
        ("1:2:3:4", "1:2", 3.0, 4.0),
        ("https://example.org/a:0.5", "https://example.org/a", 0.5, -INF),
        ("https://example.org/a", "https://example.org/a", 1.0, -INF),
        ("build:2024_01", "build:2024_01", 1.0, -INF),  # Python's float would take this as a number
        ("half:１", "half:１", 1.0, -INF),  # noqa: RUF001  (so would it a full-width digit)
        ("7", "7", 1.0, -INF),
        ("trailing:", "trailing:", 1.0, -INF),
    ],
)
def test_numbers_are_peeled_from_the_right(source: str, text: str, weight: float, stop: float) -> None:
    assert parse_prompt(source) == Prompt(text, weight, stop)


def test_bars_separate_prompts_unless_escaped() -> None:
    assert parse_prompts("a:2|b | c:-1:0.5") == (Prompt("a", 2.0), Prompt("b"), Prompt("c", -1.0, 0.5))
    assert parse_prompts(r"either\|or:3|b") == (Prompt("either|or", 3.0), Prompt("b"))


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("", "empty"),
        ("  ", "empty"),
        (":2", "empty"),
        ("a|", "both sides"),
        ("|a", "both sides"),
        ("a:nan", "got nan"),
        ("a:inf", "got inf"),
        ("a:1:nan", "stop"),
        ("a:1:inf", "stop"),
        (f"a:{MAX_WEIGHT * 2}", "weight"),
        ("a:0|b:0", "all are 0"),
        ("a:1e-40", "all are 0"),
        ("broken \udcff", "UTF-8"),
    ],
)
def test_bad_prompts_get_a_sentence(source: str, says: str) -> None:
    with pytest.raises(UserError, match=says):
        parse_prompts(source)


def test_a_zero_weight_is_fine_beside_another() -> None:
    assert [prompt.weight for prompt in parse_prompts("a:0|b:-1")] == [0.0, -1.0]
    check_total([0.0, -1e-6], "here")


def test_negate_flips_the_weight_only() -> None:
    assert negate(Prompt("blurry", 0.5, -0.25)) == Prompt("blurry", -0.5, -0.25)


@pytest.mark.parametrize(
    ("source", "path", "weight"),
    [
        ("C:\\pictures\\a.png:0.5", "C:\\pictures\\a.png", 0.5),
        ("C:\\pictures\\a.png", "C:\\pictures\\a.png", 1.0),
        ("scan 10:30|b.png", "scan 10:30|b.png", 1.0),
        ("/tmp/12:1:-inf", "/tmp/12", 1.0),
    ],
)
def test_image_prompts_keep_colons_and_bars_of_the_path(source: str, path: str, weight: float) -> None:
    assert parse_image_prompt(source) == ImagePrompt(path, weight)


def test_an_image_prompt_needs_a_path_and_a_finite_weight() -> None:
    with pytest.raises(UserError, match="path"):
        parse_image_prompt(":2")
    with pytest.raises(UserError, match="weight"):
        parse_image_prompt("a.png:nan")


@pytest.mark.parametrize(
    ("prompt", "form"),
    [
        (Prompt("a"), "a"),
        (Prompt("a", 0.5), "a:0.5"),
        (Prompt("ratio 3:2"), "ratio 3:2:1.0:-inf"),
        (Prompt("a|b"), r"a\|b"),
        (Prompt("back\\"), "back\\:1.0"),
    ],
)
def test_format_is_the_shortest_form_that_reads_back(prompt: Prompt, form: str) -> None:
    assert format_prompt(prompt) == form


NUMBERS = st.floats(-MAX_WEIGHT, MAX_WEIGHT)
# Texts rich in the characters that matter to the syntax, and any others.
TEXTS = st.text(st.sampled_from(":|\\ .-+e0123456789ainf") | st.characters(exclude_categories=["Cs"]), min_size=1)
PROMPTS = st.builds(Prompt, TEXTS.filter(str.strip), NUMBERS, NUMBERS | st.just(-INF))


@settings(max_examples=200, deadline=None)
@given(st.lists(PROMPTS, min_size=1, max_size=4))
def test_any_prompts_read_back_the_same(prompts: list[Prompt]) -> None:
    if sum(abs(prompt.weight) for prompt in prompts) < 1e-30:
        return
    assert parse_prompts(format_prompts(prompts)) == tuple(prompts)


@settings(max_examples=200, deadline=None)
@given(st.text(st.sampled_from(":|\\ .-+e01na") | st.characters()))
def test_any_text_parses_or_gets_a_sentence(source: str) -> None:
    try:
        prompts = parse_prompts(source)
    except UserError:
        return
    assert all(prompt.text and abs(prompt.weight) <= MAX_WEIGHT for prompt in prompts)


def test_the_syntax_needs_no_torch() -> None:
    code = "import sys, fastclipgen.guidance.prompts; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_story_has_phases() -> None:
    fox, snow, wolf = parse_prompts("a fox | snow:0.5 ^ a wolf:2:0.3")
    assert (fox, snow) == (Prompt("a fox", phase=0), Prompt("snow", 0.5, phase=0))
    assert wolf == Prompt("a wolf", 2.0, 0.3, phase=1)
    assert (phases_of((fox, snow, wolf)), phases_of(parse_prompts("a|b")), phases_of(())) == (2, 1, 1)
    assert parse_prompts("a")[0].phase is None
    assert parse_prompts(r"x\^2") == (Prompt("x^2"),)
    for source in ("a ^ b|c:2 ^ d", r"x\^2|y ^ a\|b"):
        told = parse_prompts(source)
        assert parse_prompts(format_prompts(told)) == told
    with pytest.raises(UserError, match=r"both sides of every '\^', but one is empty in 'a \^ '"):
        parse_prompts("a ^ ")
    with pytest.raises(UserError, match="all are 0 in 'b:0'"):
        parse_prompts("a ^ b:0")


def test_noise_prompts_and_targets() -> None:
    assert parse_noise_prompt("7") == (7, 1.0, -math.inf)
    assert parse_noise_prompt("7:-0.5:0.2") == (7, -0.5, 0.2)
    assert parse_target("a:b.png:0.5").weight == 0.5
    for source in ("x", "-1", "1.5", str(2**63), ""):
        with pytest.raises(UserError, match="a seed from 0 to"):
            parse_noise_prompt(source)
    with pytest.raises(UserError, match="between"):
        parse_noise_prompt("7:nan")
    with pytest.raises(UserError, match="got a stop as well in"):
        parse_target("a.png:1:2")
