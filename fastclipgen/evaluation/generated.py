"""A set of pictures that a generator draws to be measured, in a folder; what is there already is not drawn again.

The folder keeps what it was asked for, so that one set never has pictures of two runs that differ.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from fastclipgen.api import Job, make_job
from fastclipgen.clip_gen.job import SampleJob
from fastclipgen.config.run import make_config
from fastclipgen.config.sampling import CLIP_GEN
from fastclipgen.engine.engine import Callback
from fastclipgen.errors import UserError
from fastclipgen.outputs.atomic import write_file
from fastclipgen.outputs.images import save_image
from fastclipgen.outputs.naming import Target

ASKED = "asked.json"
OWN_SETTINGS = ("prompts", "count", "keep", "generator", "seed")  # what the set itself decides


def draw_set(
    generator: str,
    prompts: Sequence[str],
    folder: Path,
    seed: int,
    settings: dict[str, Any],
    *,
    callbacks: Sequence[Callback] = (),
    on_start: Callable[[Job | SampleJob], None] = lambda job: None,
    interrupted: Callable[[], bool] | None = None,
    notice: Callable[[str], None] = print,
) -> list[Path]:
    """The pictures of the prompts by one generator, 00000.png and so on in their order, with seeds from `seed` on.

    settings: other fields of config.run.RunConfig. Drawn is from the first picture on that is missing. on_start: called
    with the job, where there is something to draw; interrupted: as of `Job.run`, what is drawn by then is returned.
    Raises UserError for settings that cannot be, and for a folder that holds a set of other ones.
    """
    taken = [name for name in OWN_SETTINGS if name in settings]
    if taken:
        raise UserError(f"a set that is measured has its own '{taken[0]}'; leave that setting out")
    _claim(folder, {"generator": generator, "prompts": list(prompts), "seed": seed, "settings": settings})
    paths = [folder / f"{number:05}.png" for number in range(len(prompts))]
    first = next((number for number, path in enumerate(paths) if not path.exists()), len(paths))
    if first < len(paths):
        asked = {**settings, "generator": generator, "prompts": list(prompts[first:]), "seed": seed + first}
        config = make_config(asked)
        if config.generator == CLIP_GEN:
            config = config.model_copy(update={"keep": 1})  # one picture for each prompt
        job = make_job(config, notice=notice)
        on_start(job)
        for batch in job.run(callbacks, interrupted):
            for result in batch:
                path = paths[first + result.index]
                if not path.exists():
                    save_image(result.pixels, _literal(path), result.metadata)
    return [path for path in paths if path.exists()]


def _claim(folder: Path, asked: dict[str, Any]) -> None:
    """Notes in the folder what its pictures are; raises UserError where they are something else."""
    note = folder / ASKED
    text = json.dumps(asked, indent=1, sort_keys=True) + "\n"
    if not note.exists():
        if folder.is_dir() and any(folder.iterdir()):
            raise UserError(f"the folder '{folder}' holds something else already; give another --out")
        write_file(Target(folder, note.stem, note.stem, note.suffix), text.encode())
        return
    try:
        kept = json.loads(note.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"'{note}' cannot be read ({error}); give another --out") from error
    changed = sorted(name for name in asked if not isinstance(kept, dict) or kept.get(name) != asked[name])
    if changed:
        raise UserError(
            f"the pictures in '{folder}' were drawn with another {', '.join(changed)}; give the same to go on with "
            "them, or another --out"
        )


def _literal(path: Path) -> str:
    """A path as a template of itself: its braces are no fields."""
    return str(path).replace("{", "{{").replace("}", "}}")
