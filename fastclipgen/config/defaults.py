"""What "auto" means: the settings that work well for a generator with a guide. Loads no torch.

The figures for the built-in CLIP were chosen by the drawing test (`fastclipgen eval shapes`, docs/drawing-test.md);
those for real CLIPs are the ones of the method that each generator comes from.
"""

from __future__ import annotations

from typing import Any

from fastclipgen.config import edited, gan, presets, sampling
from fastclipgen.config.run import RunConfig
from fastclipgen.errors import UserError

# Per generator, with the built-in CLIP and with real ones. Whatever is missing is in COMMON. A size of None is that of
# the network.
COMMON: dict[str, Any] = {
    "steps": 300, "views": 32, "cutouts": "crops", "loss": "cosine", "optimizer": "adam", "learning_rate": 0.05,
    "weight_decay": None, "schedule": "constant", "starts": 1, "tracks": 1, "finalists": 2, "constraints": [],
}  # fmt: skip
BUILTIN: dict[str, dict[str, Any]] = {
    "vae": {"size": 192, "steps": 40, "views": 5, "cutouts": "gentle", "learning_rate": 0.15, "schedule": "cosine:0.1",
            "starts": 4096, "tracks": 6},
    "stack": {"size": 128, "steps": 150, "views": 16, "cutouts": "gentle", "learning_rate": 0.008,
              "schedule": "cosine:0.1", "constraints": ["colour_tv:3"], "starts": 4096, "tracks": 3,
              "finalists": 3},
    "pixels": {"size": 128, "steps": 150, "views": 16, "cutouts": "gentle", "learning_rate": 0.02,
               "schedule": "cosine:0.1", "constraints": ["colour_tv:3"], "starts": 4096, "tracks": 3,
               "finalists": 3},
    "fourier": {"size": 128, "steps": 150, "views": 16, "cutouts": "gentle", "learning_rate": 0.08,
                "schedule": "cosine:0.1", "constraints": ["colour_tv:2"], "starts": 4096, "tracks": 6},
    "siren": {"size": 64, "views": 16, "cutouts": "gentle", "learning_rate": 5e-4, "schedule": "cosine:0.1"},
    "vqgan": {"size": 64, "steps": 80, "views": 8, "cutouts": "gentle", "learning_rate": 0.2,
              "schedule": "cosine:0.1", "constraints": ["colour_tv:3"], "starts": 4096, "tracks": 4},
    "autoencoder": {"size": 128, "steps": 150, "views": 16, "cutouts": "gentle"},
    "gan": {"size": None, "steps": 80, "views": 8, "cutouts": "gentle", "learning_rate": 0.03, "schedule": "cosine:0.1",
            "starts": 1024, "tracks": 4},
    "cvae": {"size": 64, "steps": 40, "views": 5, "cutouts": "gentle", "learning_rate": 0.15,
             "schedule": "cosine:0.1", "starts": 1024, "tracks": 4},
    "wgan": {"size": 64, "steps": 40, "views": 5, "cutouts": "gentle", "learning_rate": 0.1,
             "schedule": "cosine:0.1", "starts": 256, "tracks": 4},
}  # fmt: skip
REAL: dict[str, dict[str, Any]] = {
    # Direct Ascent Synthesis (arXiv 2502.07753)
    "stack": {"size": 224, "steps": 100, "cutouts": "das", "optimizer": "sgd", "learning_rate": 0.2},
    "pixels": {"size": 224, "cutouts": "latest", "loss": "spherical", "learning_rate": 0.03},
    "fourier": {"size": 224, "cutouts": "latest", "loss": "spherical", "learning_rate": 0.05},
    "siren": {"size": 224, "cutouts": "latest", "loss": "spherical", "learning_rate": 5e-4, "steps": 1000},
    # K. Crowson's notebook in the form that nerdyrodent's VQGAN-CLIP has made usual
    "vqgan": {"size": 512, "steps": 500, "cutouts": "latest", "loss": "spherical", "learning_rate": 0.1},
    "autoencoder": {"size": 512, "cutouts": "latest", "loss": "spherical"},
    # a GAN's latents hold whole pictures, so that the better one of many starts is worth more than steps
    "gan": {"size": None, "steps": 200, "cutouts": "latest", "loss": "spherical", "schedule": "cosine:0.1",
            "starts": 64, "tracks": 2},
    "vae": {"size": 256, "steps": 200, "cutouts": "gentle", "schedule": "cosine:0.1", "starts": 256, "tracks": 2},
    "cvae": {"size": 64, "steps": 100, "views": 16, "cutouts": "gentle", "schedule": "cosine:0.1", "starts": 64,
             "tracks": 2},
    "wgan": {"size": 64, "steps": 100, "views": 16, "cutouts": "gentle", "schedule": "cosine:0.1", "starts": 64,
             "tracks": 2},
}  # fmt: skip
ALPHA = 200 / 255  # of a start picture over noise: clipit's
# A film that zooms is of one picture, and its end is as lively as its beginning.
ZOOMED: dict[str, Any] = {"tracks": 1, "finalists": 1, "schedule": "constant"}
# Of generator clip-gen; what its demo takes (demo.py of HFAiLab/clip-gen) is COMPAT_CLIP_GEN.
SAMPLING: dict[str, Any] = {
    "candidates": 32, "keep": 1, "top_k": 500, "top_p": 0.95, "temperature": 1.0, "guidance": 1.0, "rank_by": "text",
    "rank_views": 1, "refine": 0,
}  # fmt: skip
# With the weights that ship: a tiny transformer is less sure of far tokens (docs/drawing-test.md).
OWN_SAMPLING = SAMPLING | {"top_p": 0.8, "temperature": 0.6, "guidance": 1.5, "rank_by": "condition", "rank_views": 9}
COMPAT_CLIP_GEN = SAMPLING | {"candidates": 64, "keep": 8}
CLIP_OF_CLIP_GEN = "ViT-B-32:openai"  # what the published transformer was trained with


