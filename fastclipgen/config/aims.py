"""From settings to what a step compares with: targets of every prompt, start, mask, pulls and constraints.

Unlike `asked.py`, which holds these settings, it loads torch and opens the files that they name.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from fastclipgen.config import aim_files
from fastclipgen.config.asked import LATENT_PULLS
from fastclipgen.config.defaults import ALPHA
from fastclipgen.config.run import RunConfig
from fastclipgen.engine.recipe import Guide, Recut, Task
from fastclipgen.errors import UserError
from fastclipgen.generators.base import Generator, Params
from fastclipgen.generators.noise_starts import noise_start
from fastclipgen.guidance.constraints import Constraint, parse_constraint
from fastclipgen.guidance.prompts import Prompt, parse_image_prompt, parse_prompts, parse_target, phases_of
from fastclipgen.guidance.pulls import Pull
from fastclipgen.guidance.targets import Targets, build_targets, mixed
from fastclipgen.outputs.load import fit, load_image, load_mask
from fastclipgen.perceptors.base import FrozenPerceptor

SPOT = 0.35  # half axes of the ellipse that stands for a spot, of the picture's sides


class Aims:
    """What the pictures of one run are to become.

    start: the start picture [3, H, W] in the run's size, or None. Raises UserError for files that cannot be read and
    for settings that this generator has no meaning for.
    """

    def __init__(
        self,
        config: RunConfig,
        perceptors: Sequence[FrozenPerceptor],
        generator: Generator,
        start: Tensor | None,
        device: torch.device,
        notice: Callable[[str], None],
    ) -> None:
        self._config, self._perceptors, self._generator = config, perceptors, generator
        self._device, self._notice = device, notice
        self._size = config.height or 1, config.width or 1
        self._start = start
        self._mask = None if config.mask is None else load_mask(config.mask, *self._size)
        self._aims = aim_files.load(config, notice)
        self.pulls = self._pulls()
        self.recut = self._recut() if config.image_prompt_recut else None

    def constraints(self) -> tuple[Constraint, ...]:
        """The losses on the picture itself."""
        asked = [parse_constraint(text) for text in self._config.constraints or []]
        if self._config.init_weight_pixels:
            asked.append(Constraint("l1", self._config.init_weight_pixels / 2))
        return tuple(constraint.to(self._device) for constraint in asked)

    def guides(self, whole: Sequence[Guide]) -> tuple[Guide, ...]:
        """Those that see the whole picture, and behind them, for spot prompts, the same for the spot and around it."""
        if not (spots := self._spots()):
            return tuple(whole)
        inside = self._canvas(self._spot()[None])
        masks = {"spot": inside, "spot_off": 1 - inside}
        return (*whole, *(replace(guide, spot=masks[name]) for name in spots for guide in whole))

    def names(self, prompt: str) -> list[tuple[str, int]]:
        """For each guide, as it is called in a picture's scores, and how many targets a picture with this prompt has
        there ("": no prompt)."""
        eyes, spots = [eye.name for eye in self._perceptors], self._spots()
        names = [(name, columns(self._config, prompt)) for name in eyes]
        return names + [(f"{name} ({spot})", len(spots[spot])) for spot in spots for name in eyes]

    def task(
        self, prompts: Sequence[str], seeds: Sequence[int], one_shape: bool, starts: Tensor | None = None
    ) -> tuple[Task, Params | None]:
        """The task of pictures with these prompts ("": none) and seeds, and the parameters that draw their starts, if
        there are any. one_shape: with as many columns of targets as any picture of the run needs; starts: a start
        picture for each, [B, 3, H, W] in the run's size, instead of the run's own."""
        config, device = self._config, self._device
        texts = [parse_prompts(prompt) if prompt else () for prompt in prompts]
        negatives = [prompt for text in config.negative for prompt in parse_prompts(text)]
        shared = len(texts) * [self._aims]
        targets = build_targets(
            self._perceptors,
            texts,
            len(texts) * [negatives],
            shared,
            every=[self._every(phases_of(own)) for own in texts],
            may_be_empty=self.recut is not None,
            device=device,
        )
        if one_shape:
            told = any(phases_of(parse_prompts(text)) > 1 for text in config.prompts)
            targets = [target.padded(most_columns(config, recut=False), told) for target in targets]
        targets += self._spot_targets(len(texts))
        params, canvas, mask = None, None, None
        keys = torch.tensor(list(seeds), dtype=torch.int64, device=device)
        images = self._starts(keys, starts)
        fixed = self._fixed(targets) if self._generator.conditional else None
        if images is not None:
            params = self._generator.init_from(images)
            with torch.no_grad():
                canvas = paste(self._generator.canvas(params | (fixed or {})), images)
        if self._mask is not None and canvas is not None:
            mask = paste(torch.ones_like(canvas[:, :1]), self._mask.to(device)[None])
        return Task(keys, tuple(targets), canvas, mask, fixed=fixed), params

    def _fixed(self, targets: Sequence[Targets]) -> Params:
        """What a conditional generator draws under: the direction of all that pictures are to become at first, as the
        CLIP that it was trained with sees it. targets: of each perceptor. Raises UserError where that CLIP is missing.
        """
        wanted = self._generator.embedding
        eyes = [one.embed_dim for one in self._perceptors]
        if wanted and wanted not in eyes:
            found = " and ".join(f"'{one.name}' gives {one.embed_dim}" for one in self._perceptors)
            raise UserError(
                f"generator '{self._generator.name}' takes embeddings of {wanted} numbers, but CLIP {found}; give the "
                f"one that it was trained with: --clip {self._generator.clip or 'NAME'}"
            )
        if not wanted:
            return self._generator.fixed(torch.zeros(len(targets[0].weights), 0, device=self._device))
        seen = targets[eyes.index(wanted)]
        active = seen.active(0)
        return self._generator.fixed(mixed(seen.embeddings, seen.weights if active is None else seen.weights * active))

    def _starts(self, seeds: Tensor, own: Tensor | None) -> Tensor | None:
        """What pictures with these seeds int64 [B] begin with, [B, 3, H, W]: their `own` start pictures or else the
        run's, over noise where that is asked for; None where there is neither."""
        if own is None and self._start is not None:
            own = self._start.expand(len(seeds), -1, -1, -1)
        pictures = None if own is None else own.to(self._device).contiguous()
        if self._config.init_noise is None:
            return pictures
        noise = noise_start(self._config.init_noise, seeds, *self._size)
        alpha = ALPHA if self._config.init_alpha is None else self._config.init_alpha  # open where a tensor was given
        return noise if pictures is None else torch.lerp(noise, pictures, alpha)

    def _every(self, phases: int) -> int:
        """Steps that a phase lasts: what was asked for, or a story told once."""
        return self._config.change_prompt_every or max(1, -(-(self._config.steps or 0) // phases))

    def _spots(self) -> dict[str, list[Prompt]]:
        """Spot prompts by their setting, those that there are."""
        asked = {"spot": self._config.spot, "spot_off": self._config.spot_off}
        return {name: [p for text in texts for p in parse_prompts(text)] for name, texts in asked.items() if texts}

    def _spot_targets(self, count: int) -> list[Targets]:
        """For each guide that sees a spot, what it compares `count` pictures with."""
        found = []
        for prompts in self._spots().values():
            found += build_targets(self._perceptors, count * [prompts], device=self._device)
        return found

    def _spot(self) -> Tensor:
        """1 where spot prompts look, [1, H, W]."""
        height, width = self._size
        if self._config.spot_mask is not None:
            return load_mask(self._config.spot_mask, height, width)
        y = (torch.arange(height) - (height - 1) / 2) / (SPOT * height)
        x = (torch.arange(width) - (width - 1) / 2) / (SPOT * width)
        return (y[:, None].square() + x.square() <= 1).float()[None]

    def _recut(self) -> Recut:
        prompts = [parse_image_prompt(text) for text in self._config.image_prompts]
        pictures = torch.stack([fit(self._load(prompt.path), *self._size) for prompt in prompts])
        weights, stops = (
            torch.tensor([getattr(prompt, name) for prompt in prompts], device=self._device)
            for name in ("weight", "stop")
        )
        return Recut(self._canvas(pictures), weights, stops)

    def _canvas(self, pictures: Tensor) -> Tensor:
        """Something of the run's size [N, C, H, W] on the generator's canvas, its edges drawn out over the margin."""
        height, width = self._generator.canvas_size
        top, left = (height - self._size[0]) // 2, (width - self._size[1]) // 2
        borders = left, width - self._size[1] - left, top, height - self._size[0] - top
        return F.pad(pictures, borders, mode="replicate").to(self._device)

    def _load(self, path: str) -> Tensor:
        return load_image(path, notice=self._notice)

    def _pulls(self) -> tuple[Pull, ...]:
        config = self._config
        pulls = [
            Pull("spherical", config.init_weight),
            Pull("l2", config.init_weight_dist / 2),
            Pull("cosine", config.init_weight_cos),
            Pull("l2", config.init_weight_decay / 2, decays=True),
        ]
        pulls = [pull for pull in pulls if pull.weight]
        for text in config.target_images:
            target, image = parse_target(text), self._target(text)
            latent = self._latent("target_images", "--target-pixels")
            with torch.no_grad():
                pulls.append(Pull("spherical", target.weight, self._generator.init_from(image)[latent]))
        for name in LATENT_PULLS:
            if getattr(config, name):
                self._latent(name, "--init-weight-pixels")
        pulls += [Pull("pixels", parse_target(text).weight, self._target(text)) for text in config.target_pixels]
        return tuple(pulls)

    def _target(self, text: str) -> Tensor:
        """A target picture [1, 3, H, W] in the run's size."""
        return fit(self._load(parse_target(text).path), *self._size).to(self._device)[None]

    def _latent(self, setting: str, instead: str) -> str:
        """The generator's parameter that is a latent. Raises UserError where it has none."""
        if self._generator.latent is None:
            raise UserError(
                f"the setting '{setting}' compares latents, and generator '{self._config.generator}' has none; use "
                f"{instead}, which compares pixels, or generator vqgan, autoencoder, vae, cvae or gan"
            )
        return self._generator.latent


def own_settings(prompt: str) -> dict[str, Any]:
    """The settings of a picture with this prompt ("": none) that are not those of its run."""
    story = bool(prompt) and phases_of(parse_prompts(prompt)) > 1
    return {"prompts": [prompt] if prompt else [], "count": 1} | ({} if story else {"change_prompt_every": None})


def most_columns(config: RunConfig, recut: bool = True) -> int:
    """The most targets that one picture has. recut: also of those that are made anew at each step."""
    most = max(columns(config, prompt) for prompt in config.prompts or [""])
    return most - (len(config.image_prompts) if config.image_prompt_recut and not recut else 0)


def columns(config: RunConfig, prompt: str) -> int:
    """How many targets a picture with this prompt ("": none) has."""
    texts = [*([prompt] if prompt else []), *config.negative]
    lists = config.image_prompts, config.labels, config.image_labels, config.noise_prompts, config.vector_prompts
    return sum(len(parse_prompts(text)) for text in texts) + sum(map(len, lists))


def paste(canvas: Tensor, picture: Tensor) -> Tensor:
    """`canvas` [B, C, h, w] with `picture` [B or 1, C, H, W] in its centre, where it is published."""
    height, width = picture.shape[-2:]
    top, left = (canvas.shape[-2] - height) // 2, (canvas.shape[-1] - width) // 2
    pasted = canvas.clone()
    pasted[..., top : top + height, left : left + width] = picture
    return pasted
