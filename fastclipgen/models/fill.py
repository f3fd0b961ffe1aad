"""Weights of a checkpoint into a model that was made on the meta device, once they have the model's names.

Knows nothing of architectures and files.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from fastclipgen.errors import UserError


def fill(model: nn.Module, tensors: Mapping[str, Tensor], what: str) -> None:
    """Gives `model` these weights, in float32 and in memory of their own or the tensors'.

    what: names the model in errors, as "the VQGAN in model.ckpt". Raises UserError where a weight is missing, has no
    place, has another shape than its place, or holds values that are not finite.
    """
    expected = model.state_dict()
    for name in sorted(expected.keys() ^ tensors.keys()):
        how = "lacks" if name in expected else "has more than its architecture knows:"
        raise UserError(f"{what} {how} '{name}'; give the checkpoint as it was published")
    for name, value in tensors.items():
        if value.shape != expected[name].shape:
            got, wanted = list(value.shape), list(expected[name].shape)
            raise UserError(f"'{name}' of {what} is {got}, expected {wanted}; give the checkpoint as it was published")
        if not bool(value.isfinite().all()):
            raise UserError(f"'{name}' of {what} holds values that are not finite; fetch it again")
    model.load_state_dict({name: value.float() for name, value in tensors.items()}, assign=True)
