"""What settings ask a picture to become: their effect on a run, the same again by `rerun`, and clear refusals."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from fastclipgen import UserError, generate
from fastclipgen.api import Job
from fastclipgen.config import resources
from fastclipgen.config.run import make_config
from fastclipgen.engine import memory
from fastclipgen.engine.micro_batch import Cut
from fastclipgen.generators.noise_starts import noise_start
from fastclipgen.perceptors import as_perceptor
from fastclipgen.result import Result

WORDS = {"red": (1, 0, 0), "green": (0, 1, 0), "blue": (0, 0, 1), "white": (1, 1, 1)}


class Eye(nn.Module):
    """Sees the colours of nine patches; a text is its first colour word, everywhere."""

    image_size, name = 16, "Eye"

    def encode_image(self, views: Tensor) -> Tensor:
        return nn.functional.adaptive_avg_pool2d(views - 0.5, 3).flatten(1)

    def encode_text(self, texts: list[str]) -> Tensor:
        rows = [next((WORDS[word] for word in text.split() if word in WORDS), (1, 1, 1)) for text in texts]
        return (torch.tensor(rows).float() - 0.4).repeat_interleave(9, 1)


def make(prompts: Any = "red", **changed: Any) -> Result:
    """A picture of 16 x 16 pixels."""
    settings = {"steps": 6, "views": 3, "size": 16, "cutouts": "gentle", "generator": "pixels", "seed": 5}
    asked = settings | {"starts": 1, "tracks": 1, "learning_rate": 0.1, "deterministic": True} | changed
    [result] = generate(prompts, perceptors=[Eye()], **asked)
    return result


def colour(result: Result) -> list[float]:
    return (result.pixels.reshape(-1, 3).mean(0) / 255).tolist()


def save(path: Path, *colours: tuple[int, int, int]) -> str:
    """Vertical bands of 8 x 16 pixels."""
    bands = [np.full((16, 8, 3), colour, np.uint8) for colour in colours]
    Image.fromarray(np.concatenate(bands, axis=1)).save(path)
    return str(path)


def apart(one: Result, other: Result) -> float:
    return float(np.abs(one.pixels.astype(float) - other.pixels).mean())


def test_stored_settings_make_the_same_picture(tmp_path: Path) -> None:
    bands, folder = save(tmp_path / "bands.png", (250, 5, 5), (5, 5, 250)), str(tmp_path)
    (tmp_path / "eye.json").write_text(json.dumps({"Eye": list(range(-13, 14))}))
    result = make(
        "red ^ blue|green:0.5",
        change_prompt_every=1,
        **{"image_prompts": [bands, f"{bands}:-0.2"], "image_prompt_recut": True, "image_labels": [folder]},
        **{"labels": ["a dog:0.5"], "noise_prompts": ["3:0.3"], "vector_prompts": [f"{tmp_path / 'eye.json'}:0.1"]},
        **{
            "spot": ["white"],
            "spot_off": ["green|blue"],
            "spot_mask": bands,
            "constraints": ["palette:1:red:anneal=2"],
        },
        **{"generator": "vae", "init_weight": 0.5, "init_weight_dist": 0.5, "init_weight_cos": 0.5, "steps": 3},
        **{"init_weight_decay": 0.5, "init_weight_pixels": 0.5, "target_images": [bands], "target_pixels": [bands]},
    )
    assert [len(values) for values in result.similarities.values()] == [3 + 2 + 1 + 1 + 1 + 1, 1, 2]
    stored = json.loads(json.dumps(result.metadata["settings"]))
    [again] = next(Job(make_config(stored), perceptors=[Eye()]).run())
    assert np.array_equal(again.pixels, result.pixels)
    assert again.metadata == result.metadata


@pytest.mark.parametrize("setting", ["init_weight", "init_weight_dist", "init_weight_cos", "init_weight_decay"])
def test_the_start_holds_in_the_latent(setting: str) -> None:
    start, free = make(generator="vae", steps=0), make(generator="vae", steps=4)
    held = make(generator="vae", steps=4, **{setting: 1000.0})
    assert apart(held, start) < 0.7 * apart(free, start)
    with pytest.raises(UserError, match=f"'{setting}' compares latents, and generator 'pixels' has none; use"):
        make(**{setting: 1.0})


def test_the_start_holds_in_pixels(tmp_path: Path) -> None:
    path = save(tmp_path / "start.png", (40, 90, 200), (40, 90, 200))
    start, free = make(init=path, steps=0), make(init=path)
    assert apart(make(init=path, init_weight_pixels=100.0), start) < 0.3 * apart(free, start)


@pytest.mark.parametrize("generator", ["pixels", "stack", "fourier", "vae"])
def test_pictures_start_from_noise_of_their_own(generator: str) -> None:
    asked: dict[str, Any] = {"generator": generator, "init_noise": "gradient", "steps": 0, "size": 32}
    one, again, other = make(**asked), make(**asked), make(**asked, seed=6)
    assert apart(one, again) == 0 < 1 < apart(one, other)
    assert one.metadata["settings"]["starts"] == one.metadata["settings"]["tracks"] == 1
    if generator != "vae":  # which draws no ramps
        drawn = noise_start("gradient", torch.tensor([5]), 32, 32)[0]
        assert np.abs(one.pixels / 255 - drawn.movedim(0, -1).numpy()).max() < 0.01


def test_noise_in_a_batch_is_that_of_each_picture() -> None:
    settings: dict[str, Any] = {"steps": 2, "views": 2, "size": 16, "cutouts": "gentle", "generator": "pixels"}
    both = generate(["red", "blue"], perceptors=[Eye()], init_noise="pixels", seed=5, learning_rate=0.01, **settings)
    for result in both:
        [again] = next(Job(make_config(result.metadata["settings"]), perceptors=[Eye()]).run())
        assert np.abs(again.pixels.astype(int) - result.pixels).max() <= 1


def test_a_start_picture_lies_over_noise(tmp_path: Path) -> None:
    path = save(tmp_path / "start.png", (0, 0, 250), (250, 0, 0))
    start, noise = make(init=path, steps=0), make(init_noise="pixels", steps=0)
    for alpha, opacity in {0.0: 0.0, 0.25: 0.25, 1.0: 1.0, None: 200 / 255}.items():
        given = {} if alpha is None else {"init_alpha": alpha}
        mixed = make(init=path, init_noise="pixels", steps=0, **given)
        expected = noise.pixels + (start.pixels - noise.pixels.astype(float)) * opacity
        assert np.abs(mixed.pixels - expected).max() <= 1.01
        assert mixed.metadata["settings"]["init_alpha"] == opacity
    picture = torch.from_numpy(start.pixels / 255).float().movedim(-1, 0)
    given = make(start=picture, init_noise="pixels", init_alpha=0.25, steps=0)
    assert apart(given, make(init=path, init_noise="pixels", init_alpha=0.25, steps=0)) < 0.1
    with pytest.raises(UserError, match="init_alpha is the opacity of a start picture, but there is none"):
        make(init_noise="pixels", init_alpha=0.5)


def test_a_picture_lies_over_the_start(tmp_path: Path) -> None:
    under = save(tmp_path / "under.png", (0, 0, 200), (200, 0, 0))
    over = save(tmp_path / "over.png", (0, 100, 0), (0, 100, 0))
    mixed = make(init=under, init_over=f"{over}:0.25", steps=0)
    assert mixed.pixels[0, 0].tolist() == [0, 25, 150]
    assert mixed.pixels[0, -1].tolist() == [150, 25, 0]
    assert apart(make(init=under, init_over=f"{over}:0", steps=0), make(init=under, steps=0)) == 0


def test_batches_of_views_are_so_many_views_seen_one_batch_at_a_time() -> None:
    eye, seen = Eye(), []
    plain = eye.encode_image
    eye.encode_image = lambda views: seen.append(0 if views.is_meta else len(views)) or plain(views)  # pyright: ignore
    asked: dict[str, Any] = {"generator": "pixels", "size": 16, "cutouts": "gentle", "steps": 3, "seed": 5}
    asked |= {"starts": 1, "tracks": 1, "learning_rate": 0.1, "loss": "cosine"}
    [cut] = generate("red", perceptors=[eye], views=3, batches=4, **asked)
    assert max(seen) == 3
    assert seen.count(3) == 4 * 3, "four batches in each of three steps"
    [whole] = generate("red", perceptors=[Eye()], views=12, **asked)
    assert np.abs(cut.pixels.astype(int) - whole.pixels).max() <= 1, "the mean over all views"
    [fewer] = generate("red", perceptors=[Eye()], views=3, **asked)
    assert apart(cut, fewer) > 0.1
    [again] = next(Job(make_config(cut.metadata["settings"]), perceptors=[Eye()]).run())
    assert np.array_equal(again.pixels, cut.pixels)


def test_a_picture_that_gets_no_better_ends() -> None:
    still = make(auto_stop=1, learning_rate=0.0, steps=200)
    assert 2 * 12 < still.steps < 200
    assert still.metadata["settings"]["auto_stop"] == 1
    assert make(auto_stop=0, learning_rate=0.0, steps=200).steps < still.steps, "a drop less"
    moving = make(auto_stop=1, learning_rate=0.01, steps=20, cutouts="plain", views=1)
    assert moving.steps == 20, "every loss is lower than the one before it"


def test_batches_take_the_memory_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    eye = Eye()
    eyes = [as_perceptor(eye)]

    def planned(**changed: Any) -> memory.Plan:
        asked = {"prompts": ["red"], "width": 16, "height": 16, "generator": "pixels", "tracks": 1, **changed}
        return resources.plan_memory(make_config(asked), eyes, 8, torch.device("cpu"))

    monkeypatch.setattr(memory, "activation_bytes", lambda perceptor: 2**20)
    assert planned(views=64, batches=8, memory="200MiB") == memory.Plan(2, Cut(1, 64))
    assert planned(views=512, memory="200MiB").cut.views < 200, "all of them need more"
    assert planned(views=64, batches=8, memory="50MiB").cut.views < 40, "cut further where memory is scarce"


def test_target_pictures(tmp_path: Path) -> None:
    path = save(tmp_path / "green.png", (20, 220, 40), (20, 220, 40))
    near = make(target_pixels=[f"{path}:100"])
    assert np.abs(np.array(colour(near)) - np.array([20, 220, 40]) / 255).max() < 0.3 < colour(make())[0]
    whole = make(generator="vae", init=path, steps=0)
    drawn, free = (make(generator="vae", steps=6, target_images=[f"{path}:{w}"]) for w in (1000, 1e-9))
    assert apart(drawn, whole) < 0.8 * apart(free, whole)
    with pytest.raises(UserError, match="'target_images' compares latents"):
        make(target_images=[path])
    with pytest.raises(UserError, match="got a stop as well"):
        make(target_pixels=[f"{path}:1:2"])


def test_a_story_is_told() -> None:
    told, first = make("red ^ blue"), make("red")
    assert len(told.similarities["Eye"]) == 2
    assert told.metadata["settings"]["change_prompt_every"] is None
    assert apart(make("red ^ blue", change_prompt_every=6), first) < 0.5, "the second phase is never reached"
    assert apart(told, make("red ^ blue", change_prompt_every=3)) == 0, "each phase lasts for half of the steps"
    assert apart(told, first) > 1
    assert apart(told, make("red ^ blue", change_prompt_every=1)) > 1
    with pytest.raises(UserError, match="change_prompt_every turns the phases of a story, but no prompt has any"):
        make("red", change_prompt_every=5)
    with pytest.raises(UserError, match="setting 'negative': must have no phases"):
        make("red", negative=["blue ^ green"])


def test_pictures_with_and_without_a_story_in_one_batch() -> None:
    settings: dict[str, Any] = {
        "steps": 8, "views": 2, "size": 16, "cutouts": "gentle", "generator": "pixels", "seed": 5,
    }  # fmt: skip
    asked: dict[str, Any] = settings | {"starts": 1, "tracks": 1, "change_prompt_every": 2}
    both = generate(["red ^ blue", "green"], perceptors=[Eye()], **asked)
    assert [result.metadata["settings"]["change_prompt_every"] for result in both] == [2, None]
    for result in both:
        [again] = next(Job(make_config(result.metadata["settings"]), perceptors=[Eye()]).run())
        assert np.abs(again.pixels.astype(int) - result.pixels).max() <= 1


def test_spots(tmp_path: Path) -> None:
    left = save(tmp_path / "left.png", (255, 255, 255), (0, 0, 0))
    asked = {
        "steps": 15,
        "spot": ["red:4"],
        "spot_off": ["blue:4"],
        "cutouts": "plain",
        "views": 1,
        "learning_rate": 0.2,
    }
    result = make("white:0.01", spot_mask=left, **asked)
    halves = [result.pixels[:, part].reshape(-1, 3).mean(0).argmax() for part in (slice(0, 7), slice(9, 16))]
    assert halves == [0, 2]
    assert list(result.similarities) == ["Eye", "Eye (spot)", "Eye (spot_off)"]
    middle = make("white:0.01", **asked).pixels
    assert [middle[6:10, 6:10].reshape(-1, 3).mean(0).argmax(), middle[:2, :2].reshape(-1, 3).mean(0).argmax()] == [
        0,
        2,
    ]
    with pytest.raises(UserError, match="a spot mask says what spot prompts see, but there are none"):
        make(spot_mask=left)


def test_image_prompts_cut_anew_keep_their_places(tmp_path: Path) -> None:
    path = save(tmp_path / "bands.png", (255, 0, 0), (0, 0, 255))
    result = make([], image_prompts=[path], image_prompt_recut=True, steps=15, learning_rate=0.2)
    halves = [result.pixels[:, part].reshape(-1, 3).mean(0).argmax() for part in (slice(0, 6), slice(10, 16))]
    assert halves == [0, 2]
    assert len(result.similarities["Eye"]) == 1
    both = make("green", image_prompts=[path, f"{path}:0.5"], image_prompt_recut=True)
    assert len(both.similarities["Eye"]) == 3
    on_canvas = make([], image_prompts=[path], image_prompt_recut=True, generator="stack", steps=3)
    assert apart(on_canvas, make([], image_prompts=[path], generator="stack", steps=3)) > 1
    with pytest.raises(UserError, match="image_prompt_recut cuts image prompts anew, but there are none"):
        make(image_prompt_recut=True)


def test_labels_noise_and_image_labels(tmp_path: Path) -> None:
    (tmp_path / "two").mkdir()
    for name, shown in {"a": (250, 5, 5), "b": (5, 5, 250)}.items():
        save(tmp_path / "two" / f"{name}.png", shown, shown)
    assert np.argmax(colour(make([], labels=["a green thing"], steps=12, learning_rate=0.2))) == 1
    purple = colour(make([], image_labels=[str(tmp_path / "two")], steps=12, learning_rate=0.2))
    assert np.argmin(purple) == 1
    noise = [make([], noise_prompts=[text], steps=10) for text in ("1", "2", "1:-1")]
    assert apart(noise[0], noise[1]) > 1
    assert apart(noise[0], noise[2]) > 1
    assert noise[0].similarities["Eye"][0] > noise[2].similarities["Eye"][0]
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="an image label needs pictures"):
        make([], image_labels=[str(tmp_path / "empty")])


def test_vector_prompts(tmp_path: Path) -> None:
    path, other = tmp_path / "blue.json", tmp_path / "other.json"
    blue = (torch.tensor([0.0, 0.0, 1.0]) - 0.4).repeat_interleave(9).tolist()
    path.write_text(json.dumps({"EYE": [blue, blue]}))
    other.write_text(json.dumps({"ViT-B/32": [blue]}))
    assert np.argmax(colour(make([], vector_prompts=[str(path)], steps=12, learning_rate=0.2))) == 2
    assert np.argmin(colour(make([], vector_prompts=[f"{path}:-1"], steps=12, learning_rate=0.2))) == 2
    with pytest.raises(UserError, match=r"has no direction for CLIP 'Eye' \(it has ViT-B/32\)"):
        make([], vector_prompts=[str(other)])


def test_a_constraint_with_options_is_stored() -> None:
    text = r"palette:20:[red, blue]:anneal=3"
    result = make("green", constraints=[text], steps=12, learning_rate=0.2)
    assert result.metadata["settings"]["constraints"] == [text]
    assert apart(result, make("green", constraints=[], steps=12, learning_rate=0.2)) > 1