def resolve_generator(config: RunConfig, builtin: bool) -> str:
    """The generator's name: with the built-in CLIP its learned prior, which gives no edited picture back; with a real
    one, and for edits, the multi-resolution stack, or a VQGAN where a preset was asked for."""
    if config.generator != "auto":
        return config.generator
    if builtin:
        return "stack" if config.overlay or config.zoom_every else "vae"
    return "vqgan" if config.preset else "stack"


def resolve(config: RunConfig, generator: str, builtin: bool, seed: int, learning_rates: dict[str, float]) -> RunConfig:
    """The config with every open setting decided, but a size that is the network's own.

    generator: the resolved name (a user's own module has one that is in no table, and gets COMMON); builtin: whether
    the guide is the built-in CLIP; learning_rates: the default of each optimiser, used when the user named one.
    """
    table = COMMON | {"size": 224} | (BUILTIN if builtin else REAL).get(generator, {})
    table = presets.scaled(table, config.preset, builtin)
    if config.compat:
        table |= gan.COMPATS[config.compat]
    if config.zoom_every:
        table |= ZOOMED
    side = table["size"]
    optimizer = str(table["optimizer"]) if config.optimizer == "auto" else config.optimizer
    rate = table["learning_rate"] if optimizer == table["optimizer"] else learning_rates.get(optimizer, 0.05)

    def chosen(name: str) -> Any:
        value = getattr(config, name)
        return table[name] if value is None or value == "auto" else value

    # a number that was asked for is kept: make_config has refused what does not go together
    begun = config.init or config.init_noise
    alpha = ALPHA if config.init and config.init_noise and config.init_alpha is None else config.init_alpha
    starts = 1 if begun else chosen("starts") if config.starts else max(chosen("starts"), config.tracks or 1)
    tracks = 1 if begun else min(chosen("tracks"), starts)
    finalists = min(chosen("finalists"), tracks)
    return config.model_copy(
        update={
            "generator": generator,
            "vqgan": presets.VQGAN if generator == "vqgan" and config.vqgan is None else config.vqgan,
            "seed": seed,
            "width": config.width or config.height or side,
            "height": config.height or config.width or side,
            "optimizer": optimizer,
            "learning_rate": rate if config.learning_rate is None else config.learning_rate,
            "starts": starts,
            "tracks": tracks,
            "finalists": finalists,
            "init_alpha": alpha,
            **{name: chosen(name) for name in ("steps", "views", "cutouts", "loss", "schedule", "constraints")},
            "weight_decay": chosen("weight_decay"),
            **edited.decided(config),
        }
    )


def resolve_sampling(config: RunConfig, seed: int) -> RunConfig:
    """The config of generator clip-gen with its own open settings decided, but `rows` and the size; those of the
    optimisation stay as they are. Raises UserError for a candidate beyond their number."""
    builtin = config.clip_gen == sampling.BUILTIN
    table = COMPAT_CLIP_GEN if config.compat_clip_gen else OWN_SAMPLING if builtin else SAMPLING
    update = {name: table[name] for name in table if getattr(config, name) is None}
    candidates = config.candidates or max(table["candidates"], config.keep or 1)
    keep = 1 if config.candidate is not None else config.keep or min(table["keep"], candidates)
    if config.candidate is not None and config.candidate >= candidates:
        raise UserError(f"expected a candidate from 0 to {candidates - 1}, got {config.candidate}")
    clip = config.clip or [sampling.BUILTIN if builtin else CLIP_OF_CLIP_GEN]
    way = config.text_to_image
    if way == "auto":
        bridged = builtin and clip[0] == sampling.BUILTIN and (config.prompts or config.negative)
        way = sampling.BUILTIN if bridged else "none"
    update |= {"candidates": candidates, "keep": keep, "clip": clip, "seed": seed, "text_to_image": way}
    return config.model_copy(update=update)
