"""Training the tiny CLIP on the shapes world: a contrast of pictures, true captions, near-miss captions and junk.

What is easy comes first: on single objects over a plain ground, hardly disturbed, a model learns to tell outlines apart
within some hundred steps; on the whole world under an adversary it did not within a thousand.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import NamedTuple, cast

import numpy as np
import torch
import torch.nn.functional as F
from open_clip import CLIP, SimpleTokenizer
from open_clip.constants import OPENAI_DATASET_MEAN, OPENAI_DATASET_STD
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from fastclipgen.assets import asset
from fastclipgen.data.shapes import HELD_OUT_SEED, ShapesDataset
from fastclipgen.data.shapes_captions import PLACE, SIZE0, VALUES, distract, say, state, true_of
from fastclipgen.data.shapes_render import render
from fastclipgen.models.layered_vae import LATENT
from fastclipgen.perceptors.names import register_config, unlabelled
from fastclipgen.perceptors.open_clip import load_checkpoint
from fastclipgen.training.ascents import Ascents, Climbing
from fastclipgen.training.export import fold_normalisation, save_half
from fastclipgen.training.hard_views import adversarial, disturb, random_cameras, shuffled, warped
from fastclipgen.training.loop import TrainOptions
from fastclipgen.training.near_misses import Painter, hardest
from fastclipgen.training.vae import to_tensor

DISTRACTORS = 2  # near-miss captions a picture
STRENGTH = 3.0  # L2 radius of the adversary at 64 px
# The facts that auxiliary heads read from the embedding (all but the second ground colour): see shapes_scene.FACTS.
LABELS = tuple(range(10))


class Stage(NamedTuple):
    """How hard a step is; every number in 0..1."""

    easy: float  # share of the pictures that show one object, not small, on a plain ground
    disturbed: float  # strength of noise, blur and light
    attacked: float  # strength of the adversary; junk comes with it


def stage(step: int, steps: int) -> Stage:
    """Easy at first, all of it after 60 % of the steps; a quarter stays easy, for that is what most prompts ask for."""
    done = step / steps

    def ramp(start: float, end: float) -> float:
        return min(1.0, max(0.0, (done - start) / (end - start)))

    return Stage(1 - 0.75 * ramp(0.08, 0.4), 0.2 + 0.8 * ramp(0.08, 0.45), ramp(0.15, 0.6))


def config() -> dict:
    """The open_clip model configuration of the built-in perceptor."""
    return json.loads(asset("shapes_clip.json").read_text())


def build_clip(settings: dict) -> CLIP:
    """An untrained CLIP of the configuration; words that no caption uses mean nothing (a zero embedding)."""
    model = CLIP(settings["embed_dim"], settings["vision_cfg"], settings["text_cfg"])
    rng = Random(0)
    scenes = ShapesDataset(0).scenes(np.arange(4000))
    tokenizer = SimpleTokenizer(context_length=settings["text_cfg"]["context_length"])
    tokens = tokenizer([say(state(facts, rng), rng) for facts in scenes.facts])
    known = torch.zeros(settings["text_cfg"]["vocab_size"], 1)
    known[tokens.unique()] = 1
    with torch.no_grad():
        cast(nn.Embedding, model.token_embedding).weight.mul_(known)
    return model


class CLIPWithHeads(nn.Module):
    """The CLIP, and linear readers of labels from the image embedding, which only training uses."""

    def __init__(self, clip: CLIP, embed_dim: int) -> None:
        super().__init__()
        self.clip = clip
        self.heads = nn.Linear(embed_dim, sum(VALUES[c] for c in LABELS))
        self.ascents: Ascents | None = None  # while it is refined


def label_loss(logits: Tensor, facts: Tensor) -> Tensor:
    """Mean cross entropy of the labels that apply; logits [n, sum of values], facts int64 [n, 11]."""
    losses = []
    for part, column in zip(logits.split([VALUES[c] for c in LABELS], dim=1), LABELS, strict=True):
        truth = facts[:, column] - (1 if column == 0 else 0)  # "objects" counts from 1
        total = F.cross_entropy(part, truth, ignore_index=-1, reduction="sum")
        losses.append(total / (truth >= 0).sum().clamp_min(1))
    return torch.stack(losses).mean()


REFINE = Stage(easy=0.5, disturbed=0.6, attacked=0.35)  # with near misses of the VAE, and ascents
PAINTED, MISSES = 256, 48  # random pictures of the VAE a step, and how many captions take their worst enemy among them


def named(facts: np.ndarray, scene: int) -> np.ndarray:
    """What the caption of an ascent states of a scene with one object: shape, colours, and sometimes size and place."""
    said = facts.copy()
    if scene % 3:
        said[[SIZE0, PLACE]] = -1
    return said


def contrast(image: Tensor, text: Tensor, scale: Tensor, true: Tensor, junk: Tensor, fits: Tensor) -> Tensor:
    """Symmetric InfoNCE. image [n, E], text [m >= n, E] (the first n are the pictures' own captions), junk [j, E];
    all of unit length; true [n, m]: what other captions a picture makes true, which then are no negatives; fits
    [n, j]: which captions junk may make true, likewise."""
    n = len(image)
    own = torch.eye(n, len(text), dtype=torch.bool)
    logits = (scale * image @ text.T).masked_fill(true & ~own, -1e4)
    target = torch.arange(n)
    against_junk = (scale * text[:n] @ junk.T).masked_fill(fits, -1e4)
    against = torch.cat([logits[:, :n].T, against_junk], dim=1)
    return 0.5 * F.cross_entropy(logits, target) + 0.5 * F.cross_entropy(against, target)


class CLIPTask:
    """refine: the checkpoint of a finished run; goes on from its average, against near misses of the shipped VAE and
    against ascents under itself."""

    def __init__(self, options: TrainOptions, bf16: bool = True, refine: Path | None = None) -> None:
        torch.manual_seed(options.seed)
        settings = config()
        self.model = CLIPWithHeads(build_clip(settings), settings["embed_dim"])
        self.model.clip.visual.to(memory_format=torch.channels_last)
        self.tokenizer = SimpleTokenizer(context_length=settings["text_cfg"]["context_length"])
        self.options, self.bf16 = options, bf16
        self.data = ShapesDataset(options.seed, settings["vision_cfg"]["image_size"])
        self.painter = None
        if refine is not None:
            weights = torch.load(refine, weights_only=True)["average"]
            self.model.load_state_dict({k: v for k, v in weights.items() if not k.startswith("ascents.")})
            self.model.ascents = Ascents(self.data.size)
            self.painter = Painter()

    def _captions(self, facts: np.ndarray, rng: Random, given: dict[int, np.ndarray]) -> tuple[list[str], np.ndarray]:
        """Each picture's own caption, then the near misses of all: texts [n * (1 + DISTRACTORS)] and statements.

        given: what the captions of some pictures have to state."""
        own = [given[k] if k in given else state(row, rng) for k, row in enumerate(facts)]
        near = [distract(said, rng) for said in own for _ in range(DISTRACTORS)]
        return [say(said, rng) for said in own + near], np.stack(own + near)

    def loss(self, step: int) -> tuple[Tensor, dict[str, Tensor]]:
        options, ascents = self.options, self.model.ascents
        key = options.seed * 1_000_003 + step
        rng, generator = np.random.default_rng(key), torch.Generator().manual_seed(key)
        now = REFINE if ascents is not None else stage(step, options.steps)
        indices, climbing = self.data.mixed(step, self.options.batch, now.easy), None
        n = len(indices)
        order = rng.permutation(n)
        given: dict[int, np.ndarray] = {}
        if ascents is not None:
            rows, begin = ascents.visit(step, n // 4, indices, rng)
            indices[: n // 4] = ascents.scene[rows]
            climbing = Climbing(rows, begin, torch.from_numpy(np.argsort(order)[: n // 4]))
        scenes = self.data.scenes(indices[order])
        if climbing is not None:
            given = {k: named(scenes.facts[k], int(indices[order][k])) for k in climbing.owners.tolist()}
        clean = to_tensor(render(scenes, self.data.size, random_cameras(n, rng)))
        texts, statements = self._captions(scenes.facts, Random(key), given)
        true = torch.from_numpy(true_of(statements, scenes.facts))

        with torch.autocast("cpu", torch.bfloat16, enabled=self.bf16), sdpa_kernel(SDPBackend.MATH):
            # MATH: on a CPU the fused attention's backward would take half of the step for these short texts
            text = self.model.clip.encode_text(self.tokenizer(texts), normalize=True).float()
        scale = self.model.clip.logit_scale.exp().clamp_max(50)

        def scores(image: Tensor, text: Tensor) -> Tensor:
            """Logits of pictures against captions without the other true captions, [len(image), m]."""
            others = true[: len(image)] & ~torch.eye(len(image), len(text), dtype=torch.bool)
            return (scale * F.normalize(image, dim=1) @ text.T).masked_fill(others, -1e4)

        views, junk, fits = disturb(clean, generator, now.disturbed), clean[:0], torch.zeros(n, 0, dtype=torch.bool)
        if now.attacked > 0:
            third, part = n // 3, n // 8 if climbing is None else n // 16

            def attack(images: Tensor) -> Tensor:
                return F.cross_entropy(scores(self._embed(images), text.detach()), torch.arange(third), reduction="sum")

            self.model.eval()  # the adversary does not move the statistics of the normalisation layers
            views[:third] = adversarial(views[:third], attack, STRENGTH * now.attacked, 1, generator)
            junk = torch.cat([warped(clean[-2 * part :], generator), shuffled(clean[-3 * part : -2 * part], generator)])
            # captions that name no shape may be true of junk
            fits = torch.from_numpy(statements[:n, 1] < 0)[:, None].expand(n, len(junk))
            if climbing is not None:
                rivals = self._rivals(climbing, text[:n].detach(), statements[:n], scenes.facts, generator)
                junk, fits = torch.cat([junk, rivals[0]]), torch.cat([fits, rivals[1]], dim=1)
            self.model.train()
            junk = disturb(junk, generator, now.disturbed)
        embedded = self._embed(torch.cat([views, junk]))
        image, other = F.normalize(embedded[:n], dim=1), F.normalize(embedded[n:], dim=1)
        contrasted = contrast(image, text, scale, true, other, fits)
        labels = label_loss(self.model.heads(embedded[:n]), torch.from_numpy(scenes.facts))
        right = (scores(image, text).argmax(1) == torch.arange(n)).float().mean()
        values = {"contrast": contrasted, "labels": labels, "right": right, "scale": scale}
        if climbing is not None:
            owner, q = climbing.owners, len(climbing.owners)
            values["cos_true"] = (image[owner] * text[owner]).sum(1).mean()
            values["cos_pixels"] = (other[-2 * q : -q] * text[owner]).sum(1).mean()
            values["cos_latents"] = (other[-q:] * text[owner]).sum(1).mean()
        return contrasted + labels, {k: v.detach() for k, v in values.items()}

    @torch.no_grad()
    def _rivals(
        self, climbing: Climbing, text: Tensor, statements: np.ndarray, facts: np.ndarray, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Pictures [j, 3, S, S] that the CLIP rates too high, and [n, j] which captions (embedded as text [n, E]) they
        make true: random ones of the VAE that score best for captions they do not make true, then the pixels and the
        latents of the ascents whose turn it is."""
        ascents, painter = self.model.ascents, self.painter
        assert ascents is not None
        assert painter is not None
        latents = torch.randn(PAINTED, LATENT, generator=generator)
        images = painter.draw(latents)
        true = torch.from_numpy(true_of(statements, painter.facts(latents))).T  # [captions, pictures]
        similarity = text @ F.normalize(self._embed(images), dim=1).T
        chosen = hardest(similarity, true, MISSES)

        rows, begin, owners = climbing
        best = similarity.masked_fill(true, -math.inf)[owners[begin]].argmax(1)
        ascents.begin(rows[begin], latents[best], generator)
        ascents.climb(rows, text[owners], painter, self._embed, generator)
        climbed = ascents.latents[rows]
        # a picture of pixels is held against its own caption whatever it shows: nobody knows what that is
        of_pixels = torch.from_numpy(true_of(statements, facts[owners.numpy()])).T
        of_pixels[owners, torch.arange(len(rows))] = False
        of_latents = torch.from_numpy(true_of(statements, painter.facts(climbed))).T
        pictures = torch.cat([images[chosen], ascents.pixels[rows], painter.draw(climbed)])
        return pictures, torch.cat([true[:, chosen], of_pixels, of_latents], dim=1)

    def _embed(self, images: Tensor) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16, enabled=self.bf16):
            return self.model.clip.encode_image(images.to(memory_format=torch.channels_last)).float()

    def evaluate(self, model: nn.Module) -> dict[str, float]:
        assert isinstance(model, CLIPWithHeads)
        return retrieval(model.clip.encode_image, lambda texts: model.clip.encode_text(self.tokenizer(texts)))

    def export(self, model: nn.Module, path: Path) -> dict[str, float]:
        """The CLIP without the heads, for views normalised as open_clip does; measured as the perceptor loads it."""
        assert isinstance(model, CLIPWithHeads)
        folded = fold_normalisation(model.clip.state_dict(), OPENAI_DATASET_MEAN, OPENAI_DATASET_STD)
        save_half(folded, path)
        arch = register_config(asset("shapes_clip.json"))
        eye = load_checkpoint(arch, path, unlabelled(arch), "shapes-clip", notice=lambda line: None)
        mean, std = (torch.tensor(v).view(3, 1, 1) for v in (eye.mean, eye.std))
        return retrieval(lambda images: eye.encode_image((images - mean) / std), eye.encode_text)


