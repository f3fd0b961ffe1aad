"""The loop of CLIPig (defgsus/clipig, January 2022), written from a description, on the experiment that it shows first.

One frame at a time through torchvision's transforms, anomaly detection on, the graph retained, similarities read on the
host. "fair" is the same without these habits. Both draw frames by Python's generator, as that program does.
"""

from __future__ import annotations

import random
from contextlib import nullcontext
from dataclasses import dataclass

import torch
import torch.nn.functional as F
import torchvision.transforms.functional as VF
from torch import Tensor
from torchvision.transforms import InterpolationMode, RandomAffine

from fastclipgen.perceptors.base import FrozenPerceptor


@dataclass(frozen=True)
class Berries:
    """examples/strawberries.yaml of that program, at any size. side, crop: in pixels, of the picture and of what a
    frame shows; frames: of an epoch; turn: degrees; least: the smallest scale."""

    side: int = 512
    crop: int = 224
    frames: int = 5
    turn: float = 10.0
    least: float = 0.5
    shift: float = 1.0
    epochs: int = 250
    text: str = "a bowl of strawberries"

    def yaml(self) -> str:
        """The experiment in the program's own grammar."""
        return (
            f"epochs: {self.epochs}\nresolution: {self.side}\nseed: 0\nlearnrate: 2\nlearnrate_scale: 1 - .95 * t5\n"
            "init: {mean: .4, std: .05}\n"
            f"targets:\n  - batch_size: {self.frames}\n    features: [text: {self.text}]\n"
            "    transforms:\n"
            f"      - random_shift: [{-self.shift}, {self.shift}]\n"
            f"      - random_rotate: {{degree: [{-self.turn}, {self.turn}], center: [0, 1]}}\n"
            f"      - random_scale: [{self.least}, 1]\n"
            f"      - center_crop: {self.crop}\n"
            "    constraints: [blur: {kernel_size: 5}]\n"
        )

    def rate(self, epoch: int) -> float:
        time = min(epoch, self.epochs - 1) / max(1, self.epochs - 1)
        return 0.01 * 2 * (1 - 0.95 * time**5)


class ClipigLoop:
    """One picture. start: [3, H, W]; text: embedding [E] of unit length; wasteful: with the program's habits."""

    batch = 1

    def __init__(self, berries: Berries, eye: FrozenPerceptor, text: Tensor, start: Tensor, wasteful: bool) -> None:
        self.berries, self.eye, self.text, self.wasteful = berries, eye, text, wasteful
        self.pixels = torch.nn.Parameter(start.clone())
        self.optimizer = torch.optim.Adam([self.pixels], lr=berries.rate(0))
        self.mean, self.std = (torch.tensor(three, device=start.device).view(3, 1, 1) for three in (eye.mean, eye.std))
        self.scale = RandomAffine(0, scale=(berries.least, 1.0))
        self.random = random.Random(0)
        self.epoch, self.loss = 0, 0.0
        self.similarities: list[float] = []

    def advance(self, steps: int) -> None:
        with torch.autograd.set_detect_anomaly(True) if self.wasteful else nullcontext():
            for _ in range(steps):
                self._step()
                self.epoch += 1

    def _step(self) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = self.berries.rate(self.epoch)
        picture = self.pixels.clamp(0, 1)
        frames = torch.stack([self._frame(picture) for _ in range(self.berries.frames)]).clamp(0, 1)
        seen = F.normalize(self.eye.encode_image(((frames - self.mean) / self.std).to(self.eye.dtype)).float(), dim=-1)
        loss = self.pixels.new_zeros(())
        if self.wasteful:
            for frame, embedding in zip(frames, seen, strict=True):
                cosine = embedding @ self.text
                self.similarities.append(100 * cosine.item())
                loss = loss + (1 - cosine) + 100 * F.mse_loss(frame, _blurred(frame))
        else:
            loss = (1 - seen @ self.text).sum() + self.berries.frames * 100 * F.mse_loss(frames, _blurred(frames))
        if self.wasteful and not loss:
            return
        self.optimizer.zero_grad()
        loss.backward(retain_graph=self.wasteful)
        self.optimizer.step()
        self.loss = loss.item() if self.wasteful else loss.detach()

    def _frame(self, picture: Tensor) -> Tensor:
        """What is seen of the picture [3, H, W] once: [3, S, S]."""
        berries, (height, width) = self.berries, picture.shape[-2:]
        reach, draw = berries.shift, self.random.uniform
        frame = torch.roll(picture, [int(draw(-reach, reach) * height), int(draw(-reach, reach) * width)], (1, 2))
        centre = [draw(0, 1) * width, draw(0, 1) * height]
        frame = VF.rotate(frame, draw(-berries.turn, berries.turn), InterpolationMode.NEAREST, center=centre)  # pyright: ignore[reportArgumentType]
        frame = VF.center_crop(self.scale(frame), [berries.crop, berries.crop])
        size = [self.eye.image_size, self.eye.image_size]
        return VF.resize(frame, size, InterpolationMode.BICUBIC, antialias=True)


def _blurred(frames: Tensor) -> Tensor:
    return VF.gaussian_blur(frames, [5, 5])
