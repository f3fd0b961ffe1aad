"""What pictures tell about the gap between a CLIP's texts and pictures (guidance/modality_gap.py).

They come from a folder, where the caption of a picture is the text file of its name, `dog.jpg` and `dog.txt`, one
caption a line; or from the shapes world, which captions them itself. `knn` needs pictures alone, `shift` also some
captions of whatever pictures, `procrustes` pictures with captions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from fastclipgen.data.listing import pictures_below
from fastclipgen.data.shapes import ShapesDataset
from fastclipgen.data.source import ShapesSource
from fastclipgen.errors import UserError
from fastclipgen.guidance import modality_gap
from fastclipgen.guidance.targets import Encoder, encode_texts, encode_views
from fastclipgen.outputs.load import fit, load_image

Bridge = modality_gap.Bridge | modality_gap.Neighbours
"""Embeddings of texts [K, E] -> of pictures [K, E], both of length 1."""

NEIGHBOURS = 10
_BATCH = 32
_TEXTS = 256  # captions at once
_NAMED = 3  # pictures that cannot be read, in a notice


class Gallery(NamedTuple):
    """Embeddings [N, E] of pictures, of length 1, and the captions of each; `place` names them in a sentence."""

    pictures: Tensor
    captions: list[list[str]]
    place: str


def of_folder(folder: str, perceptor: Encoder, device: torch.device, notice: Callable[[str], None]) -> Gallery:
    """The pictures of a folder, and of those in it. One that cannot be read is left out, which `notice` is told.
    Raises UserError for a folder without pictures, and for captions that cannot be read."""
    files = pictures_below(Path(folder).expanduser(), "--gallery").paths
    kept, pictures = _embedded(files, perceptor, device, notice)
    if not kept:
        raise UserError(f"none of the {len(files)} pictures in '{folder}' can be read; give a folder of pictures")
    return Gallery(pictures, [captions_of(file) for file in kept], f"'{folder}'")


@torch.no_grad()
def of_shapes(
    count: int, perceptor: Encoder, device: torch.device, seed: int = 0, easy: float | None = None
) -> Gallery:
    """The first `count` pictures of the shapes world of `seed`, with one caption each. easy: as of ShapesSource."""
    data, pictures, captions = ShapesDataset(seed, perceptor.image_size), [], []
    order = ShapesSource(perceptor.image_size, seed, _BATCH, easy)
    for step in range(-(-count // _BATCH)):
        batch = data.batch(order.indices(step, range(min(_BATCH, count - step * _BATCH))))
        views = torch.from_numpy(batch.images).permute(0, 3, 1, 2)
        pictures.append(encode_views(perceptor, views.to(device)))
        captions += batch.captions
    return Gallery(torch.cat(pictures), captions, "the shapes world")


def learn(kind: str, gallery: Gallery, perceptor: Encoder, neighbours: int = NEIGHBOURS) -> Bridge:
    """The bridge of `kind` (shift, procrustes or knn) that the pictures teach. neighbours: of knn. Raises UserError
    where captions are needed and there are none."""
    pictures = gallery.pictures
    if kind == "knn":
        return modality_gap.Neighbours(pictures, neighbours)
    pairs = [(row, text) for row, own in enumerate(gallery.captions) for text in own]
    if not pairs:
        raise UserError(
            f"text_to_image {kind} needs captions, but no picture in {gallery.place} has a text file of its name "
            "beside it; add some, or take knn, which needs none"
        )
    texts = torch.cat(
        [encode_texts(perceptor, [text for _, text in pairs[k : k + _TEXTS]]) for k in range(0, len(pairs), _TEXTS)]
    )
    if kind == "shift":
        return modality_gap.shift(texts, pictures)
    return modality_gap.procrustes(texts, pictures[[row for row, _ in pairs]])


def captions_of(picture: Path) -> list[str]:
    """The lines of the text file beside a picture; none where there is no such file. Raises UserError."""
    file = picture.with_suffix(".txt")
    if not file.is_file():
        return []
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"the captions in '{file}' cannot be read ({error}); save them as UTF-8") from error
    return [line.strip() for line in lines if line.strip()]


def _embedded(
    files: Sequence[Path], perceptor: Encoder, device: torch.device, notice: Callable[[str], None]
) -> tuple[list[Path], Tensor]:
    """The files that can be read, and the embeddings [N, E] of the centres of their pictures."""
    size, kept, broken = perceptor.image_size, [], []
    found: list[Tensor] = []
    for first in range(0, len(files), _BATCH):
        views = []
        for file in files[first : first + _BATCH]:
            try:
                views.append(fit(load_image(file), size, size))
                kept.append(file)
            except UserError:
                broken.append(file.name)
        if views:
            with torch.no_grad():
                found.append(encode_views(perceptor, torch.stack(views).to(device)))
    if broken:
        more = f" and {len(broken) - _NAMED} more" if len(broken) > _NAMED else ""
        notice(f"{len(broken)} of {len(files)} pictures cannot be read: {', '.join(broken[:_NAMED])}{more}")
    return kept, torch.cat(found) if found else torch.empty(0, 1)