@torch.no_grad()
def retrieval(
    encode_image: Callable[[Tensor], Tensor], encode_text: Callable[[list[str]], Tensor], pictures: int = 1000
) -> dict[str, float]:
    """How often a held-out picture's own caption beats 7 that differ from it in one attribute each; for plain pictures,
    and for views disturbed as in training. encode_image takes pictures [n, 3, 64, 64] in 0..1."""
    data, rng, generator = ShapesDataset(HELD_OUT_SEED), Random(1), torch.Generator().manual_seed(1)
    scenes = data.scenes(np.arange(pictures))
    texts = []
    for facts in scenes.facts:
        said = state(facts, rng)
        texts += [say(s, rng) for s in [said, *(distract(said, rng) for _ in range(7))]]
    clean = to_tensor(render(scenes, data.size))
    text = torch.cat([encode_text(texts[i : i + 800]) for i in range(0, len(texts), 800)])
    text = F.normalize(text, dim=1).view(pictures, 8, -1)
    metrics = {}
    for name, images in {"retrieval": clean, "retrieval_hard_views": disturb(clean, generator)}.items():
        image = F.normalize(torch.cat([encode_image(part) for part in images.split(125)]), dim=1)
        metrics[name] = float(((text @ image[:, :, None])[..., 0].argmax(1) == 0).float().mean())
    return metrics
