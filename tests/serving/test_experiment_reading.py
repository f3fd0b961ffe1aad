"""The YAML of a request: what it may read and ask for, and where its mistakes are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fastclipgen.errors import UserError
from fastclipgen.serving.experiment_reading import ExperimentReader, check_goes_on
from fastclipgen.serving.limits import Limits
from fastclipgen.serving.places import Places

from .recipes import TINY, tiny


def reader(folder: Path | None = None, **limits: int) -> ExperimentReader:
    return ExperimentReader(Places(folder), Limits(**limits), "cpu")


@pytest.fixture
def lent(tmp_path: Path) -> Path:
    folder = tmp_path / "lent"
    (folder / "wildcards").mkdir(parents=True)
    (folder / "wildcards" / "place.txt").write_text("in a wood\n")
    (folder / "more.yaml").write_text("epochs: 9\n")
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(folder / "start.png")
    (tmp_path / "secret.txt").write_text("secret\n")
    (tmp_path / "secret.yaml").write_text("epochs: 7\n")
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / "secret.png")
    (folder / "wildcards" / "link.txt").symlink_to(tmp_path / "secret.txt")
    return folder


def test_a_seed_is_given_where_there_is_none() -> None:
    assert reader().asked(TINY, 5).seed == 5
    assert reader().asked(tiny(seed=3), 5).seed == 3


def test_what_lies_in_the_folder_is_read(lent: Path) -> None:
    text = TINY.replace("a red circle", "a fox __place__") + "include: more.yaml\ninit: {image: start.png}\n"
    asked = reader(lent).asked(text, 1)
    assert (asked.epochs, asked.targets[0].features[0].text) == (4, "a fox in a wood")
    assert asked.init.image == "start.png"
    located = reader(lent).located(asked)
    assert (located.init.image, located.device) == (str(lent / "start.png"), "cpu")
    assert located.source is asked.source  # pictures keep what was asked for


@pytest.mark.parametrize(
    "part",
    [
        "include: ../secret.yaml", "include: /etc/hostname", "include: ../nothing.yaml",
        "init: {image: ../secret.png}", "init: {image: 'http://127.0.0.1:1/x.png'}", "mask: ../secret.png",
        "wildcards: ..", "vqgan: ../secret.ckpt", "model: 'ViT-B-32:../secret.pt'",
    ],
)  # fmt: skip
def test_what_lies_elsewhere_is_not(lent: Path, part: str) -> None:
    text = "\n".join(line for line in TINY.splitlines() if line.partition(":")[0] != part.partition(":")[0])
    text = text.replace("a red circle", "a red __secret__") if part.startswith("wildcards") else text
    with pytest.raises(UserError, match=r"no (such )?file .*in the server's --models folder"):
        reader(lent).asked(f"{text}\n{part}\n", 1)
    with pytest.raises(UserError, match="this server lends none"):
        reader().asked(f"{text}\n{part}\n", 1)


def test_links_of_wildcards_do_not_lead_out(lent: Path) -> None:
    with pytest.raises(UserError, match=r"no file 'link\.txt' there"):
        reader(lent).asked(TINY.replace("a red circle", "__link__"), 1)


def test_features_and_masks_of_targets_are_looked_for_too(lent: Path) -> None:
    for part in ("features: [image: ../secret.png]", "mask: ../secret.png"):
        text = TINY.replace("  features:\n  - text: a red circle\n", f"  {part}\n")
        with pytest.raises(UserError, match="no such file"):
            reader(lent).asked(text, 1)


@pytest.mark.parametrize(
    ("text", "limits", "sentence"),
    [
        (tiny(epochs=9), {"steps": 8}, "at most 8 for epochs"),
        (tiny(batch=3), {"pictures": 2}, "at most 2 for batch"),
        (tiny(resolution="'16 if t < .5 else 64'"), {"side": 32}, "at most 32 for resolution"),
        (tiny(resolution="60 60"), {"pixels": 3599}, "at most 3599 for resolution, width x height"),
        (tiny(model="[builtin, builtin]"), {"clips": 1}, "at most 1 for model"),
        (TINY, {"text": 5}, "at most 5 for letters"),
        (TINY + "  transforms: [random_shift: 0 1]\n  batch_size: 9\n", {"views": 8}, "at most 8 for frames"),
        (TINY + "  transforms: [repeat: 9 9]\n", {"frame_pixels": 9 * 9 * 256 - 1}, "the pixels of all frames"),
        (TINY + "  transforms: [pad: {size: 100 0}]\n", {"frame_pixels": 216 * 16 - 1}, "the pixels of all frames"),
        (TINY + "  transforms: [resize: 500]\n", {"frame_pixels": 249_999}, "the pixels of all frames"),
        (tiny(device="cuda:7"), {}, "'device' cannot come with a request"),
        (tiny(memory="1GB"), {}, "'memory' cannot come with a request"),
    ],
)
def test_more_than_the_server_gives_is_refused(text: str, limits: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        reader(**limits).asked(text, 1)


def test_mistakes_know_their_place(lent: Path) -> None:
    for one in (reader(), reader(lent)):
        with pytest.raises(UserError) as caught:
            one.asked(tiny(epochs="many"), 1)
        line, path, error = one.mistake(str(caught.value))
        assert (line, path) == (1, "epochs")
        assert str(lent) not in error
        assert "many" in error
    assert reader().mistake("something else") == (None, None, "something else")


def test_a_run_goes_on_with_its_own_pictures() -> None:
    one = reader()
    check_goes_on(one.asked(TINY, 1), one.asked(tiny(epochs=9), 1))
    with pytest.raises(UserError, match="batch: expected 1 as it was, got 2"):
        check_goes_on(one.asked(TINY, 1), one.asked(tiny(batch=2), 1))


def test_keys_of_the_command_line_are_named() -> None:
    one = reader()
    assert one.unused(one.asked(TINY, 1)) == []
    assert one.unused(one.asked(tiny(verbose=1, output="x/"), 1)) == ["output", "verbose"]
