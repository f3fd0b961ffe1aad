"""No figures while the tests of what is measured are red.

Runs the tests in a process of its own, from the checkout. Knows nothing of what is measured.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from fastclipgen.errors import UserError

from .machine import checkout

UNCHECKED = "not run (--unchecked)"
# An op's tests begin with its name; these have further ones.
_STEMS = {"cutouts": ("cutout", "colour")}


class RedTests(Exception):
    """The tests failed: there is nothing to report. The message is one sentence."""


def files_of(root: Path, ops: Sequence[str]) -> list[str]:
    """The test files of the ops below `root`, those of their kernels included, as paths from there."""
    stems = [stem for op in ops for stem in _STEMS.get(op, (op,))]
    patterns = [f"{folder}/test_{stem}*.py" for stem in stems for folder in ("tests/ops", "tests/kernels")]
    return sorted({str(path.relative_to(root)) for pattern in patterns for path in root.glob(pattern)})


def check(ops: Sequence[str], more: Sequence[str] = (), root: Path | None = None) -> str:
    """Runs the tests of `ops` and the files `more`; returns a line that says what was green.

    Raises RedTests when they fail, and UserError when there are none to run.
    """
    root = root or checkout()
    if root is None:
        raise UserError(
            "the bench runs an op's tests before it reports, but they are not part of an installed package; run it "
            "from a checkout of the sources, or give --unchecked to print figures that nothing vouches for"
        )
    files = [*files_of(root, ops), *more]
    if not files:
        raise UserError(f"the bench found no tests of {', '.join(ops)} in '{root / 'tests'}'; get the whole checkout")
    # the slow ones run kernels where they are not measured: under Triton's interpreter, or CUDA's on the CPU
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "not slow", *files]
    done = subprocess.run(command, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    lines = [line.strip("= ") for line in done.stdout.splitlines() if line.strip()] or ["pytest printed nothing"]
    if done.returncode != 0:
        failed = [line.removeprefix("FAILED ").partition(" - ")[0] for line in lines if line.startswith("FAILED ")]
        raise RedTests(f"no figures, because the tests of what is measured fail ({', '.join(failed[:3]) or lines[-1]})")
    return f"{len(files)} files: {lines[-1].partition(' in ')[0]}"
