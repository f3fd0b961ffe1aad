"""The benches are not installed: they are found in the checkout. Last on the path, so that installed packages win."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

ROOT = str(Path(__file__).resolve().parents[2])
if ROOT not in sys.path:
    sys.path.append(ROOT)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Two threads that meet after every small operation crawl on a machine that is busy with something else."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def small() -> dict[str, Any]:
    """Settings of pictures of the built-in CLIP's own size, seen as they are: nothing random in a step."""
    return {"device": "cpu", "clip": ["builtin"], "width": 64, "height": 64, "views": 1, "cutouts": "plain"}


SPREAD: dict[str, Any] = {"median": 2.0, "p5": 1.0, "p95": 3.0, "repeats": 5}


def header(device: str) -> dict[str, Any]:
    cuda = device == "cuda"
    return {
        "date": "2026-01-02T03:04:05+00:00",
        "machine": {
            "system": "Linux x86_64", "processor": "p", "cores": 2, "threads": 2, "memory_bytes": 1,
            "load_average": 0.5, "gpu": "NVIDIA Z9" if cuda else None, "python": "3.11.7", "torch": "2.15.0",
            "cuda": "13.0" if cuda else None, "open_clip": "3.3.0", "fastclipgen": "0.1.0",
        },
        "source": {"commit": "0" * 40, "changed": False},
        "device": device,
        "tests": "2 files: 3 passed",
        "missing": [{"what": "CUDA graph", "reason": "no such device"}],
    }  # fmt: skip


