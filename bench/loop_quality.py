"""Whether what is faster still draws as well: the same pictures by the engine and by a reference loop.

The two draw different random views, so single pictures differ; the losses of several agree. With the built-in CLIP the
prompts are those of the drawing test, and its judge measures the pixels.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from fastclipgen.evaluation.drawing import draw_questions
from fastclipgen.evaluation.judge import judge
from fastclipgen.evaluation.report import Question
from fastclipgen.outputs.images import to_uint8

from .reference import ReferenceRun
from .schema import Drawn, Quality
from .subject import EngineRun, Subject


def quality(subject: Subject, settings: dict[str, Any], steps: int | None, pictures: int, starts: int) -> Quality:
    """`pictures` pictures of `steps` steps (None: all of the job's) from the same starts, each the best of `starts`.

    The reference loops differ in waste only, so the fair one stands for all. `subject` has the settings, and is used
    as it is where neither starts nor the drawing test's prompts are asked for.
    """
    questions: list[Question] = []
    if all(one.is_builtin for one in subject.job.loaded):
        questions = draw_questions(pictures, 0)
        subject = Subject(pictures, settings, [question.prompt for question in questions], starts)
    steps = steps or len(subject.rates)
    engine = EngineRun(subject, pictures)
    before = subject.loss(engine.images())
    engine.advance(steps)
    images, losses = [], []
    for picture in range(pictures):
        run = ReferenceRun(subject, picture)
        run.advance(steps)
        images.append(run.images())
        losses.append(subject.loss(images[-1], picture))
    return Quality(
        steps=steps,
        pictures=pictures,
        before=before,
        engine=subject.loss(engine.images()),
        reference=sum(losses) / len(losses),
        drawn={"engine": drawn(engine.images(), questions), "reference": drawn(torch.cat(images), questions)}
        if questions
        else None,
    )


def drawn(images: Tensor, questions: list[Question]) -> Drawn:
    """The shares of pictures [B, 3, H, W] that have the colours and the shape they should."""
    verdicts = [
        judge(to_uint8(image), asked.shape, asked.colour, asked.background)
        for image, asked in zip(images, questions, strict=True)
    ]
    colours = sum(one.colours_right for one in verdicts) / len(verdicts)
    return Drawn(colours=colours, shapes=sum(one.shape_right for one in verdicts) / len(verdicts))
