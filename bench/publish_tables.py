"""The tables of bench/README.md, one for each suite's report. Knows nothing of files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any

from .op_case import COMPILED, REFERENCE, WHOLE
from .schema import (
    BatchReport,
    CaptionsReport,
    ClipigReport,
    CvaeReport,
    GanReport,
    LadderReport,
    LoopCase,
    LoopsReport,
    OpLane,
    OpsReport,
    PresetsReport,
    SamplingReport,
    Spread,
    VqganReport,
)


def markdown(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def times(one: Spread) -> str:
    return f"{one.median:.2f}x ({one.p5:.2f}-{one.p95:.2f})"


def mib(size: int) -> str:
    return f"{size / 2**20:.0f} MiB" if size >= 2**20 else f"{size / 2**10:.0f} KiB"


def ops(report: OpsReport) -> str:
    """A row for every op, case, batch and direction; a column for every backend: its speed, the reference's being 1."""
    known = [COMPILED, *sorted({lane.backend for lane in report.lanes} - _NO_COLUMN - _yardsticks(report))]
    rows = []
    for key, group in groupby(report.lanes, key=lambda lane: (lane.op, lane.case, lane.batch, lane.direction)):
        lanes = {lane.backend: lane for lane in group}
        own = next(lane for lane in lanes.values() if lane.chosen)
        speeds = [
            _bold(f"{lanes[name].speedup.median:.2f}", lanes[name].chosen) if name in lanes else "" for name in known
        ]
        rows.append(
            [
                *(f"{part}" for part in key),
                *speeds,
                _yardstick(lanes.get(WHOLE, own)),
                f"{own.of_copy.median:.0%}",
                f"{own.of_matrix.median:.1%}",
                mib(own.peak_bytes),
                *([f"{1e6 * own.seconds.median:.0f}"] if own.seconds else []),
            ]
        )
    heads = ["op", "case", "batch", "pass", *known, "against", "of a copy", "of a matrix product", "peak"]
    text = markdown([*heads, *(["us"] if report.device == "cuda" else [])], rows)
    about = "Speeds; that of plain torch is 1, bold is what the package takes. The columns after them are of that one. "
    about += '"against": the way in which others come to the same, with the drawing of parameters on both sides.\n\n'
    if report.ceilings is not None:
        copy, matrix = report.ceilings.copy_bytes.median / 1e12, report.ceilings.matrix_flops.median / 1e12
        about += f"A copy moved {copy:.2f} TB/s, a {report.dtype} matrix product ran at {matrix:.0f} TFLOP/s.\n\n"
    return about + text


_NO_COLUMN = {REFERENCE, COMPILED, WHOLE}


def _yardsticks(report: OpsReport) -> set[str]:
    return {lane.yardstick for lane in report.lanes if lane.yardstick}


def _yardstick(lane: OpLane) -> str:
    return f"{lane.over_yardstick.median:.2f}x {lane.yardstick}" if lane.over_yardstick else ""


def _bold(text: str, yes: bool) -> str:
    return f"**{text}**" if yes else text


def loops(report: LoopsReport) -> str:
    """Per case: the ratios, then the lanes' memory (and seconds), then the quality."""
    return "\n".join(_loop(case) for case in report.cases)


def _loop(case: LoopCase) -> str:
    chosen = case.settings
    head = (
        f"### {case.name}\n\n`{chosen['generator']}` {chosen['width']}x{chosen['height']}, "
        f"{', '.join(chosen['clip'])}, {chosen['views']} views `{chosen['cutouts']}`, {chosen['optimizer']}\n\n"
    )
    ratios = markdown(
        ["time per picture and step", "ratio"], [[f"{one.slow} / {one.fast}", times(one.times)] for one in case.ratios]
    )
    if case.flops is not None:
        head += f"{case.flops / 1e12:.3f} TFLOP in matrix products and convolutions of a step.\n\n"
    rows = []
    for lane in case.lanes:
        seconds = [f"{lane.picture_step.median * 1e3:.2f} ms", f"{lane.picture:.2f} s"] if lane.picture_step else []
        share = [] if lane.of_matrix is None else [f"{lane.of_matrix.median:.0%}"]
        rows.append([f"{lane.name}@{lane.batch}", lane.dtype, mib(lane.peak_bytes), *share, *seconds])
    timed = ["a step", "a picture"] if case.lanes[0].picture_step else []
    shares = [] if case.lanes[0].of_matrix is None else ["of a matrix product"]
    lanes = markdown(["", "precision", "peak", *shares, *timed], rows)
    good = case.quality
    text = (
        f"Loss of {good.pictures} pictures after {good.steps} steps, seen whole: engine {good.engine:.4f}, reference "
        f"{good.reference:.4f}, before {good.before:.4f}."
    )
    for who, drawn in (good.drawn or {}).items():
        text += f" Drawn as asked, {who}: colours {drawn.colours:.0%}, shapes {drawn.shapes:.0%}."
    return f"{head}{ratios}\n{lanes}\n{text}\n"


