"""A picture of an experiment as it is now, and its YAML beside it, in the folder of its run."""

from __future__ import annotations

from fastclipgen.experiments.experiment import Experiment
from fastclipgen.experiments.sources import STORED
from fastclipgen.experiments.stored import prompt_of, stored
from fastclipgen.outputs.atomic import write_file
from fastclipgen.outputs.images import encode
from fastclipgen.outputs.metadata import read_metadata
from fastclipgen.outputs.naming import Target
from fastclipgen.result import Picture
from fastclipgen.serving.problems import NotFound
from fastclipgen.serving.queue import Queue
from fastclipgen.serving.store import Row

FILE = r"^saved-[0-9]{1,7}-[0-9]{1,9}(-[0-9]{1,6})?\.(png|yaml)$"


def save(queue: Queue, row: Row, experiment: Experiment, index: int) -> tuple[str, str]:
    """Gives the names of PNG and YAML. A finished picture is copied with what it says of itself; of one that is being
    drawn the newest snapshot is taken. Raises NotFound where there is neither, and UserError where nothing can be
    written."""
    content, step, text = _finished(queue, row, index) or _at_hand(queue, row, experiment, index)
    folder, stem = queue.folder / row.id, f"saved-{index}-{step}"
    png = write_file(Target(folder, stem, stem, ".png"), content)
    return png.name, write_file(Target(folder, png.stem, png.stem, ".yaml"), text.encode()).name


def _finished(queue: Queue, row: Row, index: int) -> tuple[bytes, int, str] | None:
    kept = next((one for one in queue.store.pictures(row.number) if one.index == index), None)
    path = None if kept is None else queue.folder / kept.file
    if path is None or not path.is_file():
        return None
    facts = read_metadata(path)
    return path.read_bytes(), int(facts["epochs_done"]), str(facts[STORED])


def _at_hand(queue: Queue, row: Row, experiment: Experiment, index: int) -> tuple[bytes, int, str]:
    live = queue.live
    found = live.gallery.now(index) if live is not None and live.id == row.id else None
    if found is None:
        raise NotFound(f"nothing is to be saved of picture {index} of the run '{row.id}', which is {row.state}")
    step, pixels = found
    picture = Picture(prompt_of(experiment, index), (experiment.seed or 0) + index, index)
    text = stored(experiment, picture)
    facts = {"prompt": picture.prompt, STORED: text, "settings": {"generator": experiment.generator}}
    return encode(pixels, "PNG", {**facts, "epochs_done": step}), step, text
