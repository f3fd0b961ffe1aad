"""A comparison from its plan to its files: draws what is missing, looks at all of it, writes the reports."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from fastclipgen.comparison import process
from fastclipgen.comparison.entries import Entry
from fastclipgen.comparison.plan import Plan, Slot, check_same, kept
from fastclipgen.comparison.process import Failure
from fastclipgen.comparison.reports import Comparison, read_record, write_record, write_reports
from fastclipgen.comparison.rows import Picture, Summary, summarize
from fastclipgen.comparison.scores import Eyes, guides
from fastclipgen.comparison.worker import Request, Tell, request_of
from fastclipgen.engine.device import resolve_device
from fastclipgen.evaluation import spectrum
from fastclipgen.evaluation.asked import question_in
from fastclipgen.evaluation.diversity import spread_within
from fastclipgen.evaluation.judge import judge
from fastclipgen.outputs.images import to_uint8
from fastclipgen.outputs.load import load_image
from fastclipgen.perceptors.spec import parse_clip

Draw = Callable[[Request, Tell, Callable[[], bool]], Failure | None]
"""What draws the pictures of a request; see process.draw."""


def compare(
    plan: Plan,
    *,
    judges: Sequence[str] = (),
    unavailable: Mapping[str, str] | None = None,
    device: str = "auto",
    draw: Draw = process.draw,
    on_entry: Callable[[Entry, int], None] = lambda entry, missing: None,
    tell: Tell = lambda event: None,
    notice: Callable[[str], None] = print,
    interrupted: Callable[[], bool] = lambda: False,
) -> Comparison:
    """Draws the pictures of `plan` that are not there yet, entry after entry, and writes all reports into its folder.

    judges: further CLIPs, NAME[:TAG|:PATH], that score every picture; unavailable: generators that were left out, and
    why, for the reports; device: where the CLIPs look at finished pictures; draw: draws an entry, by default in a
    process of its own. on_entry: called before an entry of which so many pictures are missing; tell: with what happens
    while it is drawn (worker.Tell); interrupted: asked between; what is finished is kept and reported. An entry that
    fails is in `failures` and the others go on. Raises UserError for a folder that holds another comparison, and for
    judges that cannot be loaded, before anything is drawn.
    """
    if (before := read_record(plan.folder)) is not None:
        check_same(before, plan.identity(), plan.folder)
    missing = {entry.name: [slot for slot in plan.slots(entry) if kept(slot) is None] for entry in plan.entries}
    judges = [parse_clip(text).label for text in judges]
    eyes = Eyes(resolve_device(device), notice)
    for label in judges:
        eyes.load(label)
    write_record(plan)
    failures: dict[str, Failure] = {}
    for entry in plan.entries:
        slots = missing[entry.name]
        if interrupted():
            break
        on_entry(entry, len(slots))
        if not slots:
            continue
        failure = draw(request_of(slots, plan.count), tell, interrupted)
        if failure is not None:
            failures[entry.name] = failure
    return _report(plan, tuple(judges), eyes, failures, unavailable or {}, notice)


def _report(
    plan: Plan,
    judges: tuple[str, ...],
    eyes: Eyes,
    failures: Mapping[str, Failure],
    unavailable: Mapping[str, str],
    notice: Callable[[str], None],
) -> Comparison:
    pictures: list[Picture] = []
    summaries: list[Summary] = []
    for entry in plan.entries:
        found, diversity = _look(plan.slots(entry), judges, eyes)
        failure = failures.get(entry.name)
        pictures += found
        summaries.append(summarize(found, judges, diversity, failure.text if failure else None))
    guiding = {label for picture in pictures for label in guides(picture.settings.get("clip", []))}
    for label in guiding & set(judges):
        notice(f"the judge '{label}' has guided some of the pictures itself, so for those it is not held out")
    result = Comparison(plan, judges, tuple(pictures), tuple(summaries), failures, unavailable)
    write_reports(result)
    return result


def _look(slots: Sequence[Slot], judges: Sequence[str], eyes: Eyes) -> tuple[list[Picture], float | None]:
    """The pictures of an entry with all that can be said of them, and their diversity."""
    known = [(slot, kept(slot)) for slot in slots]
    done = [(slot, metadata, _pixels(slot.path)) for slot, metadata in known if metadata is not None]
    if not done:
        return [Picture(slot) for slot in slots], None
    prompts, pixels = [slot.prompt for slot, _, _ in done], [one for _, _, one in done]
    clips = guides(done[0][1].get("settings", {}).get("clip", []))
    seen: dict[str, Tensor] = {label: eyes.see(label, pixels) for label in dict.fromkeys([*judges, *clips])}
    guided = eyes.guided(clips, seen, prompts)
    judged = {label: eyes.scores(label, seen[label], prompts) for label in judges}
    looked_at: dict[Path, Picture] = {}
    for n, (slot, metadata, one) in enumerate(done):
        asked = question_in(slot.prompt)
        looked_at[slot.path] = Picture(
            slot,
            metadata,
            one,
            guide=guided[n],
            judged={label: column[n] for label, column in judged.items()},
            verdict=None if asked is None else judge(one, asked.shape, asked.colour, asked.background),
            alarm=_alarm(one),
        )
    first = next(iter(seen.values()), None)
    numbers = torch.tensor([slot.number for slot, _, _ in done])
    diversity = None if first is None else spread_within(first.cpu(), numbers)
    return [looked_at.get(slot.path, Picture(slot)) for slot in slots], diversity


def _alarm(pixels: np.ndarray) -> bool | None:
    """Whether the spectrum of a picture, uint8 [H, W, 3], is that of noise; None where it is too small to tell."""
    if min(pixels.shape[:2]) < spectrum.MIN_SIDE:
        return None
    rings = spectrum.ring_power(torch.from_numpy(pixels).movedim(-1, 0) / 255)[None]
    return bool(spectrum.NATURAL.exceeded(spectrum.high_share(rings), spectrum.slope(rings)))


def _pixels(path: Path) -> np.ndarray:
    return to_uint8(load_image(path))
