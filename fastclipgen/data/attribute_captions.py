"""Attributes -> captions: the phrases of CelebA's forty attributes, and plain words for others. Knows no files."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import compress

import numpy as np

# In the order of the data set's files. Male and Young are in the words that every caption begins with.
PHRASES: dict[str, str] = {
    "5_o_Clock_Shadow": "with a 5 o'clock shadow",
    "Arched_Eyebrows": "with arched eyebrows",
    "Attractive": "looking attractive",
    "Bags_Under_Eyes": "with bags under the eyes",
    "Bald": "who is bald",
    "Bangs": "with bangs",
    "Big_Lips": "with big lips",
    "Big_Nose": "with a big nose",
    "Black_Hair": "with black hair",
    "Blond_Hair": "with blond hair",
    "Blurry": "in a blurry photo",
    "Brown_Hair": "with brown hair",
    "Bushy_Eyebrows": "with bushy eyebrows",
    "Chubby": "who is chubby",
    "Double_Chin": "with a double chin",
    "Eyeglasses": "wearing eyeglasses",
    "Goatee": "with a goatee",
    "Gray_Hair": "with gray hair",
    "Heavy_Makeup": "wearing heavy makeup",
    "High_Cheekbones": "with high cheekbones",
    "Male": "",
    "Mouth_Slightly_Open": "with mouth slightly open",
    "Mustache": "with a mustache",
    "Narrow_Eyes": "with narrow eyes",
    "No_Beard": "without a beard",
    "Oval_Face": "with an oval face",
    "Pale_Skin": "with pale skin",
    "Pointy_Nose": "with a pointy nose",
    "Receding_Hairline": "with a receding hairline",
    "Rosy_Cheeks": "with rosy cheeks",
    "Sideburns": "with sideburns",
    "Smiling": "smiling",
    "Straight_Hair": "with straight hair",
    "Wavy_Hair": "with wavy hair",
    "Wearing_Earrings": "wearing earrings",
    "Wearing_Hat": "wearing a hat",
    "Wearing_Lipstick": "wearing lipstick",
    "Wearing_Necklace": "wearing a necklace",
    "Wearing_Necktie": "wearing a necktie",
    "Young": "",
}
CELEBA: tuple[str, ...] = tuple(PHRASES)
NOTHING = "a picture"  # the caption where there is nothing to say


def captions(attributes: np.ndarray, names: Sequence[str]) -> list[str]:
    """A caption for every row of `attributes` (uint8 [n, A], 0 or 1), whose columns have these names.

    "a young man with bangs smiling": the age where Young is among the names, the gender (or "person") where one of Male
    and Young is, then the phrases of CelebA's other attributes in the order of the columns. Attributes of other names
    follow after commas, in words: "red, has_wings" -> "..., red, has wings". What a row has not is not spoken of.
    """
    spoken = [(k, PHRASES[name]) for k, name in enumerate(names) if PHRASES.get(name)]
    others = [(k, words(name)) for k, name in enumerate(names) if name not in PHRASES]
    phrases, plain = [text for _, text in spoken], [text for _, text in others]
    of_phrases = np.ascontiguousarray(attributes[:, [k for k, _ in spoken]], dtype=np.uint8)
    of_plain = np.ascontiguousarray(attributes[:, [k for k, _ in others]], dtype=np.uint8)
    found = []
    for head, has, is_too in zip(_heads(attributes, names), of_phrases, of_plain, strict=True):
        sentence = " ".join([*head, *compress(phrases, has.tobytes())])
        parts = [*([sentence] if sentence else []), *compress(plain, is_too.tobytes())]
        found.append(", ".join(parts) or NOTHING)
    return found


def caption(attributes: Sequence[int] | np.ndarray, names: Sequence[str]) -> str:
    """The caption of one picture, whose attributes (0 or 1) have these names."""
    return captions(np.asarray(attributes, dtype=np.uint8)[None], names)[0]


def words(name: str) -> str:
    """The name of an attribute as it is spoken: "has_wings" -> "has wings"."""
    return " ".join(name.replace("_", " ").split())


def _heads(attributes: np.ndarray, names: Sequence[str]) -> list[tuple[str, ...]]:
    """What the captions begin with."""
    column = {name: attributes[:, k].tolist() for k, name in enumerate(names) if name in ("Male", "Young")}
    if not column:
        return [()] * len(attributes)
    young, male = column.get("Young"), column.get("Male")
    ages = ["a"] * len(attributes) if young is None else ["a young" if value else "an old" for value in young]
    people = ["person"] * len(attributes) if male is None else ["man" if value else "woman" for value in male]
    return list(zip(ages, people, strict=True))
