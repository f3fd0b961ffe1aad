"""The drawing test: random prompts of the shapes world, their pictures through the public interface, and the judge.

Knows neither the generators nor the guides; whatever `settings` ask for is tested.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from fastclipgen.api import Job, make_job
from fastclipgen.clip_gen.job import SampleJob
from fastclipgen.config.run import make_config
from fastclipgen.config.sampling import CLIP_GEN
from fastclipgen.data.palette import COLOURS
from fastclipgen.data.shapes_sdf import SHAPES
from fastclipgen.engine.engine import Callback
from fastclipgen.errors import UserError
from fastclipgen.evaluation.judge import judge
from fastclipgen.evaluation.report import Answer, Question, Report
from fastclipgen.ops.philox import Stream, uniforms

OWN_SETTINGS = ("prompts", "count", "image_prompts", "keep")  # what the test itself decides
MAX_PROMPTS = 10_000
COMMON_SETTINGS = ("prompts", "seed", "count")  # differ from picture to picture, or say nothing


def draw_questions(count: int, seed: int) -> list[Question]:
    """`count` random questions of `seed`; question i is the same for every count. The two colours always differ.

    Raises UserError for a count outside 1..10,000 or a seed outside 0..2**63-1.
    """
    if not 1 <= count <= MAX_PROMPTS:
        raise UserError(f"the drawing test takes 1..{MAX_PROMPTS} prompts, got {count}")
    if not 0 <= seed < 2**63:
        raise UserError(f"the drawing test takes a seed of 0..2**63-1, got {seed}")
    draws = uniforms(torch.tensor([seed]), 0, Stream.DATA, 3, cutouts=count)[0]  # [count, 3]
    sizes = torch.tensor([len(SHAPES), len(COLOURS), len(COLOURS) - 1])
    questions = []
    for shape, colour, further in (draws * sizes).long().tolist():
        background = (colour + 1 + further) % len(COLOURS)
        questions.append(Question(SHAPES[shape], COLOURS[colour], COLOURS[background]))
    return questions


def prepare(questions: Sequence[Question], settings: dict[str, Any], notice: Callable[[str], None]) -> Job | SampleJob:
    """The job that draws the questions, in order. Raises UserError for settings that cannot be or are not to be set."""
    taken = [name for name in OWN_SETTINGS if name in settings]
    if taken:
        raise UserError(f"the drawing test chooses '{taken[0]}' itself; leave that setting out")
    prompts = [question.prompt for question in questions]
    config = make_config({"clip": ["builtin"], **settings, "prompts": prompts})
    if config.generator == CLIP_GEN:
        config = config.model_copy(update={"keep": 1})  # one answer for each question
    return make_job(config, notice=notice)


def run_drawing_test(
    count: int,
    seed: int = 0,
    settings: dict[str, Any] | None = None,
    *,
    callbacks: Sequence[Callback] = (),
    on_start: Callable[[Job | SampleJob], None] | None = None,
    on_batch: Callable[[Sequence[Answer]], None] | None = None,
    notice: Callable[[str], None] = print,
) -> Report:
    """Draw `count` prompts of `seed` and judge every picture.

    settings: fields of config.run.RunConfig; what they leave open is the tool's default, with the built-in CLIP, and
    the pictures' seeds begin with `seed`. callbacks: called after every step of the engine; on_start: with the job
    before its first step; on_batch: with the answers of every batch as it is finished. Raises UserError.
    """
    questions = draw_questions(count, seed)
    job = prepare(questions, {"seed": seed, **(settings or {})}, notice)
    if on_start is not None:
        on_start(job)
    answers: list[Answer] = []
    for batch in job.run(callbacks):
        done = []
        for result in batch:
            asked = questions[result.index]
            verdict = judge(result.pixels, asked.shape, asked.colour, asked.background)
            done.append(Answer(asked, verdict, result.seed, result.loss, result.pixels))
        answers += done
        if on_batch is not None:
            on_batch(done)
    resolved = job.config.model_dump(mode="json", exclude=set(COMMON_SETTINGS))
    return Report(tuple(answers), seed, resolved)
