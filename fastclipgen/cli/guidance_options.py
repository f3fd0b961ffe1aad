"""Options that say more about what a picture is to become than prompts do; docs/options.md has a table of them."""

from __future__ import annotations

import argparse
from typing import Any

from fastclipgen.cli.parser import number, whole


def add_guidance_arguments(parser: argparse.ArgumentParser) -> None:
    """Every destination is a field of config.asked.Asked."""
    many: dict[str, Any] = {"action": "append", "default": []}
    group = parser.add_argument_group("prompts of other kinds (all have :WEIGHT[:STOP] behind them)")
    add = group.add_argument
    text = "steps that each phase of a story 'a ^ b' lasts; default: the story is told once"
    add("--change-prompt-every", type=whole(), metavar="STEPS", help=text)
    text = "see image prompts through the very views of each step, so that places matter"
    add("--image-prompt-recut", action="store_true", help=text)
    add("--label", dest="labels", metavar="TEXT", help="a thing, as the mean of seven templates", **many)
    text = "what the pictures of a folder have in common, the mean of their embeddings"
    add("--image-label", dest="image_labels", metavar="PATH", help=text, **many)
    add("--noise-prompt", dest="noise_prompts", metavar="SEED", help="a random direction", **many)
    text = "directions from a file, {CLIP model: [[numbers]]} in JSON or safetensors"
    add("--vector-prompt", dest="vector_prompts", metavar="PATH", help=text, **many)
    add("--spot", metavar="TEXT", help="a prompt that sees only the spot, the rest is grey", **many)
    add("--spot-off", metavar="TEXT", help="a prompt that sees only what is around the spot", **many)
    add("--spot-mask", metavar="PATH", help="the spot, white in black; default: an ellipse in the middle")
    group = parser.add_argument_group("held to its start, or to a picture (latents: vqgan, autoencoder, vae, gan)")
    add = group.add_argument
    add("--target-image", dest="target_images", metavar="PATH[:WEIGHT]", help="a picture's latent to come to", **many)
    add("--target-pixels", metavar="PATH[:WEIGHT]", help="a picture to come to pixel by pixel", **many)
    for name, text in {
        "--init-weight": "pull to the start's latent, by half the squared angle",
        "--init-weight-dist": "the same by half the mean square difference",
        "--init-weight-cos": "the same by 1 - cosine",
        "--init-weight-decay": "by half the mean square, divided by 1, 3, 5, ... at each step",
        "--init-weight-pixels": "pull to the start's pixels, by half the mean difference; any generator",
    }.items():
        add(name, type=number, default=0.0, metavar="WEIGHT", help=text)