def ladder(report: LadderReport) -> str:
    """A row for every rung."""
    rows = [
        [
            rung.name,
            times(rung.faster),
            times(rung.faster_than_first),
            mib(rung.peak_bytes),
            f"{rung.loss:.4f}",
            *([f"{1e3 * rung.picture_step.median:.2f}"] if rung.picture_step else []),
        ]
        for rung in report.rungs
    ]
    heads = ["with", "against the row above", "against the first", "peak", f"loss after {report.steps} steps"]
    chosen = report.settings
    about = (
        f"`{chosen['generator']}` {chosen['width']}x{chosen['height']}, {', '.join(chosen['clip'])}, {chosen['views']} "
        f"views `{chosen['cutouts']}`; time per picture and step; loss before: {report.loss_before:.4f}.\n\n"
    )
    return about + markdown([*heads, *(["ms"] if report.device == "cuda" else [])], rows)


def sampling(report: SamplingReport) -> str:
    """A row for every way to draw tokens, and a line about whole pictures."""
    size, gpu = report.geometry, report.copy_bytes is not None
    about = (
        f"A transformer of {size['layers']} layers of {size['width']}, {size['block']} tokens a picture, "
        f"{report.candidates} pictures at a time, {report.dtype}; random weights. All tokens must read at the least "
        f"{report.weight_bytes / 2**30:.1f} GiB of weights (once a token) and {report.cache_bytes / 2**30:.1f} GiB of "
        'keys and values; "of a copy" is the share of the speed at which a copy moves bytes.\n\n'
    )
    rows = [
        [
            lane.name,
            "" if lane.faster is None else times(lane.faster),
            "" if lane.of_copy is None else f"{lane.of_copy.median:.0%}",
            "" if lane.of_copy_weights is None else f"{lane.of_copy_weights.median:.0%}",
            "" if lane.peak_bytes is None else mib(lane.peak_bytes),
            *([f"{1e3 * lane.picture.median:.2f}"] if lane.picture else []),
        ]
        for lane in report.lanes
    ]
    heads = ["tokens", "against a full forward each", "of a copy", "of a copy, weights alone", "peak"]
    text = about + markdown([*heads, *(["ms a picture"] if gpu else [])], rows)
    if report.copy_bytes is not None:
        text += f"\nA copy moved {report.copy_bytes.median / 1e12:.2f} TB/s."
    if report.every > 1:
        text += f"\nFull forward at every {report.every}th position, which stands for those around it."
    if report.same_tokens is not None:
        text += f"\nSame tokens: {report.same_tokens:.2%}."
    if (made := report.pictures) is not None:
        seconds = "" if made.seconds is None else f"{made.seconds.median:.3f} s, "
        text += (
            f"\n{made.candidates} candidates of {made.side}x{made.side} sampled, decoded and ranked by {made.clip}: "
            f"{seconds}of which tokens {made.tokens.median:.0%}."
        )
    return text + "\n"


def vqgan(report: VqganReport) -> str:
    """A row for every way to decode."""
    rows = [
        [
            lane.name,
            lane.dtype,
            times(lane.faster),
            f"{lane.of_matrix.median:.0%}",
            "" if lane.peak_bytes is None else mib(lane.peak_bytes),
            f"{lane.picture_error:.1e}",
            f"{lane.gradient_error:.1e}",
            *([f"{1e3 * lane.seconds.median:.2f}"] if lane.seconds else []),
        ]
        for lane in report.lanes
    ]
    heads = ["", "precision", "against eager", "of a matrix product", "peak", "picture differs by", "gradient by"]
    about = (
        f"Decoder and gradient of its input at {report.side}x{report.side}, VQGAN `{report.model}`, "
        f"{report.flops / 1e12:.3f} TFLOP; eager: torch's own layers in float32. Differences: length over length.\n\n"
    )
    return about + markdown([*heads, *(["ms"] if report.device == "cuda" else [])], rows)


def presets(report: PresetsReport) -> str:
    """A row for every preset."""
    first, whole = report.lanes[0], report.shrink == 1
    rows = [
        [
            f"`{lane.name}`",
            ", ".join(lane.clips),
            str(lane.side),
            str(lane.views),
            str(lane.steps),
            times(lane.of_first),
            f"{lane.picture_of_first:.1f}x",
            mib(lane.peak_bytes),
            f"{lane.flops / 1e12:.2f}",
            mib(lane.planned_bytes),
            *([f"{1e3 * lane.step.median:.1f}"] if lane.step else []),
        ]
        for lane in report.lanes
    ]
    heads = ["preset", "CLIPs", "side", "views", "steps", "a step", "a picture", "peak", "TFLOP a step", "planned"]
    about = f"Generator vqgan and CLIPs with random weights, {first.dtype}; ratios to `{first.name}`."
    if not whole:
        about += f" Steps and peaks were measured with 1/{report.shrink**2} of the pixels and of the views."
    return f"{about}\n\n" + markdown([*heads, *(["ms a step"] if report.device == "cuda" else [])], rows)