@pytest.fixture
def reports() -> Callable[[str], dict[str, dict[str, Any]]]:
    """A report of every suite as plain values, measured on "cpu" or "cuda"."""

    def make(device: str) -> dict[str, dict[str, Any]]:
        seconds = SPREAD if device == "cuda" else None
        settings = {
            "generator": "stack", "width": 224, "height": 224, "views": 32, "cutouts": "das", "optimizer": "sgd",
            "clip": ["random:ViT-B-32"],
        }  # fmt: skip
        op = {
            "op": "cutouts", "case": "R-B", "batch": 1, "direction": "forward", "chosen": False, "seconds": seconds,
            "speedup": SPREAD, "yardstick": "script", "over_yardstick": SPREAD, "bytes": 10, "flops": 20,
            "of_copy": SPREAD, "of_matrix": SPREAD, "peak_bytes": 30,
        }  # fmt: skip
        lane = {
            "batch": 1, "dtype": "float32", "picture_step": seconds, "peak_bytes": 1,
            "picture": 1.5 if seconds else None,
        }  # fmt: skip
        rung = {
            "batch": 1, "picture_step": seconds, "faster": SPREAD, "faster_than_first": SPREAD, "peak_bytes": 1,
            "loss": 0.5,
        }  # fmt: skip
        quality = {"steps": 1, "pictures": 1, "before": 1.0, "engine": 0.5, "reference": 0.5}
        drawn = {"engine": {"colours": 1.0, "shapes": 0.5}, "reference": {"colours": 0.5, "shapes": 0.0}}
        return {
            "ops": header(device)
            | {
                "suite": "ops",
                "dtype": "float32",
                "ceilings": {"copy_bytes": SPREAD, "matrix_flops": SPREAD} if seconds else None,
                "lanes": [op | {"backend": "reference"}, op | {"backend": "cpp", "chosen": True}],
            },
            "loops": header(device)
            | {
                "suite": "loops",
                "cases": [
                    {
                        "name": "das",
                        "settings": settings,
                        "lanes": [lane | {"name": "engine"}, lane | {"name": "faithful"}],
                        "ratios": [{"slow": "faithful@1", "fast": "engine@1", "times": SPREAD}],
                        "quality": quality | {"drawn": drawn},
                    }
                ],
            },
            "ladder": header(device)
            | {
                "suite": "ladder",
                "settings": settings,
                "steps": 20,
                "loss_before": 1.0,
                "rungs": [rung | {"name": "eager fp32"}, rung | {"name": "frozen"}],
            },
            "presets": header(device)
            | {
                "suite": "presets",
                "shrink": 1 if seconds else 4,
                "lanes": [
                    {
                        "name": name,
                        "clips": ["ViT-B-32"],
                        "side": 256,
                        "views": 16,
                        "steps": 200,
                        "dtype": "float32",
                        "step": seconds,
                        "of_first": SPREAD,
                        "picture_of_first": 2.0,
                        "peak_bytes": 2**20,
                        "flops": 10**12,
                        "planned_bytes": 2**30,
                    }
                    for name in ("draft", "best")
                ],
            },
            "sampling": header(device)
            | {
                "suite": "sampling",
                "geometry": {"layers": 2, "width": 128, "heads": 2, "vocabulary": 9, "block": 16, "condition": 3},
                "dtype": "float32",
                "candidates": 16,
                "every": 1,
                "same_tokens": 1.0,
                "copy_bytes": seconds,
                "weight_bytes": 2**30,
                "cache_bytes": 2**31,
                "lanes": [
                    {
                        "name": name,
                        "picture": seconds,
                        "peak_bytes": 1,
                        "faster": share,
                        "of_copy": share,
                        "of_copy_weights": share,
                    }
                    for name, share in (("cached", SPREAD), ("full forward", None))
                ],
                "pictures": {
                    "candidates": 16,
                    "keep": 8,
                    "side": 256,
                    "clip": "ViT-B-32",
                    "seconds": seconds,
                    "tokens": SPREAD,
                },
            },
            "gan": header(device)
            | {
                "suite": "gan",
                "side": 64,
                "latent": 64,
                "parameters": 10**6,
                "lanes": [
                    {"name": "engine", "batch": batch, "picture_step": seconds, "peak_bytes": 1} for batch in (1, 8)
                ],
                "ratios": [{"slow": "engine@1", "fast": "engine@8", "times": SPREAD}],
            },
            "vqgan": header(device)
            | {
                "suite": "vqgan",
                "model": "random:tiny",
                "geometry": {"channels": 8},
                "side": 64,
                "flops": 10**9,
                "lanes": [
                    {
                        "name": name,
                        "dtype": "float32",
                        "seconds": seconds,
                        "faster": SPREAD,
                        "of_matrix": SPREAD,
                        "peak_bytes": 1,
                        "picture_error": 0.0,
                        "gradient_error": 0.0,
                    }
                    for name in ("eager", "package")
                ],
            },
            "cvae": header(device)
            | {
                "suite": "cvae",
                "geometry": {"side": 16},
                "parameters": 1000,
                "batch": 4,
                "lanes": [
                    {
                        "name": name,
                        "part": "step",
                        "dtype": "float32",
                        "seconds": seconds,
                        "faster": SPREAD,
                        "peak_bytes": 2**20,
                        "error": 0.0,
                    }
                    for name in ("tiled", "folded")
                ],
            },
            "clipig": header(device)
            | {
                "suite": "clipig",
                "clip": "builtin",
                "settings": {"side": 512, "frames": 5},
                "lanes": [
                    {"name": name, "epoch": seconds, "faster": SPREAD, "peak_bytes": 2**20}
                    for name in ("published loop", "fair loop", "engine")
                ],
            },
            "batch": header(device)
            | {
                "suite": "batch",
                "prompts": 16,
                "settings": {"steps": 100},
                "workers": SPREAD,
                "lanes": [
                    {"name": name, "pictures": 16, "picture": seconds, "of_batch": SPREAD}
                    for name in ("one batch", "calls")
                ],
            },
            "captions": header(device)
            | {
                "suite": "captions",
                "clip": "builtin",
                "captions": 30,
                "unique": 15,
                "lanes": [
                    {"name": name, "caption": seconds, "faster": SPREAD, "bytes": 2048, "error": 0.0}
                    for name in ("one at a time", "cache")
                ],
            },
        }

    return make
