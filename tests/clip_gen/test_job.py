"""Runs that sample, on tiny random weights: which pictures come out, that they can be made again, how runs end."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from fastclipgen import api
from fastclipgen.clip_gen import bridge_file
from fastclipgen.clip_gen.job import SampleJob
from fastclipgen.config.run import make_config
from fastclipgen.errors import UserError
from fastclipgen.guidance import modality_gap
from fastclipgen.guidance.targets import encode_picture
from fastclipgen.result import Picture, Result
from fastclipgen.sampling.choice import Choice
from fastclipgen.sampling.sampler import Sampler

from . import tiny
from .conftest import Make


def run(job: SampleJob, **arguments: Any) -> list[Result]:
    return [result for batch in job.run(**arguments) for result in batch]


def again(result: Result) -> Result:
    """The picture from its stored settings."""
    stored = result.metadata["settings"]
    [made] = run(api.make_job(make_config(stored), perceptors=[tiny.Eye()], notice=print))  # type: ignore[arg-type]
    return made


def test_the_best_candidates_are_the_pictures(job: Make) -> None:
    made = job(prompts=["a red circle", "a blue star:2|grey"], candidates=6, keep=2, count=2)
    results = run(made)
    assert [r.index for r in results] == list(range(8))
    assert [r.seed for r in results] == [5, 5, 6, 6, 7, 7, 8, 8]
    assert [r.prompt for r in results[3:5]] == ["a red circle", "a blue star:2|grey"]
    assert [(p.prompt, p.seed, p.index) for p in made.pictures] == [(r.prompt, r.seed, r.index) for r in results]
    # by hand, one picture after the other
    eye, networks = made.eye, made.networks
    texts = F.normalize(tiny.Eye().encode_text(["a red circle"]), dim=-1)
    tokens = Sampler(networks.transformer, 6, Choice()).sample(texts, torch.tensor([6]), candidates=6)[0]
    images = [((networks.decode(one[None])[0] + 1) / 2).clamp(0, 1) for one in tokens]
    cosines = torch.stack([encode_picture(eye, image) @ texts[0] for image in images])
    order = cosines.argsort(descending=True)
    assert len(set(order.tolist()[:2]) | {0, 1}) > 2  # not just the first ones
    for rank, result in enumerate(results[2:4]):
        best = int(order[rank])
        facts = {"candidate": best, "rank": rank + 1, "similarity": pytest.approx(float(cosines[best]), abs=1e-5)}
        assert result.metadata["sample"] == facts
        levels = (images[best] * 255).round().movedim(0, -1).numpy()
        assert np.abs(result.pixels.astype(int) - levels).max() <= 1
        assert result.similarities == {"eye": [pytest.approx(float(cosines[best]), abs=1e-5)]}
        assert result.loss == pytest.approx(1 - float(cosines[best]), abs=1e-5)
        assert (result.steps, result.finite, result.metadata["steps_done"]) == (0, True, 0)
    assert len(results[4].similarities["eye"]) == 2


def test_candidates_are_ranked_by_the_text_or_by_what_the_transformer_was_told(job: Make, tmp_path: Path) -> None:
    text = F.normalize(tiny.Eye().encode_text(["a"]), dim=-1)
    gallery = F.normalize(torch.randn(1, text.shape[1], generator=torch.Generator().manual_seed(3)), dim=-1)
    bridge = tmp_path / "one.safetensors"
    bridge.write_bytes(bridge_file.to_bytes(modality_gap.Neighbours(gallery, 1)))
    settings: dict[str, Any] = {"prompts": ["a"], "candidates": 6, "keep": 6, "text_to_image": str(bridge)}
    orders = []
    for rank_by, wanted in (("text", text), ("condition", gallery.half().float())):
        made = job(**settings, rank_by=rank_by)
        results = run(made)
        seen = [encode_picture(made.eye, torch.from_numpy(r.pixels).movedim(-1, 0) / 255) for r in results]
        cosines = [float(one @ F.normalize(wanted[0], dim=0)) for one in seen]
        assert [r.metadata["sample"]["similarity"] for r in results] == pytest.approx(cosines, abs=0.01)
        orders.append([r.metadata["sample"]["candidate"] for r in results])
    assert sorted(orders[0]) == sorted(orders[1]) == list(range(6))
    assert orders[0] != orders[1]


def test_pictures_with_seeds_of_their_own_are_those_of_runs_with_these_seeds(job: Make) -> None:
    made = job(prompts=["a", "b"], candidates=4)
    asked = [Picture("b", 9, 0), Picture("a", 7, 1), Picture("b", 7, 2)]
    drawn = [result for batch in made.draw(asked) for result in batch]
    assert [(r.prompt, r.seed, r.index) for r in drawn] == [("b", 9, 0), ("a", 7, 1), ("b", 7, 2)]
    for result in drawn:
        [alone] = run(job(prompts=[result.prompt], seed=result.seed, candidates=4))
        assert np.array_equal(result.pixels, alone.pixels)
        assert result.metadata["sample"]["candidate"] == alone.metadata["sample"]["candidate"]
        assert result.metadata["settings"]["seed"] == result.seed


def test_rows_and_memory_change_no_token(job: Make) -> None:
    settings: dict[str, Any] = {"candidates": 10, "keep": 2, "prompts": ["a", "b"]}
    whole = run(job(**settings))
    for others in ({"rows": 7}, {"deterministic": True}, {"memory": "0.6MiB"}):
        made = job(**settings, **others)
        assert made.layout.rows < 20
        parts = run(made)
        for one, other in zip(whole, parts, strict=True):
            # several rows may be rounded otherwise than fewer: the same candidates in the same order, not the same bits
            found, again_found = one.metadata["sample"], other.metadata["sample"]
            assert again_found == {**found, "similarity": pytest.approx(found["similarity"], abs=1e-5)}
            assert np.array_equal(one.pixels, other.pixels)


@pytest.mark.parametrize("others", [{}, {"guidance": 2.0}, {"refine": 2, "views": 2, "learning_rate": 0.3}])
def test_stored_settings_make_the_picture_again(job: Make, others: dict[str, Any]) -> None:
    for result in run(job(prompts=["x", "y"], candidates=5, keep=2, top_k=30, **others)):
        stored = result.metadata["settings"]
        assert (stored["keep"], stored["candidates"], stored["prompts"]) == (1, 5, [result.prompt])
        copy = again(result)
        assert (copy.prompt, copy.seed, copy.steps) == (result.prompt, result.seed, result.steps)
        assert np.abs(copy.pixels.astype(int) - result.pixels).max() <= (1 if others.get("refine") else 0)
        assert copy.metadata["settings"] == stored
        facts = dict(result.metadata["sample"])
        assert facts.pop("rank") in (1, 2)
        assert copy.metadata["sample"] == {**facts, "similarity": pytest.approx(facts["similarity"], abs=1e-5)}


def test_refining_is_edited_between_its_steps(job: Make) -> None:
    options = {"prompts": ["x", "y"], "candidates": 3, "refine": 3, "views": 1, "deterministic": True}
    plain, zoomed = run(job(**options)), run(job(**options, zoom_every=1))
    for one, other in zip(plain, zoomed, strict=True):
        assert not np.array_equal(one.pixels, other.pixels)
        assert other.metadata["settings"]["zoom"] == 0.99, "what is decided is stored"
        assert np.array_equal(again(other).pixels, other.pixels)


def test_refining_begins_with_the_sample_and_lowers_the_loss(job: Make) -> None:
    sampled = run(job(candidates=4, keep=2))
    drawn: list[np.ndarray] = []
    losses: list[float] = []

    def look(info: Any) -> None:
        if info.loss is not None:
            losses.append(float(info.loss.mean()))
            drawn.append(info.images().detach().numpy())

    settings = {"candidates": 4, "keep": 2, "refine": 15, "views": 1, "cutouts": "plain", "loss": "cosine"}
    finished = run(job(**settings), callbacks=[look])
    first = (drawn[0] * 255).round().transpose(0, 2, 3, 1)
    for picture, result in zip(first, sampled, strict=True):
        assert np.abs(picture - result.pixels).max() <= 1
    assert len(losses) == 15
    for before, after in zip(sampled, finished, strict=True):
        assert before.metadata["sample"] == after.metadata["sample"]
        assert after.steps == 15
        assert after.loss < before.loss - 0.05
    # of no steps at all: the sample itself
    stopped = run(job(**settings), interrupted=lambda: True)
    assert [r.steps for r in stopped] == [0, 0]
    for picture, result in zip(sampled, stopped, strict=True):
        assert np.abs(picture.pixels.astype(int) - result.pixels).max() <= 1


def test_callbacks_see_every_token_and_every_step(job: Make) -> None:
    for others in ({"candidates": 20, "rows": 8}, {"candidates": 3, "keep": 3, "count": 9, "refine": 2, "views": 1}):
        made, seen = job(**others), []
        run(made, callbacks=[seen.append])
        assert len(seen) == made.ticks(made.steps) > 16
        tokens = [info for info in seen if info.loss is None]
        assert [info.step for info in tokens[:16]] == list(range(1, 17))
        assert {info.steps for info in tokens} == {16}


def test_a_stopped_run_gives_the_best_of_what_is_finished(job: Make) -> None:
    calls = 0

    def stop(info: Any) -> bool:
        nonlocal calls
        calls += 1
        return calls > 40  # in the third batch of 4

    made = job(candidates=20, keep=6, rows=4, count=2)
    results = run(made, callbacks=[stop])
    assert calls == 41
    assert [r.index for r in results] == list(range(6))
    assert {r.metadata["sample"]["candidate"] for r in results} <= set(range(8))
    calls = 38  # in the first
    assert run(made, callbacks=[stop]) == []
    # between prompts
    assert len(run(job(candidates=4, rows=4, count=3), interrupted=lambda: True)) == 1


def test_conditions_choose_what_is_drawn(job: Make) -> None:
    def pixels(**others: Any) -> list[np.ndarray]:
        return [r.pixels for r in run(job(candidates=1, **others))]

    [plain] = pixels()
    different = [{"guidance": 4.0}, {"temperature": 3.0}, {"top_k": 2}, {"top_p": 0.1}, {"seed": 6},
                 {"prompts": ["a red circle|green"]}, {"negative": ["green"]}]  # fmt: skip
    for others in different:
        assert not np.array_equal(plain, pixels(**others)[0]), others
    assert np.array_equal(plain, pixels(prompts=["a red circle:3"])[0])
    one, other = (pixels(temperature=0.0, seed=seed)[0] for seed in (1, 2))
    assert np.array_equal(one, other)


def test_defaults(job: Make) -> None:
    config = job().config
    assert (config.candidates, config.keep, config.top_k, config.top_p, config.temperature) == (32, 1, 500, 0.95, 1.0)
    config = job(compat_clip_gen=True).config
    assert (config.candidates, config.keep, config.top_k, config.top_p, config.temperature) == (64, 8, 500, 0.95, 1.0)
    assert (config.width, config.height, config.guidance, config.refine) == (16, 16, 1.0, 0)
    assert job(keep=40).config.candidates == 40
    assert job(compat_clip_gen=True, candidates=3).config.keep == 3


def test_ranking_as_clip_gen_did(job: Make) -> None:
    ours, theirs = (run(job(candidates=6, keep=6, compat_clip_gen=compat)) for compat in (False, True))
    similar = [
        {r.metadata["sample"]["candidate"]: r.metadata["sample"]["similarity"] for r in own} for own in (ours, theirs)
    ]
    assert similar[0].keys() == similar[1].keys()
    assert similar[0] != similar[1]
    # what is stored as its score is the right one either way
    scores = [{r.metadata["sample"]["candidate"]: r.loss for r in own} for own in (ours, theirs)]
    assert scores[0] == scores[1]


def test_what_does_not_fit_is_said(job: Make, settings: dict[str, Any], tmp_path: Any) -> None:
    with pytest.raises(UserError, match="draw pictures of 16x16, but 32x16 was asked for; leave the size out"):
        job(width=32, height=16)
    assert len(run(job(width=16, height=16, candidates=1))) == 1
    with pytest.raises(UserError, match="expected a candidate from 0 to 3, got 4"):
        job(candidates=4, candidate=4)
    plain = tiny.write(tmp_path, "plain.safetensors")
    with pytest.raises(UserError, match="guidance 2 needs a transformer that was trained with condition dropout"):
        run(job(clip_gen=str(plain), guidance=2.0))
    with pytest.raises(UserError, match=r"needs about .* can be used; raise --memory"):
        job(memory="0.05MiB")
    notes: list[str] = []
    made = job(notes, rows=400, memory="3MiB", candidates=400)
    assert notes == [f"memory for {made.layout.rows} instead of 400 samples at a time: rounding may change a picture"]
    with pytest.raises(UserError, match="but a module was given; leave one of them out"):
        api.generate("x", generator=torch.nn.Linear(1, 1), **{k: v for k, v in settings.items() if k != "prompts"})
    with pytest.raises(UserError, match="but a start picture was given; leave one of them out"):
        api.make_job(make_config(settings), start=torch.zeros(3, 8, 8))


def test_everything_draws_in_the_precision_asked_for(job: Make) -> None:
    made = job(precision="bf16", refine=1)
    assert made.networks.transformer.positions.dtype == torch.bfloat16
    assert made.networks.vqgan.decoder.conv_out.weight.dtype == torch.bfloat16
    assert made.networks.vqgan.codebook.dtype == torch.float32
    (result,) = run(made, callbacks=[])
    assert math.isfinite(result.loss)
    plain = job()
    tokens = torch.zeros(1, plain.networks.transformer.geometry.block, dtype=torch.int64)
    torch.testing.assert_close(made.networks.decode(tokens), plain.networks.decode(tokens), atol=0.05, rtol=0.05)
    assert made.networks.decode(tokens).dtype == torch.float32
