"""The settings of generator gan: which they are, what does not go together, and what the loop of clipping-CLIP-to-GAN
was. Loads no torch.

What they mean when they are left open is in defaults.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastclipgen.errors import UserError

if TYPE_CHECKING:
    from fastclipgen.config.run import RunConfig

GAN = "gan"
PROGRAMS = ("latent_dim", "gan_range", "trust_gan")
"""Settings of the file that `gan` names, where that is a program: generators/gan_networks.py."""

COMPATS: dict[str, dict[str, Any]] = {
    # test.py of cloneofsimo/clipping-CLIP-to-GAN, January 2021
    "clipping-clip-to-gan": {
        "size": None, "steps": 100, "views": 1, "cutouts": "signed", "loss": "cosine", "optimizer": "sgd",
        "learning_rate": 0.1, "weight_decay": 1e-5, "schedule": "constant", "starts": 1, "tracks": 1, "finalists": 1,
        "constraints": [],
    },
}  # fmt: skip
"""What a loop of others takes where nothing else is asked for: a row of defaults."""

COMPAT_OPTIONS: dict[str, dict[str, Any]] = {
    # its network stays in training mode, and takes the weights under g; its latents and values are free
    "clipping-clip-to-gan": {
        "weights": "g", "batch_norm": "picture", "noise": "fresh", "shell": None, "clamp": False,
    },
}  # fmt: skip
COMPAT_SCALES = {"clipping-clip-to-gan": 1000.0}  # of the prompts' loss, which gradient descent feels
COMPAT_CLIPS = {"clipping-clip-to-gan": "ViT-B-32:openai"}


def loss_scale(config: RunConfig) -> float:
    """What the prompts' loss is multiplied by."""
    return COMPAT_SCALES[config.compat] if config.compat else 1.0


def with_compat(config: RunConfig) -> RunConfig:
    """The settings with those of the loop that `compat` names, as far as they must be known before anything is loaded:
    its CLIP, and the generator's options."""
    if config.compat is None:
        return config
    from fastclipgen.config.sampling import BUILTIN

    clip = config.clip or [BUILTIN if config.gan == BUILTIN else COMPAT_CLIPS[config.compat]]
    options = COMPAT_OPTIONS[config.compat] | config.generator_options
    return config.model_copy(update={"clip": clip, "generator_options": options})


def check(config: RunConfig) -> None:
    """Raises UserError for settings that would have no effect."""
    if config.generator == GAN:
        if config.compat and config.preset:
            raise UserError("compat and preset both decide what a run does; leave one of them out")
        return
    for name in (*PROGRAMS, "compat"):
        if getattr(config, name) != type(config).model_fields[name].default:
            raise UserError(
                f"the setting '{name}' is of generator 'gan', but generator '{config.generator}' was asked for; add "
                "--gan PATH, or leave it out"
            )