def cvae(report: CvaeReport) -> str:
    """A row for every way to train, by parts."""
    rows = [
        [
            lane.part,
            lane.name,
            lane.dtype,
            times(lane.faster),
            mib(lane.peak_bytes),
            f"{lane.error:.1e}",
            *([f"{1e3 * lane.seconds.median:.2f}"] if lane.seconds else []),
        ]
        for lane in report.lanes
    ]
    about = (
        f"Training of a CVAE of {report.parameters:,} parameters, {report.batch} pictures a step, both ways. "
        "Tiled: picture and condition as one input; folded: the condition as a bias; package: channels last, in the "
        "precision of a training. Differences: of the first convolution's gradient, length over length.\n\n"
    )
    heads = ["", "", "precision", "against tiled", "peak", "differs by"]
    return about + markdown([*heads, *(["ms"] if report.device == "cuda" else [])], rows)


def captions(report: CaptionsReport) -> str:
    """A row for every way to embed captions."""
    rows = [
        [
            lane.name,
            times(lane.faster),
            mib(lane.bytes),
            f"{lane.error:.1e}",
            *([f"{1e3 * lane.caption.median:.3f}"] if lane.caption else []),
        ]
        for lane in report.lanes
    ]
    about = (
        f"Captions of {report.captions} pictures, {report.unique} of them different, CLIP `{report.clip}`. One at a "
        "time: a forward and a file for every picture; batches: many in a forward and one file for all of them; cache: "
        "equal captions once, besides. Differences: length over length.\n\n"
    )
    heads = ["", "against one at a time", "files", "differs by"]
    return about + markdown([*heads, *(["ms a caption"] if report.device == "cuda" else [])], rows)


def gan(report: GanReport) -> str:
    """A row for every ratio, then the lanes' memory."""
    about = (
        f"FastGAN of {report.side}x{report.side}, {report.parameters / 1e6:.2f} M parameters, random weights, built-in "
        "CLIP, one view; published loop: as clipping-CLIP-to-GAN goes about it.\n\n"
    )
    rows = [[f"{one.slow} / {one.fast}", times(one.times)] for one in report.ratios]
    lanes = [
        [
            f"{lane.name}@{lane.batch}",
            mib(lane.peak_bytes),
            *([f"{1e3 * lane.picture_step.median:.2f} ms"] if lane.picture_step else []),
        ]
        for lane in report.lanes
    ]
    heads = ["", "peak", *(["a step"] if report.device == "cuda" else [])]
    return about + markdown(["time per latent and step", "ratio"], rows) + "\n" + markdown(heads, lanes)


def clipig(report: ClipigReport) -> str:
    """A row for every way to take epochs."""
    rows = [
        [
            lane.name,
            times(lane.faster),
            mib(lane.peak_bytes),
            *([f"{1e3 * lane.epoch.median:.2f}"] if lane.epoch else []),
        ]
        for lane in report.lanes
    ]
    asked = report.settings
    about = (
        f"CLIPig's first example, {asked['side']}x{asked['side']} pixels, {asked['frames']} frames an epoch, CLIP "
        f"`{report.clip}`. Published loop: as that program goes about it; fair loop: without its waste; engine: "
        "`fastclipgen run`.\n\n"
    )
    heads = ["", "speed", "peak"]
    return about + markdown([*heads, *(["ms an epoch"] if report.device == "cuda" else [])], rows)


def batch(report: BatchReport) -> str:
    """A row for every way to draw many prompts."""
    rows = [
        [
            lane.name,
            str(lane.pictures),
            times(lane.of_batch),
            *([f"{60 / lane.picture.median:.1f}"] if lane.picture else []),
        ]
        for lane in report.lanes
    ]
    settings = ", ".join(f"{name} {value}" for name, value in report.settings.items())
    two = "" if report.workers is None else f" Two workers on one store: {times(report.workers)} as fast as one."
    about = (
        f"{report.prompts} prompts of the shapes world, {settings}, all else by default. Calls: `generate` for each "
        f"prompt in one warm process; commands: a process for each.{two}\n\n"
    )
    heads = ["", "pictures", "time of a picture, in one batch it is 1"]
    return about + markdown([*heads, *(["pictures a minute"] if report.device == "cuda" else [])], rows)


TABLES: dict[str, Callable[[Any], str]] = {
    "ops": ops, "loops": loops, "ladder": ladder, "sampling": sampling, "vqgan": vqgan,
    "gan": gan, "presets": presets, "cvae": cvae, "captions": captions,
    "clipig": clipig, "batch": batch,
}  # fmt: skip
