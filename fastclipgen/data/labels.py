"""What is known of a picture besides its pixels: attributes, which it has or has not, and a caption."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class Labels(NamedTuple):
    """Of n pictures: attributes float32 [n, A], 0 or 1, and a caption for each."""

    attributes: Tensor
    captions: list[str]
