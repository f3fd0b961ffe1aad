"""Draws the pictures of a group of settings: one job, kept as long as the worker stays with the group."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from fastclipgen.api import Job, make_job
from fastclipgen.clip_gen.job import SampleJob
from fastclipgen.config.resources import memory_errors
from fastclipgen.config.run import RunConfig
from fastclipgen.config.sampling import CLIP_GEN
from fastclipgen.jobs.claims import Stored
from fastclipgen.jobs.items import OWN
from fastclipgen.jobs.store import Group
from fastclipgen.result import Picture, Result

MOST = {"cpu": 16, "cuda": 64, "mps": 16}
"""Pictures of a pack, where memory allows more: what a kill costs at most, and from where on more gain little."""


class Painter:
    """Of one group, on `device` instead of the settings' own. trust_gan: the setting, which is never stored. Loads the
    models; raises UserError where the settings cannot be."""

    def __init__(
        self, group: Group, device: str | None, notice: Callable[[str], None], trust_gan: bool = False
    ) -> None:
        self.group = group.id
        settings = json.loads(group.decided or group.settings)
        self._asked_device = settings["device"]
        if device is not None:
            settings["device"] = device
        prompts = [prompt for prompt in group.prompts if prompt]
        if settings["generator"] == CLIP_GEN:
            prompts = list(dict.fromkeys(prompts))  # it embeds them all before the first token
        # by its prompts a job knows how many pictures there are, on which the choice to compile depends
        with memory_errors():
            self.job: Job | SampleJob = make_job(
                RunConfig(**{**settings, "prompts": prompts, "seed": 0, "count": 1 if prompts else len(group.prompts)}),
                notice=notice,
            )

    @property
    def decided(self) -> str:
        """The settings with all that was left open, as JSON; of the machine only what was asked for."""
        settings = self.job.config.model_dump(mode="json", exclude=set(OWN)) | {"device": self._asked_device}
        return json.dumps(settings, sort_keys=True)

    @property
    def together(self) -> int:
        """How many pictures go into a pack."""
        most = MOST.get(self.job.device.type, 16)
        if isinstance(self.job, SampleJob):
            return max(1, min(most, self.job.layout.group))
        return most if self.job.config.deterministic else max(1, min(most, self.job.batch))

    def draw(
        self, items: Sequence[Stored], callbacks: Sequence[Callable[[Any], object]], interrupted: Callable[[], bool]
    ) -> list[Result] | None:
        """The pictures of the items, in order; None where they were interrupted."""
        pictures = [Picture(item.prompt, item.seed, index) for index, item in enumerate(items)]
        results: list[Result] = []
        with memory_errors():
            for batch in self.job.draw(pictures, callbacks, interrupted):
                results += batch
                if interrupted():
                    return None
        return results
