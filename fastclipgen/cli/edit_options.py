"""Options for what is done to pictures between steps; docs/options.md has a table of them."""

from __future__ import annotations

import argparse

from fastclipgen.cli.parser import number, whole


def pair(text: str) -> tuple[int, int]:
    """X,Y -> two whole numbers."""
    try:
        x, y = (int(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected X,Y in whole pixels, got '{text}'") from None
    return x, y


def add_edit_arguments(parser: argparse.ArgumentParser) -> None:
    """Every destination is a field of config.edited.Edited."""
    title = "changed between steps, as pictures (generators stack, pixels, fourier, vqgan, autoencoder)"
    add = parser.add_argument_group(title).add_argument
    add("--overlay", metavar="PATH", help="a picture that is laid over, where it is not transparent")
    add("--overlay-every", type=whole(), metavar="STEPS", help="from one overlay to the next")
    text = "the first overlay, at the start of this step (counted from 0); default 0"
    add("--overlay-offset", type=whole(), default=0, metavar="STEP", help=text)
    add("--overlay-until", type=whole(), metavar="STEP", help="no overlay from this step on")
    add("--overlay-alpha", type=number, default=1.0, metavar="ALPHA", help="0..1, times its own opacity; default 1")
    text = "from one zoom to the next; a --video then has one frame for each"
    add("--zoom-every", type=whole(), metavar="STEPS", help=text)
    add("--zoom", type=number, metavar="SCALE", help="above 1 zooms in, below 1 out, 0.5..10; default 0.99")
    add("--zoom-rotate", type=number, default=0.0, metavar="DEGREES", help="of each zoom, against the clock")
    text = "pixels of each zoom to the right and down; what leaves comes in on the other side"
    add("--zoom-shift", type=pair, default=(0, 0), metavar="X,Y", help=text)
    add("--zoom-from", type=whole(), metavar="STEP", help="no zoom before this step")
