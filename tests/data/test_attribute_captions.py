"""Captions of attributes, word for word."""

from __future__ import annotations

import numpy as np
import pytest

from fastclipgen.data.attribute_captions import CELEBA, NOTHING, caption, captions, words

WRITTEN = {
    "5_o_Clock_Shadow": "an old woman with a 5 o'clock shadow",
    "Arched_Eyebrows": "an old woman with arched eyebrows",
    "Attractive": "an old woman looking attractive",
    "Bags_Under_Eyes": "an old woman with bags under the eyes",
    "Bald": "an old woman who is bald",
    "Bangs": "an old woman with bangs",
    "Big_Lips": "an old woman with big lips",
    "Big_Nose": "an old woman with a big nose",
    "Black_Hair": "an old woman with black hair",
    "Blond_Hair": "an old woman with blond hair",
    "Blurry": "an old woman in a blurry photo",
    "Brown_Hair": "an old woman with brown hair",
    "Bushy_Eyebrows": "an old woman with bushy eyebrows",
    "Chubby": "an old woman who is chubby",
    "Double_Chin": "an old woman with a double chin",
    "Eyeglasses": "an old woman wearing eyeglasses",
    "Goatee": "an old woman with a goatee",
    "Gray_Hair": "an old woman with gray hair",
    "Heavy_Makeup": "an old woman wearing heavy makeup",
    "High_Cheekbones": "an old woman with high cheekbones",
    "Male": "an old man",
    "Mouth_Slightly_Open": "an old woman with mouth slightly open",
    "Mustache": "an old woman with a mustache",
    "Narrow_Eyes": "an old woman with narrow eyes",
    "No_Beard": "an old woman without a beard",
    "Oval_Face": "an old woman with an oval face",
    "Pale_Skin": "an old woman with pale skin",
    "Pointy_Nose": "an old woman with a pointy nose",
    "Receding_Hairline": "an old woman with a receding hairline",
    "Rosy_Cheeks": "an old woman with rosy cheeks",
    "Sideburns": "an old woman with sideburns",
    "Smiling": "an old woman smiling",
    "Straight_Hair": "an old woman with straight hair",
    "Wavy_Hair": "an old woman with wavy hair",
    "Wearing_Earrings": "an old woman wearing earrings",
    "Wearing_Hat": "an old woman wearing a hat",
    "Wearing_Lipstick": "an old woman wearing lipstick",
    "Wearing_Necklace": "an old woman wearing a necklace",
    "Wearing_Necktie": "an old woman wearing a necktie",
    "Young": "a young woman",
}


def of(*names: str) -> str:
    return caption([int(name in names) for name in CELEBA], CELEBA)


def test_the_attributes_are_those_of_the_data_set_in_its_order() -> None:
    assert tuple(WRITTEN) == CELEBA
    assert len(CELEBA) == 40


@pytest.mark.parametrize("name", CELEBA)
def test_every_attribute_alone(name: str) -> None:
    assert of(name) == WRITTEN[name]


def test_an_example_of_many() -> None:
    names = (
        "Bags_Under_Eyes", "Bangs", "Blond_Hair", "High_Cheekbones", "Mouth_Slightly_Open", "No_Beard", "Pointy_Nose",
        "Smiling", "Young",
    )  # fmt: skip
    assert of(*names) == (
        "a young woman with bags under the eyes with bangs with blond hair with high cheekbones with mouth slightly "
        "open without a beard with a pointy nose smiling"
    )
    assert of("Male", "Young", "Smiling", "Male") == "a young man smiling"
    assert of() == "an old woman"


def test_many_at_once_are_as_each_alone() -> None:
    rows = np.random.default_rng(0).integers(0, 2, (50, 40)).astype(np.uint8)
    assert captions(rows, CELEBA) == [caption(row, CELEBA) for row in rows]
    assert len(set(captions(rows, CELEBA))) == 50


def test_names_of_other_tables_are_spoken_in_words() -> None:
    names = ("has_wings", "red", "Smiling")
    assert caption([1, 1, 0], names) == "has wings, red"
    assert caption([1, 0, 1], names) == "smiling, has wings"
    assert caption([0, 0, 0], names) == NOTHING
    assert caption([1, 0], ("Male", "red")) == "a man"
    assert caption([0, 1], ("Male", "red")) == "a woman, red"
    assert caption([0], ("Young",)) == "an old person"
    assert words("a__b _c") == "a b c"
