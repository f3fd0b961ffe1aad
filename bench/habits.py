"""How a loop goes about its work, apart from what it computes: the waste that the published loops have, or none."""

from __future__ import annotations

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Habits:
    """Of a reference loop. The defaults are those of a careful one.

    dtype: of CLIP's image tower; None: as the engine's.
    """

    frozen: bool = True  # no gradients of CLIP's weights
    backward_per_clip: bool = False  # one backward pass for every CLIP, not one for the sum
    read_every: int = 0  # steps after which the host waits for the losses; 0: never
    picture_to_host: bool = False  # every step
    dtype: torch.dtype | None = None


FAIR = Habits()
# What a user of the Direct Ascent Synthesis notebook gets.
DAS = Habits(frozen=False, backward_per_clip=True, read_every=1, picture_to_host=True, dtype=torch.float32)
# The notebooks of R-A and R-B freeze CLIP, and print every 50 steps.
VQGAN = Habits(read_every=50, dtype=torch.float32)
# What one writes first: the gradients of the weights are left on, and the loss is printed.
PLAIN = Habits(frozen=False, read_every=1, dtype=torch.float32)
