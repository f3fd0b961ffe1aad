"""Small experiments under the built-in CLIP."""

from __future__ import annotations

TINY = """\
# a comment
model: builtin
epochs: 4
resolution: 16
targets:
- weight: 1
  features:
  - text: a red circle
"""


def tiny(**more: object) -> str:
    """`TINY` with other top-level values."""
    lines = [line for line in TINY.splitlines() if line.partition(":")[0] not in more]
    return "\n".join([*(f"{key}: {value}" for key, value in more.items()), *lines, ""])
