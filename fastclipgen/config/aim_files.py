"""The aims that a run's settings name beside its prompts, with the files they are read from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from fastclipgen.config.asked import Asked
from fastclipgen.data.listing import pictures_below
from fastclipgen.guidance.aims import Direction, ImageLabel, Label, Noise
from fastclipgen.guidance.prompts import parse_image_prompt, parse_noise_prompt, parse_prompt
from fastclipgen.guidance.targets import Aim, ImageTarget
from fastclipgen.outputs.load import load_image
from fastclipgen.weights.names import file_of
from fastclipgen.weights.vectors import read_vectors


def load(asked: Asked, notice: Callable[[str], None]) -> list[Aim]:
    """Image prompts, unless they are cut anew at each step, labels, image labels, noise and vector prompts, in this
    order. Raises UserError."""
    aims: list[Aim] = []
    for text in [] if asked.image_prompt_recut else asked.image_prompts:
        prompt = parse_image_prompt(text)
        aims.append(ImageTarget(load_image(prompt.path, notice=notice), prompt.weight, prompt.stop))
    for text in asked.labels:
        label = parse_prompt(text)
        aims.append(Label(label.text, label.weight, label.stop))
    for text in asked.image_labels:
        prompt = parse_image_prompt(text)
        images = [load_image(path, notice=notice) for path in pictures_of(prompt.path)]
        aims.append(ImageLabel(images, prompt.weight, prompt.stop))
    aims += [Noise(*parse_noise_prompt(text)) for text in asked.noise_prompts]
    for text in asked.vector_prompts:
        prompt = parse_image_prompt(text)
        vectors = read_vectors(file_of(prompt.path, "vector-prompt"))
        aims.append(Direction(vectors, prompt.path, prompt.weight, prompt.stop))
    return aims


def pictures_of(path: str) -> list[Path]:
    """The picture at `path`, or those in it, by name, if it is a folder. Raises UserError where there are none."""
    place = Path(path).expanduser()
    return pictures_below(place, "an image label").paths if place.is_dir() else [place]
