"""Measurements of the project, run from a checkout: `python -m bench.step`, `python -m bench.profile`.

Not part of the installed package. Times are compared inside one process, as ratios with median and spread; absolute
times are kept for GPUs only.
"""

from __future__ import annotations

import os

# torch's profiler, which measures memory and shares here, writes its own log lines to stderr; read when torch is loaded
os.environ.setdefault("KINETO_LOG_LEVEL", "99")
