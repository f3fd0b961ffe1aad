"""`generate` and `Job`: own modules, several pictures, settings that make the same picture again, clear refusals."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

import fastclipgen
from fastclipgen.api import Job, Result, generate
from fastclipgen.config import sampling
from fastclipgen.config.edited import EDITS
from fastclipgen.config.run import make_config
from fastclipgen.engine import memory
from fastclipgen.engine.micro_batch import Cut
from fastclipgen.errors import UserError
from fastclipgen.generators.pixels import Pixels
from fastclipgen.outputs.metadata import read_metadata
from fastclipgen.perceptors import as_perceptor
from fastclipgen.perceptors.auto import REAL, LoadedPerceptor

WORDS = {"red": (1, 0, 0), "green": (0, 1, 0), "blue": (0, 0, 1), "white": (1, 1, 1)}


class Eye(nn.Module):
    """Sees the colours of nine patches; a text is its first colour word, everywhere."""

    image_size = 16

    def encode_image(self, views: Tensor) -> Tensor:
        return nn.functional.adaptive_avg_pool2d(views - 0.5, 3).flatten(1)

    def encode_text(self, texts: list[str]) -> Tensor:
        rows = [next((WORDS[word] for word in text.split() if word in WORDS), (1, 1, 1)) for text in texts]
        return (torch.tensor(rows).float() - 0.4).repeat_interleave(9, 1)


class Frame(nn.Module):
    """One colour inside, one around it."""

    def __init__(self) -> None:
        super().__init__()
        self.colours = nn.Parameter(torch.zeros(2, 3))

    def forward(self) -> Tensor:
        inside = torch.zeros(12, 20)
        inside[3:9, 5:15] = 1
        first, second = self.colours.sigmoid()[:, :, None, None]
        return first * inside + second * (1 - inside)


SETTINGS: dict[str, Any] = {"steps": 3, "views": 4, "size": 16, "cutouts": "gentle"}


def make(prompts: Any = "red", **changed: Any) -> list[Result]:
    settings = {**SETTINGS, "generator": "pixels", "perceptors": [Eye()], "seed": 5, **changed}
    return generate(prompts, **{key: value for key, value in settings.items() if value is not None})


def test_names_of_the_package() -> None:
    assert fastclipgen.generate is generate
    assert {"Engine", "Job", "Result", "StepInfo", "UserError", "generate"} <= set(dir(fastclipgen))
    assert fastclipgen.UserError is UserError
    with pytest.raises(AttributeError, match="no attribute 'generat'"):
        _ = fastclipgen.generat  # pyright: ignore[reportAttributeAccessIssue]


def test_ten_lines_with_own_generator_and_perceptor(tmp_path: Path) -> None:
    frame = Frame()
    [picture] = generate("a red frame", generator=frame, perceptors=[Eye()], steps=40, views=2, seed=1)
    assert picture.pixels.shape == (12, 20, 3)
    assert picture.pixels.dtype == np.uint8
    red, green, blue = picture.pixels.reshape(-1, 3).mean(0)
    assert red > 135 > 115 > max(green, blue)
    assert torch.equal(frame.colours, torch.zeros(2, 3)), "the module itself is not changed"
    assert (picture.metadata["settings"]["width"], picture.metadata["settings"]["height"]) == (20, 12)
    path = picture.save(tmp_path / "{seed}.png")
    assert path == tmp_path / "1.png"
    assert np.array_equal(np.array(Image.open(path)), picture.pixels)
    assert read_metadata(path)["given_in_python"] == ["generator", "perceptors"]
    assert picture.image.size == (20, 12)


def test_the_size_of_an_own_generator_is_its_own() -> None:
    with pytest.raises(UserError, match="draws pictures 20 wide and 12 high, but 16 x 16 was asked"):
        make(generator=Frame())
    [picture] = make(generator=Frame(), size=(20, 12))
    assert picture.pixels.shape == (12, 20, 3)
    [picture] = make(generator=Pixels(8, 10), size=None, steps=1)
    assert picture.pixels.shape == (8, 10, 3)
    [picture] = make(generator=Frame(), size=None, start=torch.full((3, 30, 30), 0.9), steps=0)
    assert picture.pixels.mean() > 0.8 * 255, "drawn by the module as nearly as its fit can"
    with pytest.raises(UserError, match="generator_options are for generators chosen by name"):
        make(generator=Frame(), size=None, generator_options={"noise": 0.5})


def test_several_prompts_and_count() -> None:
    results = make(["red", "blue|green:0.5"], count=2, steps=12)
    assert [(r.prompt, r.seed, r.index) for r in results] == [
        ("red", 5, 0), ("red", 6, 1), ("blue|green:0.5", 7, 2), ("blue|green:0.5", 8, 3),
    ]  # fmt: skip
    means = [r.pixels.reshape(-1, 3).mean(0).argmax() for r in results]
    assert means == [0, 0, 2, 2]
    assert len({r.pixels.tobytes() for r in results}) == 4
    assert [len(r.similarities["Eye"]) for r in results] == [1, 1, 2, 2], "no scores of padding"
    assert all(r.finite and r.steps == 12 for r in results)


def test_seeds_are_found_and_stored_when_none_is_given() -> None:
    one, two = (make(seed=None, steps=0)[0] for _ in range(2))
    assert one.seed != two.seed
    assert one.metadata["settings"]["seed"] == one.seed
    assert make(seed=one.seed, steps=0)[0].pixels.tobytes() == one.pixels.tobytes()


@pytest.mark.parametrize("deterministic", [True, False])
def test_stored_settings_make_the_same_picture(deterministic: bool) -> None:
    results = make(
        ["red", "blue"], deterministic=deterministic, count=2, negative=["green:0.2"], constraints=["tv:0.1"]
    )
    chosen = results[2]
    metadata = json.loads(json.dumps(chosen.metadata))
    [again] = next(Job(make_config(metadata["settings"]), perceptors=[Eye()]).run())
    if deterministic:
        assert np.array_equal(again.pixels, chosen.pixels)
        assert again.metadata == chosen.metadata
    else:
        assert np.abs(again.pixels.astype(int) - chosen.pixels).max() <= 1
    assert again.seed == chosen.seed == 7


def test_metadata_is_complete_and_plain() -> None:
    [result] = make(steps=2)
    stored = json.loads(json.dumps(result.metadata, allow_nan=False))
    assert stored == result.metadata
    assert stored["steps_done"] == 2
    assert stored["scores"] == {"loss": result.loss, "similarities": result.similarities}
    assert stored["clip"] == ["Eye (given)"]
    settings = stored["settings"]
    assert settings["prompts"] == ["red"]
    assert (settings["seed"], settings["count"], settings["width"]) == (5, 1, 16)
    undecided = [key for key, value in settings.items() if value in (None, "auto")]
    paths = {"init", "init_over", "mask", "spot_mask", "vqgan", "autoencoder", "gan", "cvae", "wgan"}
    others = {"preset", "augments", "init_noise", "init_alpha", "auto_stop", "change_prompt_every", "device", "backend"}
    others |= {"memory", "weight_decay", "latent_dim", "gan_range", "compat"}
    edits = {name for name in EDITS if make_config({"prompts": ["a"]}).model_dump()[name] is None}
    assert set(undecided) - set(sampling.OWN) == paths | others | edits  # clip-gen's own have no meaning here
    assert settings.keys() == make_config({"prompts": ["a"]}).model_dump().keys()


@pytest.mark.parametrize(
    ("builtin", "asked", "stored"),
    [
        (True, [], ["builtin"]),
        (False, [], [REAL]),
        (True, ["auto@2", "ViT-B-32"], ["builtin@2.0", "ViT-B-32"]),
    ],
)
def test_the_clip_that_auto_found_is_stored(
    builtin: bool, asked: list[str], stored: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def loaded(specs: list[str], *rest: Any) -> list[LoadedPerceptor]:
        weights = [2.0 if text.endswith("@2") else 1.0 for text in specs or ["auto"]]
        return [LoadedPerceptor(as_perceptor(Eye()), weight, "an eye", builtin) for weight in weights]

    monkeypatch.setattr("fastclipgen.api.resolve", loaded)
    [result] = make(perceptors=None, clip=asked, steps=0)
    assert result.metadata["settings"]["clip"] == stored
    assert "given_in_python" not in result.metadata
    # two perceptors of one name both have their scores
    assert list(result.similarities) == ["Eye", "Eye#2"][: len(stored)]


def picture_file(path: Path, *colours: tuple[int, int, int]) -> str:
    """Vertical bands of 8 x 16 pixels."""
    bands = [np.full((16, 8, 3), colour, np.uint8) for colour in colours]
    Image.fromarray(np.concatenate(bands, axis=1)).save(path)
    return str(path)


def test_start_picture_and_mask_from_files(tmp_path: Path) -> None:
    init = picture_file(tmp_path / "start.png", (10, 200, 30), (10, 200, 30))
    mask = picture_file(tmp_path / "mask.png", (0, 0, 0), (255, 255, 255))
    [start] = make(init=init, steps=0)
    assert (start.pixels == (10, 200, 30)).all()
    [picture] = make(init=init, mask=mask, steps=15)
    assert (picture.pixels[:, :8] == (10, 200, 30)).all(), "black in the mask: stays"
    assert picture.pixels[:, 8:, 0].mean() > 60
    assert (picture.metadata["settings"]["init"], picture.metadata["settings"]["mask"]) == (init, mask)
    [stacked] = make(generator="stack", init=init, mask=mask, steps=4)
    assert (stacked.pixels[:, :8] == (10, 200, 30)).all()
    assert (stacked.pixels[:, 8:] != (10, 200, 30)).any()


def test_image_prompts_from_files(tmp_path: Path) -> None:
    blue = picture_file(tmp_path / "blue:2.png", (0, 0, 255), (0, 0, 255))
    [picture] = make([], image_prompts=[blue], steps=15)
    assert picture.prompt == ""
    assert picture.metadata["settings"]["prompts"] == []
    assert picture.pixels.reshape(-1, 3).mean(0).argmax() == 2
    assert len(picture.similarities["Eye"]) == 1
    [less] = make([], image_prompts=[f"{blue}:-1"], steps=15)
    assert less.pixels.reshape(-1, 3).mean(0).argmin() == 2


@pytest.mark.parametrize("generator", ["pixels", "vae"])
def test_absurd_sizes_are_refused_before_anything_is_allocated(generator: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("a generator was made")

    monkeypatch.setattr("fastclipgen.generators.registry.create", never)
    monkeypatch.setattr(memory, "free_bytes", lambda device: 2**30)
    with pytest.raises(UserError, match=r"one picture of 16384x8192 would need about .* GiB .*smaller picture"):
        make(generator=generator, size=(16384, 8192), starts=4, tracks=4)
    with pytest.raises(UserError, match=r"setting 'width': .*16384"):
        make(size=10**6)


def test_pictures_that_do_not_fit_go_one_batch_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    together = make(["red", "blue", "green"])
    one = Job(make_config({**SETTINGS_16, "prompts": ["red"]}), perceptors=[Eye()])
    assert one.batches == 1
    monkeypatch.setattr(memory, "plan", lambda *_: memory.Plan(2, Cut()))
    job = Job(make_config({**SETTINGS_16, "prompts": ["red", "blue", "green"]}), perceptors=[Eye()])
    assert (job.batch, job.batches) == (2, 2)
    batches = list(job.run())
    assert [len(batch) for batch in batches] == [2, 1]
    apart = [result for batch in batches for result in batch]
    for result, other in zip(together, apart, strict=True):
        assert (result.prompt, result.seed, result.index) == (other.prompt, other.seed, other.index)
        assert np.abs(result.pixels.astype(int) - other.pixels).max() <= 1


SETTINGS_16 = {"steps": 3, "views": 4, "width": 16, "height": 16, "cutouts": "gentle", "generator": "pixels", "seed": 5}


def test_tracks_count_as_pictures_in_the_memory_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    plans = []
    real = memory.plan
    monkeypatch.setattr(memory, "plan", lambda *asked: plans.append(asked) or real(*asked))
    for tracks, size in ((1, "auto"), (3, "2GiB")):
        settings = {**SETTINGS_16, "prompts": ["red"], "tracks": tracks, "memory": size}
        Job(make_config(settings), perceptors=[Eye()])
    (alone, _, *one), (many, _, *three) = plans
    assert (one, three) == ([1, 4, None], [3, 4, 2**31])
    assert alone == many
    assert alone.size == "16x16"


def test_what_does_not_fit_is_cut() -> None:
    whole = Job(make_config({**SETTINGS_16, "prompts": ["red"], "tracks": 2}), perceptors=[Eye()])
    cut = Job(make_config({**SETTINGS_16, "prompts": ["red"], "tracks": 2, "memory": "0.2MiB"}), perceptors=[Eye()])
    assert whole.engine.stepper.way.cut == Cut()
    assert cut.engine.stepper.way.cut.rows == 1
    [[one]], [[other]] = whole.run(), cut.run()
    assert np.abs(one.pixels.astype(int) - other.pixels).max() <= 1


def test_deterministic_pictures_go_one_by_one() -> None:
    settings = {**SETTINGS_16, "prompts": ["red", "blue"], "deterministic": True}
    assert Job(make_config(settings), perceptors=[Eye()]).batches == 2


def test_an_interrupted_job_gives_what_it_has_and_begins_no_other_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "plan", lambda *_: memory.Plan(1, Cut()))
    job = Job(make_config({**SETTINGS_16, "prompts": ["red", "blue"]}), perceptors=[Eye()])
    asked = []
    batches = list(job.run(interrupted=lambda: asked.append(1) or len(asked) > 2))
    assert [[result.steps for result in batch] for batch in batches] == [[1]]


def test_callbacks_watch_and_stop() -> None:
    seen = []
    [result] = make(callbacks=[lambda info: seen.append(info.images().shape) or len(seen) == 2])
    assert seen == [(1, 3, 16, 16)] * 2
    assert result.steps == 2


def test_perceptors_may_be_weighted_and_alone() -> None:
    [alone] = make(perceptors=Eye(), steps=1)
    [listed] = make(steps=1)
    assert np.array_equal(alone.pixels, listed.pixels)
    [weighted] = make(perceptors=[(Eye(), -1.0)], steps=15)
    assert weighted.pixels.reshape(-1, 3).mean(0).argmin() == 0, "a negative weight repels"


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"perceptors": []}, "expected at least one perceptor"),
        ({"perceptors": [nn.Linear(1, 1)]}, "Linear lacks encode_image"),
        ({"perceptors": [(Eye(), math.nan)]}, "weight of perceptor 'Eye', got nan"),
        ({"perceptors": [(Eye(), 0)]}, "weight of perceptor 'Eye', got 0"),
        ({"perceptors": [(Eye(), "much")]}, "weight of perceptor 'Eye', got 'much'"),
        ({"prompts": ""}, "prompt needs a text"),
        ({"prompts": []}, "got neither"),
        ({"generator": "pixls"}, "unknown generator 'pixls'; did you mean 'pixels'"),
        ({"generator": nn.Linear(2, 2)}, "without arguments"),
        ({"generator": 3}, "setting 'generator'"),
        ({"optimizer": "adm"}, "unknown optimiser 'adm'; did you mean 'adam'"),
        ({"cutouts": "gentel"}, "unknown cutout preset 'gentel'; did you mean 'gentle'"),
        ({"schedule": "cosin"}, "unknown schedule 'cosin'; did you mean 'cosine'"),
        ({"constraints": ["tw"]}, "unknown constraint 'tw'"),
        ({"generator_options": {"nois": 1}}, "did you mean 'noise'"),
        ({"device": "gpu"}, "unknown device 'gpu'"),
        ({"precision": "int8"}, "unknown precision 'int8'"),
        ({"init": "nowhere.png"}, "nowhere.png"),
        ({"image_prompts": ["nowhere.png"]}, "nowhere.png"),
        ({"start": torch.zeros(3, 4, 4), "init": "a.png"}, "expected one start picture, got a tensor and the path"),
        ({"start": torch.zeros(1, 3, 4, 4)}, r"float tensor \[3, H, W\] in 0..1, got torch.float32 \[1, 3, 4, 4\]"),
        ({"start": torch.zeros(3, 4, 4, dtype=torch.uint8)}, "got torch.uint8"),
        ({"start": np.zeros((3, 4, 4))}, "got ndarray"),
        ({"start": torch.full((3, 4, 4), 255.0)}, "from 0 to 1 in the start picture, got 255 to 255"),
        ({"start": torch.full((3, 4, 4), math.nan)}, "from 0 to 1 in the start picture, got nan"),
    ],
)
def test_mistakes_are_sentences(changed: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence) as caught:
        make(**changed)
    assert "\n" not in str(caught.value)


def test_a_start_tensor_is_fitted_and_no_starts_are_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    start = torch.tensor([0.2, 0.4, 0.6]).view(3, 1, 1).expand(3, 40, 30)
    [result] = make(start=start, steps=0)
    assert (result.pixels == (51, 102, 153)).all()
    assert (result.metadata["settings"]["starts"], result.metadata["settings"]["tracks"]) == (1, 1)
    assert result.metadata["given_in_python"] == ["perceptors", "start"]


def test_constraints_may_compare_with_the_start_that_was_drawn() -> None:
    near, free = (make(constraints=c, steps=12, starts=3)[0].pixels.astype(int) for c in (["l2:200"], []))
    begun = make(constraints=[], steps=0, starts=3)[0].pixels
    assert np.abs(near - begun).mean() < 0.5 * np.abs(free - begun).mean()


class Breaks(Eye):
    """NaN for pictures that are rather red."""

    def encode_image(self, views: Tensor) -> Tensor:
        redness = views[:, 0].mean((1, 2)) - views[:, 1:].mean((1, 2, 3))
        return super().encode_image(views) + torch.where(redness > 0.2, torch.nan, 0.0)[:, None]


def test_a_picture_that_breaks_keeps_its_last_good_state(tmp_path: Path) -> None:
    red, blue = make(["red", "blue"], perceptors=[Breaks()], steps=20, cutouts="plain", views=1)
    assert (red.finite, blue.finite) == (False, True)
    assert math.isfinite(red.loss)
    assert 20 < red.pixels[..., 0].mean() - red.pixels[..., 1:].mean() <= 0.2 * 255 + 1
    assert blue.pixels.reshape(-1, 3).mean(0).argmax() == 2
    red.save(tmp_path / "red.png")


def test_results_notices_go_where_they_are_sent(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "two.gif", save_all=True, append_images=frames[1:])
    said: list[str] = []
    collect: Callable[[str], None] = said.append
    make(init=str(tmp_path / "two.gif"), steps=0, notice=collect)
    assert ["2 pictures" in line for line in said] == [True, False]
    assert said[1].startswith("compiling the step: no, ")
    assert capsys.readouterr().err == ""
    make(init=str(tmp_path / "two.gif"), steps=0)
    assert capsys.readouterr().err.startswith("fastclipgen: ")


def test_backends_draw_the_same_picture_and_wrong_ones_are_mistakes() -> None:
    pictures = [make(backend=name, steps=3)[0].pixels.astype(int) for name in ("cpp", "reference")]
    assert abs(pictures[0] - pictures[1]).max() <= 1
    assert make(backend="reference", steps=1)[0].metadata["settings"]["backend"] == "reference"
    with pytest.raises(UserError, match="unknown backend for cpu 'triton'"):
        make(backend="triton")
