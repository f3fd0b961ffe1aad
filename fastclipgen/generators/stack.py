"""Direct Ascent Synthesis: a picture as a sum of planes of many resolutions, squashed by tanh.

Stanislav Fort and Jonathan Whitaker, arXiv 2502.07753. Knows nothing of optimisers beyond which form suits which.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from fastclipgen.errors import UserError
from fastclipgen.generators.base import Params, check_number, logit_safe
from fastclipgen.generators.painted_starts import PaintedStarts
from fastclipgen.generators.stack_preconditioner import ExactPreconditioner, LowRankPreconditioner
from fastclipgen.generators.upsampling import (
    bicubic_matrix,
    check_resolutions,
    geometric_resolutions,
    resolution_pairs,
)

_EPS = 1e-5


class Stack(PaintedStarts):
    """x = 0.5 + 0.5 tanh(sum_r up(P_r)) on a canvas larger than the picture, so that shifted views stay inside.

    The canvas is the picture plus `margin` pixels on each side (None: a quarter of the picture's shorter side); the
    published picture is its centre. `resolutions` are counted along the canvas's longer side S, the shorter side gets
    its rounded share (`resolution_pairs`). Two forms:

    - `collapsed` (for plain SGD): one plane {"raw": [B, 3, H+2m, W+2m]}; `precondition` turns its gradient into the
      step that SGD would take on all the P_r. Exact; with `rank` = K a K-term approximation of the map, whose relative
      Frobenius error is `precondition_error`. Default resolutions: every whole number from 1 to S.
    - not collapsed (for Adam and its like): {"p_<r>": [B, 3, r_h, r_w]}. Default: about ten sizes, growing
      geometrically from 1 to S.

    A single start is grey whatever the seed: pictures of different seeds part through the noise of their views.
    """

    name = "stack"
    default_optimizer = "sgd"
    default_lr = 0.2
    default_views_preset = "das"
    reencodes = True

    def __init__(
        self,
        height: int,
        width: int,
        margin: int | None = None,
        resolutions: Sequence[int] | None = None,
        collapsed: bool = True,
        rank: int | None = None,
    ) -> None:
        super().__init__(height, width)
        self.margin = min(height, width) // 4 if margin is None else margin
        check_number(self.name, "margin", self.margin, 0)
        rows, cols = self.canvas_size
        longest = max(rows, cols)
        if resolutions is None:
            resolutions = range(1, longest + 1) if collapsed else geometric_resolutions(longest)
        self.resolutions = check_resolutions(resolutions, longest)
        self.pairs = resolution_pairs(rows, cols, self.resolutions)
        self.collapsed = collapsed
        if collapsed:
            self._build_preconditioner(rank)
        elif rank is not None:
            raise UserError(
                "option 'rank' of generator 'stack' approximates the collapsed form, but collapsed is false; "
                "leave out rank, or use the sgd optimiser"
            )
        else:
            self._build_planes()

    @classmethod
    def options_for(cls, optimizer: str) -> dict[str, Any]:
        """SGD takes the collapsed form; optimisers that rescale each coordinate need the true stack."""
        return {"collapsed": optimizer == "sgd"}

    @property
    def canvas_size(self) -> tuple[int, int]:
        return self.height + 2 * self.margin, self.width + 2 * self.margin

    @property
    def precondition_error(self) -> float:
        """Relative Frobenius error of `precondition`: 0 for the exact map and for the true stack."""
        return self.map.error if self.collapsed else 0.0

    def init(self, seeds: Tensor) -> Params:
        shapes = {"raw": self.canvas_size} if self.collapsed else dict(zip(self._plane_names, self.pairs, strict=True))
        return {key: torch.zeros(len(seeds), 3, *shape, device=seeds.device) for key, shape in shapes.items()}

    def init_from(self, images: Tensor) -> Params:
        """The start picture (clipped to 1e-5..1-1e-5); its edges go on into the margin.

        The true stack carries it in its finest plane alone: exact when that is as fine as the canvas, else the nearest
        (least squares before tanh).
        """
        self.check_images(images)
        raw = F.pad(torch.atanh(2.0 * logit_safe(images, _EPS) - 1.0), [self.margin] * 4, mode="replicate")
        if self.collapsed:
            return {"raw": raw}
        params = self.init(torch.zeros(len(images), dtype=torch.int64, device=images.device))
        rows, cols = self._factors(len(self.pairs) - 1)
        finest = torch.linalg.pinv(rows.double()) @ raw.double() @ torch.linalg.pinv(cols.double()).mT
        return params | {self._plane_names[-1]: finest.to(raw.dtype)}

    def canvas(self, params: Params) -> Tensor:
        return 0.5 + 0.5 * torch.tanh(params["raw"] if self.collapsed else self._sum(params))

    def publish(self, canvas: Tensor) -> Tensor:
        m = self.margin
        return canvas[..., m : m + self.height, m : m + self.width]

    def forward(self, params: Params) -> Tensor:
        return self.publish(self.canvas(params))

    def precondition(self, grads: Params) -> Params:
        """The collapsed form's SGD direction: sum_r A_r G A_r^T. The true stack's gradients are right as they are."""
        return {"raw": self.map(grads["raw"])} if self.collapsed else grads

    def _build_preconditioner(self, rank: int | None) -> None:
        if rank is None:
            self.map = ExactPreconditioner(*self.canvas_size, self.pairs)
        else:
            check_number(self.name, "rank", rank, 1)
            self.map = LowRankPreconditioner(*self.canvas_size, self.pairs, rank)

    def _build_planes(self) -> None:
        rows, cols = self.canvas_size
        self._plane_names = [f"p_{r}" for r in self.resolutions]
        dtype = torch.get_default_dtype()
        for index, (rh, rw) in enumerate(self.pairs):
            self.register_buffer(f"rows_{index}", bicubic_matrix(rows, rh).to(dtype), persistent=False)
            self.register_buffer(f"cols_{index}", bicubic_matrix(cols, rw).to(dtype), persistent=False)

    def _factors(self, index: int) -> tuple[Tensor, Tensor]:
        return self.get_buffer(f"rows_{index}"), self.get_buffer(f"cols_{index}")

    def _sum(self, params: Params) -> Tensor:
        """sum_r U_r P_r U_r^T, as matmuls: unlike bicubic interpolation their backward has a fixed order on a GPU."""
        total: Tensor | None = None
        for index, (name, pair) in enumerate(zip(self._plane_names, self.pairs, strict=True)):
            plane = params[name]
            if pair != self.canvas_size:
                rows, cols = self._factors(index)
                plane = rows @ plane @ cols.mT
            total = plane if total is None else total + plane
        assert total is not None
        return total
