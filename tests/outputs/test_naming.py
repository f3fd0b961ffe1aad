from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastclipgen.errors import UserError
from fastclipgen.outputs.naming import (
    DEFAULT_TEMPLATE,
    VIDEO_SUFFIXES,
    NameFields,
    expand,
    free_path,
    slugify,
)

FIELDS = NameFields("A red circle!", seed=42, index=7, generator="vae", when=datetime(2026, 1, 31, 14, 5, 9))


@pytest.mark.parametrize(
    ("template", "path"),
    [
        (DEFAULT_TEMPLATE, "outputs/a-red-circle-42.png"),
        ("{slug}-{seed}-{index:05}.JPG", "a-red-circle-42-00007.JPG"),
        ("{date}/{time}_{generator}.webp", "2026-01-31/140509_vae.webp"),
        ("{prompt}.jpeg", "A red circle!.jpeg"),
        ("{{x}}.png", "{x}.png"),
        ("new/", "new/a-red-circle-42.png"),
        ("", "a-red-circle-42.png"),
    ],
)
def test_expand(template: str, path: str):
    assert expand(template, FIELDS).path == Path(path)


def test_an_existing_folder_means_the_default_name_in_it(tmp_path: Path):
    assert expand(tmp_path, FIELDS).path == tmp_path / "a-red-circle-42.png"
    assert expand(tmp_path, FIELDS, VIDEO_SUFFIXES).path == tmp_path / "a-red-circle-42.mp4"


def test_tag_goes_before_the_extension():
    assert expand("out-5.png", tag="-step00050").path == Path("out-5-step00050.png")


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("{sed}.png", "did you mean 'seed'"),
        ("{seed.__class__}.png", "unknown field"),
        ("{}.png", "unknown field"),
        ("{seed!r}.png", "not a format"),
        ("{seed:0999999999}.png", "not a format"),
        ("{slug:d}.png", "cannot be read"),
        ("{seed.png", "cannot be read"),
        ("out.bmp", r"'\.bmp'"),
        ("out", "no extension"),
        ("out.mp4", r"'\.mp4'"),
        ("a/.png", "no extension"),
        ("{slug:.0}.png", "no usable file name"),
        ("a\0b.png", "no usable file name"),
        ("\ud800.png", "no usable file name"),
        ("x" * 241 + ".png", "longer than"),
        ("x" * 300 + "/a.png", "longer than"),
    ],
)
def test_bad_templates(template: str, words: str):
    with pytest.raises(UserError, match=words):
        expand(template, FIELDS)


@pytest.mark.parametrize(
    ("text", "slug"),
    [
        ("A red circle, on blue:1.5", "a-red-circle-on-blue-1-5"),
        ("../../etc/passwd", "etc-passwd"),
        ("Жёлтая звезда", "жёлтая-звезда"),
        ("赤い丸", "赤い丸"),
        ("हिन्दी", "हिन्दी"),
        ("🐱 cat", "🐱-cat"),
        ("CON", "con_"),
        ("\ud800\n/", "picture"),
        ("", "picture"),
    ],
)
def test_slugify(text: str, slug: str):
    assert slugify(text) == slug


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=200), st.text(max_size=200))
def test_no_text_leaves_the_folder(prompt: str, generator: str):
    target = expand("folder/{prompt}{slug}{generator}.png", NameFields(prompt, generator=generator))
    assert target.path.parent == Path("folder")
    assert os.path.normpath(target.path) == str(target.path)
    assert not set('\\:*?"<>|\0\n') & set(target.path.name)


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=300), st.integers(1, 100))
def test_slug_length_is_in_bytes(text: str, limit: int):
    slug = slugify(text, limit, empty="")
    assert len(slug.encode()) <= limit + 1  # a Windows device name gets one "_"
    assert not slug.startswith("-")


def test_long_slug_ends_at_a_word():
    assert slugify("a very " + "long " * 50) == "a-very" + "-long" * 14


@pytest.mark.parametrize(
    ("present", "template", "expected"),
    [
        ([], "out.png", "out.png"),
        (["out.png"], "out.png", "out-1.png"),
        (["out.png", "out-1.png", "out-7.jpg"], "out.png", "out-8.png"),  # the gap 2..6 stays, other extensions count
        (["out-5.png"], "out-5.png", "out-6.png"),
        (["out-5.png", "out-9.png"], "out-5.png", "out-10.png"),
        (["out.png", "outer-3.png", "out-x.png", "out-4b.png"], "out.png", "out-1.png"),
        (["a-red-circle-42.png"], "{slug}-{seed}.png", "a-red-circle-42-1.png"),  # 43 would read as another seed
        (["a-red-circle-42.png", "a-red-circle-42-1.png"], "{slug}-{seed}.png", "a-red-circle-42-2.png"),
        (["a.b.png", "axb-3.png"], "a.b.png", "a.b-1.png"),
    ],
)
def test_numbering(tmp_path: Path, present: list[str], template: str, expected: str):
    for name in present:
        (tmp_path / name).touch()
    assert free_path(expand(tmp_path / template, FIELDS))[0].name == expected
