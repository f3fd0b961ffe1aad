"""The settings of generator clip-gen: which they are, and what does not go together. Loads no torch.

What they mean when they are left open is in defaults.py.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

from fastclipgen.config.asked import LATENT_PULLS
from fastclipgen.config.edited import EDITS
from fastclipgen.errors import UserError, unknown
from fastclipgen.guidance.prompts import parse_image_prompt, parse_noise_prompt, parse_prompt, parse_prompts, phases_of

if TYPE_CHECKING:
    from fastclipgen.config.run import RunConfig

CLIP_GEN = "clip-gen"
BUILTIN = "builtin"  # as a value of `clip_gen` and `vqgan`: the weights that ship

LEARNED = ("shift", "procrustes", "knn")
"""Ways from texts to pictures that are learned from a gallery; further values of `text_to_image` are WAYS and files."""
WAYS = ("auto", "none", BUILTIN, *LEARNED)

OWN = (
    "clip_gen", "candidates", "keep", "candidate", "top_k", "top_p", "temperature", "guidance", "text_to_image",
    "gallery", "rank_by", "rank_views", "refine", "compat_clip_gen", "rows",
)  # fmt: skip
"""Settings that no other generator has."""

REFINING = (
    "generator_options", "views", "batches", "cutouts", "augments", "loss", "prompt_sum", "constraints", "optimizer",
    "learning_rate", "weight_decay", "schedule", "warmup", "auto_stop", "ema", "keep_best", "change_prompt_every",
    "image_prompt_recut", "spot", "spot_off", "spot_mask", "target_images", "target_pixels", *LATENT_PULLS,
    "init_weight_pixels", *EDITS,
)  # fmt: skip
"""Settings of the optimisation, which clip-gen has only with `refine`."""

ROWS = 16
"""Samples are drawn in multiples of so many rows, in a deterministic run in exactly so many. A matrix library rounds a
row in one way for products of one size, whatever the other rows hold, and mostly for all sizes of whole tiles."""

FOREIGN = (
    "preset", "steps", "starts", "tracks", "finalists", "init", "init_over", "init_noise", "init_alpha", "mask",
)  # fmt: skip
"""Settings of a start and its steps, which clip-gen never has: it begins where sampling ends, for `refine` steps."""


def with_weights(config: RunConfig) -> RunConfig:
    """The settings of clip-gen, with the built-in weights where none are named. Raises UserError for a transformer
    without its VQGAN and the reverse."""
    if config.generator not in ("auto", CLIP_GEN):
        raise UserError(
            f"the setting 'clip_gen' holds weights of generator 'clip-gen', but generator '{config.generator}' was "
            "asked for; leave one of them out"
        )
    for other in ("autoencoder", "gan"):
        if getattr(config, other) is not None:
            raise UserError(f"generator clip-gen draws with a VQGAN, but {other} was given; leave it out")
    if (config.clip_gen is None) != (config.vqgan is None):
        given, missing = ("clip_gen", "vqgan") if config.vqgan is None else ("vqgan", "clip_gen")
        raise UserError(
            f"a transformer draws with the VQGAN whose codes it has learned, but '{given}' was given without "
            f"'{missing}'; give both, or neither for the built-in ones"
        )
    weights = {name: getattr(config, name) or BUILTIN for name in ("clip_gen", "vqgan")}
    return config.model_copy(update={"generator": CLIP_GEN, **weights})


def check(config: RunConfig) -> None:
    """Raises UserError for settings that would have no effect or contradict each other."""
    if config.generator != CLIP_GEN:
        for name in _chosen(config, OWN):
            raise UserError(
                f"the setting '{name}' is of generator 'clip-gen', but generator '{config.generator}' was asked for; "
                "add --generator clip-gen, or leave it out"
            )
        return
    for name in _chosen(config, FOREIGN):
        raise UserError(
            f"generator clip-gen samples pictures and takes no steps from a start, so '{name}' has no effect; leave it "
            "out (--refine N goes on from the sampled picture for N steps)"
        )
    if not config.refine:
        _check_unrefined(config)
    if config.keep and config.keep > (config.candidates or config.keep):
        raise UserError(f"expected to keep at most the {config.candidates} candidates, got keep {config.keep}")
    if config.candidate is not None and (config.keep or 1) > 1:
        raise UserError(
            f"candidate {config.candidate} is one picture, but keep is {config.keep}; leave one of them out"
        )
    if config.deterministic and config.rows is not None and config.rows != ROWS:
        raise UserError(f"a deterministic run draws {ROWS} samples at a time, got rows {config.rows}; leave one out")
    if config.text_to_image not in WAYS and not config.text_to_image.endswith(".safetensors"):
        raise unknown("text_to_image (or .safetensors file)", config.text_to_image, WAYS)
    if (config.gallery is None) == (config.text_to_image in LEARNED):
        raise UserError(
            "text_to_image shift, procrustes or knn learns from the pictures of a folder, which are for nothing else; "
            "give both --text-to-image and --gallery, or neither"
        )
    if config.text_to_image not in ("auto", "none") and not config.prompts and not config.negative:
        raise UserError("text_to_image is about texts, but there are only image prompts; leave it out")


def _check_unrefined(config: RunConfig) -> None:
    hint = "leave it out, or add --refine N to go on from the sampled pictures for N steps"
    for name in _chosen(config, REFINING):
        raise UserError(f"generator clip-gen without refining takes no steps, so '{name}' has no effect; {hint}")
    if len(config.clip) > 1:
        raise UserError(f"a sampled picture has one CLIP, that of its transformer, got {len(config.clip)}; {hint}")
    texts = [parse_prompts(text) for text in [*config.prompts, *config.negative]]
    if any(phases_of(prompts) > 1 for prompts in texts):
        raise UserError(
            f"the phases of a story ('^') follow each other in steps, and generator clip-gen takes none; {hint}"
        )
    stops = [prompt.stop for prompts in texts for prompt in prompts]
    stops += [parse_prompt(text).stop for text in config.labels]
    stops += [parse_image_prompt(t).stop for t in [*config.image_prompts, *config.image_labels, *config.vector_prompts]]
    stops += [parse_noise_prompt(text)[2] for text in config.noise_prompts]
    if any(stop != -math.inf for stop in stops):
        raise UserError(f"the stop of a prompt is about steps, and generator clip-gen takes none; {hint}")


def _chosen(config: RunConfig, names: Iterable[str]) -> list[str]:
    """Those of the settings that are not at their defaults."""
    fields = type(config).model_fields
    return [name for name in names if getattr(config, name) != fields[name].default]
