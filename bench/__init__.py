"""Measurements of the project, run from a checkout: `python -m bench.step`, `python -m bench.profile`.

Not part of the installed package. Times are compared inside one process, as ratios with median and spread; absolute
times are kept for GPUs only.
"""
