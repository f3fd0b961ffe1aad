"""What an experiment may use of the machine, and whether its generator can do what its epochs ask for.

Draws nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from fastclipgen.config.run import parse_memory
from fastclipgen.engine import compile_choice, compiled, memory
from fastclipgen.engine.compile_choice import Choice
from fastclipgen.engine.memory import Plan
from fastclipgen.engine.micro_batch import Cut
from fastclipgen.engine.recipe import Guide
from fastclipgen.errors import UserError
from fastclipgen.experiments.drawing import Drawing
from fastclipgen.experiments.scene import Eye
from fastclipgen.experiments.timetable import Timetable
from fastclipgen.ops.cutout_params import preset

FEWER = "a smaller model or fewer frames (batch_size of targets)"
LESS_MEMORY = "use a smaller resolution or model, a smaller batch, or fewer frames (batch_size of targets)"


def check_phases(timetable: Timetable, drawing: Drawing) -> None:
    """Raises UserError where the generator cannot be resized or changed in the middle of a run as the file asks."""
    sizes = list(dict.fromkeys(timetable.size(phase.first) for phase in timetable.phases()))
    generator = drawing.at(*sizes[0])
    if generator.reencodes:
        return
    others = "use pixels, stack, fourier, vqgan or autoencoder"
    if len(sizes) > 1:
        raise UserError(
            f"resolution: expected one size for the whole run, since generator '{generator.name}' gives no picture "
            f"back at once, got {len(sizes)}; {others}"
        )
    if timetable.postproc:
        raise UserError(
            f"{timetable.postproc[0].item.where}: expected no postproc, since generator '{generator.name}' gives no "
            f"picture back at once; leave it out, or {others}"
        )


def most_frames(timetable: Timetable) -> int:
    """The most frames of a picture that a model sees in one step, at least 1."""
    compat = timetable.experiment.compat
    epochs = {phase.shape: phase.first for phase in timetable.phases()}.values()
    seen = (
        sum(t.frames(epoch, compat) for t in timetable.targets if t.switch.on(epoch) and t.features) for epoch in epochs
    )
    return max(1, *seen)


def plan_memory(timetable: Timetable, drawing: Drawing, eyes: Sequence[Eye], device: torch.device) -> Plan:
    """How the pictures go through memory together; one by one where a run is deterministic, or where sizes differ from
    picture to picture. Raises UserError where one does not fit."""
    experiment = timetable.experiment
    if experiment.settings.get("deterministic") or not timetable.alike:
        return Plan(1, Cut())
    guides = [memory.guide(eye.perceptor, most_frames(timetable), device) for eye in eyes]
    height, width = timetable.largest
    kept = 0 if experiment.generator == "pixels" else memory.drawing_bytes(drawing.at(height, width))
    run = memory.estimate(experiment.batch, height, width, guides, drawing=kept)
    return memory.plan(run, device, 1, 1, parse_memory(experiment.settings.get("memory", "auto")), FEWER)


def choose_compiling(
    timetable: Timetable, eyes: Sequence[Eye], batch: int, batches: int, device: torch.device, given: bool
) -> Choice:
    """Whether steps are compiled, and why. given: a module of the user's own takes part in them. Raises UserError for
    "on" where it cannot be."""
    experiment = timetable.experiment
    asked = experiment.settings.get("compile", "auto")
    if experiment.settings.get("deterministic"):
        return Choice(False, "a compiler may add in another order on another day, and the run is deterministic")
    if given and asked == "auto":
        return Choice(False, "what a module given in Python does at each call is not known")
    views, spec = most_frames(timetable), preset("plain")
    guides = [Guide(eye.perceptor, eye.weight, views, spec) for eye in eyes]
    programs = len({phase.shape for phase in timetable.phases(experiment.start_epoch)})
    costs = compile_choice.guess(guides, [(batch, 1.0)], device)
    costs = costs._replace(start=costs.start * programs)
    steps = (experiment.epochs - experiment.start_epoch) * batches
    return compile_choice.choose(asked, steps, costs, compiled.obstacle(device))
