"""A step recorded once as a CUDA graph and replayed: one launch instead of hundreds.

Everything that a step reads or writes stays where it was when it was recorded. So the state is kept in tensors of its
own, which the recorded work itself brings up to date at its end, and the step's number and learning rate are copied
into two more before each replay. Knows nothing of what a step computes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map

from fastclipgen.engine.step import RunState

WARM_UP = 3  # steps before the recording, for libraries to settle on algorithms and workspaces

T = TypeVar("T")
Step = Callable[[RunState, Tensor, Tensor], tuple[RunState, Tensor, Tensor]]


def record(
    work: Callable[[], T],
    device: torch.device,
    pool: Any = None,
    warm_up: Callable[[], object] | None = None,
) -> tuple[torch.cuda.CUDAGraph, T]:
    """A graph that does `work` at every replay, and what `work` returned: tensors that each replay overwrites.

    Before, `warm_up` (None: `work` itself) runs a few times on a stream of its own. Graphs of one `pool`
    (torch.cuda.graph_pool_handle) share memory: each may only be replayed when nobody needs the results of the others
    any more. Raises what `work` raises.
    """
    aside = torch.cuda.Stream(device)
    aside.wait_stream(torch.cuda.current_stream(device))
    with torch.cuda.stream(aside):
        for _ in range(WARM_UP):
            (warm_up or work)()
    torch.cuda.current_stream(device).wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, pool=pool):
        result = work()
    return graph, result


class CapturedStep:
    """`step(state, number, rate) -> (state, loss, images)` of one run, recorded from `state` on.

    The task and the weights that `step` reads must stay where they are. A call returns the state that it keeps, which
    the next call overwrites, and copies of the loss and the images. Raises whatever the recording raises, with `state`
    untouched: what a graph cannot hold is a wait for the host, a copy from it, or memory that is not there.
    """

    def __init__(self, step: Step, state: RunState, number: Tensor, rate: Tensor) -> None:
        self._state, self._number, self._rate = copy_of(state), number.clone(), rate.clone()
        inputs = self._state, self._number, self._rate

        def work() -> tuple[Tensor, Tensor]:
            after, loss, images = step(*inputs)
            overwrite(self._state, after)
            return loss, images

        self._graph, (self._loss, self._images) = record(work, number.device, warm_up=lambda: step(*inputs))

    def __call__(self, number: Tensor, rate: Tensor) -> tuple[RunState, Tensor, Tensor]:
        self._number.copy_(number)
        self._rate.copy_(rate)
        self._graph.replay()
        return self._state, self._loss.clone(), self._images.clone()

    def put(self, state: RunState) -> RunState:
        """The next call begins with the values of `state`. Returns the state that is kept."""
        overwrite(self._state, state)
        return self._state


def copy_of(state: RunState) -> RunState:
    """The same values in memory of its own, every tensor apart from every other."""
    return tree_map(lambda leaf: leaf.clone() if isinstance(leaf, Tensor) else leaf, state)


def overwrite(old: RunState, new: RunState) -> None:
    """Writes the values of `new` into the tensors of `old`, also where a tensor of one is a tensor of the other."""
    pairs = [
        (was, now)
        for was, now in zip(tree_leaves(old), tree_leaves(new), strict=True)
        if isinstance(was, Tensor) and was is not now
    ]
    own = {was.untyped_storage().data_ptr() for was in tree_leaves(old) if isinstance(was, Tensor)}
    # a value that lies in the old state may be overwritten before it is read
    safe = [(was, now.clone() if now.untyped_storage().data_ptr() in own else now) for was, now in pairs]
    for was, now in safe:
        was.copy_(now)
