"""What the folder promises as a whole."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize("module", ["naming", "atomic", "opening", "metadata", "grid", "video"])
def test_torch_stays_out(module: str):
    code = f"import sys, fastclipgen.outputs.{module}; sys.exit('torch' in sys.modules or 'av' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
