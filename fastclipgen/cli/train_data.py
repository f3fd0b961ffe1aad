"""The options of trainings on pictures with attributes and captions, for training.conditions.open_conditioned."""

from __future__ import annotations

import argparse
from pathlib import Path

from fastclipgen.cli.parser import whole


def add_data_arguments(sub: argparse.ArgumentParser, size: int = 64) -> None:
    """--data, --attributes, --size, --crop, --short-side, --pictures, --clip, --cache."""
    sub.add_argument(
        "--data", default="shapes",
        help="what to learn from: shapes, shapes:SHARE of easy ones, celeba:DIR or folder:DIR",
    )  # fmt: skip
    sub.add_argument(
        "--attributes", type=Path, metavar="CSV", help="of the pictures of folder:DIR; None: DIR/attributes.csv"
    )
    sub.add_argument("--size", type=whole(8), default=size, help="pixels of a picture's side")
    sub.add_argument(
        "--crop", choices=["centre", "random", "squash"],
        help="the square of a picture that is learned from, or all of it; None: centre",
    )  # fmt: skip
    sub.add_argument(
        "--short-side", type=whole(0), default=0, metavar="PIXELS", help="of a picture before the crop; 0: --size"
    )
    sub.add_argument(
        "--pictures", type=whole(0), default=0, metavar="N",
        help="the first N are trained on; 0: all of them (of shapes 49152, if their captions are embedded)",
    )  # fmt: skip
    sub.add_argument("--clip", default="builtin", metavar="MODEL", help="the CLIP that embeds captions, as for drawing")
    sub.add_argument("--cache", type=Path, metavar="DIR", help="where embeddings are kept; None: OUT/cache")
