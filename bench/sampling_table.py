"""The sampling bench's report for people."""

from __future__ import annotations

from .schema import SamplingReport


def table(report: SamplingReport) -> str:
    where, size = report.machine, report.geometry
    lines = [
        f"{where.gpu or where.processor}, {where.threads} threads, torch {where.torch}; tests: {report.tests}",
        f"{size['layers']} layers of {size['width']}, {size['block']} tokens, {report.candidates} pictures at a time, "
        f"{report.dtype}",
        f"all tokens read {report.weight_bytes / 2**30:.1f} GiB of weights, {report.cache_bytes / 2**30:.1f} GiB of "
        "keys and values",
    ]
    if report.copy_bytes is not None:
        lines.append(f"a copy: {report.copy_bytes.median / 1e12:.2f} TB/s")
    for lane in report.lanes:
        text = f"{lane.name:18}"
        if lane.faster is not None:
            one = lane.faster
            text += f"{one.median:.1f}x full forward ({one.p5:.1f}-{one.p95:.1f})"
        if lane.of_copy is not None and lane.of_copy_weights is not None:
            text += f", {lane.of_copy.median:.0%} of a copy's speed ({lane.of_copy_weights.median:.0%} for weights)"
        text += "" if lane.peak_bytes is None else f", {lane.peak_bytes / 2**20:.0f} MiB"
        text += "" if lane.picture is None else f", {1e3 * lane.picture.median:.2f} ms a picture"
        lines.append(text.rstrip())
    if report.every > 1:
        lines.append(f"full forward at every {report.every}th position, which stands for those around it")
    if report.same_tokens is not None:
        lines.append(f"tokens that are the same: {report.same_tokens:.2%}")
    if (made := report.pictures) is not None:
        timed = "" if made.seconds is None else f"{made.seconds.median:.3f} s, "
        lines.append(
            f"{made.candidates} candidates of {made.side}x{made.side} sampled, decoded, ranked by {made.clip}: {timed}"
            f"{made.tokens.median:.0%} of it tokens"
        )
    return "\n".join([*lines, *(f"not measured: {one.what}: {one.reason}" for one in report.missing)])
