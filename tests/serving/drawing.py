"""A maker whose work draws grey pictures in no time, and servers to try it on."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from fastclipgen.config.run import RunConfig
from fastclipgen.errors import UserError
from fastclipgen.result import Result
from fastclipgen.serving.client import Client
from fastclipgen.serving.desk import Desk
from fastclipgen.serving.experiment_reading import ExperimentReader
from fastclipgen.serving.limits import Limits, check
from fastclipgen.serving.places import Places
from fastclipgen.serving.server import Service, Settings

TOKEN = "a token of many letters"


class Info(NamedTuple):
    """As of engine.StepInfo."""

    step: int
    steps: int
    loss: Tensor
    known: tuple[int, Tensor]

    def images(self) -> Tensor:
        return torch.full((1, 3, 4, 6), self.step / self.steps)


class Fake:
    """Maker and work in one. Each step takes `pause` seconds; `gate` closed: steps wait. A run of 13 steps is a user's
    mistake, one of 14 a bug. `order`: the prompts in the order in which they were drawn."""

    def __init__(self, pause: float = 0.0) -> None:
        self.device, self.pause, self.order = torch.device("cpu"), pause, []
        self.settings: dict[str, Any] = {}
        self.reader = ExperimentReader(Places(None), Limits(), "cpu")
        self.gate = threading.Event()
        self.gate.set()

    def check(self, config: RunConfig) -> None:
        check(config, Limits())

    def as_asked(self, text: str) -> str:
        return text.replace("/secret/place/", "")

    def make(self, settings: dict[str, Any], notice: Callable[[str], None], desk: Desk) -> Any:
        notice("loading /secret/place/model")
        if settings.get("steps") == 13:
            raise UserError("thirteen steps of /secret/place/model cannot be")
        work = Fake.__new__(Fake)
        work.__dict__ = {**self.__dict__, "settings": settings}
        return work

    def first(self, done: Collection[int]) -> int:
        return len(done)

    def ticks(self, done: Collection[int]) -> int:
        return self._steps * (self.settings.get("count", 1) - len(done))

    @property
    def _steps(self) -> int:
        return self.settings.get("steps") or 1

    def run(
        self, done: Collection[int], callbacks: Sequence[Callable[[Any], object]], interrupted: Callable[[], bool]
    ) -> Iterator[list[Result]]:
        prompt = self.settings["prompts"][0]
        self.order.append(prompt)
        if self._steps == 14:
            raise ZeroDivisionError("fourteen")
        for index in range(self.settings.get("count", 1)):
            if index in done:
                continue
            taken = 0
            while taken < self._steps and not interrupted():
                taken += 1
                loss = torch.tensor([1 / taken])
                info = Info(taken, self._steps, loss, (taken, loss))
                stop = [callback(info) for callback in callbacks]  # all of them see every step
                if any(stop):
                    break
                time.sleep(self.pause)
                self.gate.wait()
            seed = self.settings["seed"] + index
            pixels = np.full((4, 6, 3), taken % 256, np.uint8)
            metadata = {"settings": {**self.settings, "generator": "fake", "seed": seed}}
            yield [Result(pixels, prompt, seed, index, float("nan"), {"clip": [0.5]}, taken, True, metadata)]


@contextmanager
def served(folder: Path, maker: Any = None, **settings: Any) -> Iterator[Service]:
    """A server on a port of its own, in a thread; maker None: the real one."""
    service = Service(Settings(folder=folder, port=0, **settings), maker)
    thread = threading.Thread(target=service.run)
    thread.start()
    try:
        yield service
    finally:
        if isinstance(maker, Fake):
            maker.gate.set()
        service.stop()
        thread.join(30)
        assert not thread.is_alive()


def client(service: Service, **options: Any) -> Client:
    return Client(service.address, timeout=20, **options)


def wait_until(true: Callable[[], object], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.01)


def settings_of(prompt: str = "a fox", **more: Any) -> dict[str, Any]:
    return {"prompts": [prompt], "steps": 3, "seed": 1, **more}
