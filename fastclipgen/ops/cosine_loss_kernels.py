"""The compiled backends of the prompt loss, value and gradient at once: C++ on the CPU, CUDA or Triton on a GPU.

The forward pass writes the gradient of every picture's loss too; the backward pass only multiplies it. In eager mode an
`autograd.Function` calls the backend itself: that takes half the time of a call through torch's dispatcher and
`register_autograd`, which is most of the time on a CPU. While a graph is compiled, and for tensors that stand for
others (fake tensors), the same computation is the opaque op `fastclipgen::cosine_loss`.
cosine_loss.py holds the plain-torch version and says what is computed.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from fastclipgen.errors import UserError
from fastclipgen.ops import library

DTYPES = (torch.float32, torch.bfloat16, torch.float16)  # of embeddings, in the order of csrc/cosine_loss.h
KINDS = ("cosine", "spherical", "l1", "l2")  # likewise
_REAL = (Tensor, torch.nn.Parameter)  # types that have memory of their own


def cosine_loss(
    embeddings: Tensor,
    targets: Tensor,
    weights: Tensor,
    stops: Tensor,
    kind: str,
    active: Tensor | None,
    prompt_mean: bool,
    scale: float | Tensor,
    total: Tensor | None,
    backend: str,
) -> tuple[Tensor, Tensor]:
    """`ops.cosine_loss.cosine_loss` of checked arguments on "cpp", "cuda" or "triton", as library.choose gave it.

    embeddings of one of DTYPES; gradients flow to embeddings and total only.
    """
    scales = scale if isinstance(scale, Tensor) else None
    number = 1.0 if isinstance(scale, Tensor) else scale
    tracked = torch.is_grad_enabled()
    wanted = tracked and embeddings.requires_grad
    rest = (targets, weights, stops, active, scales, number, kind, prompt_mean, wanted, backend)
    if torch.compiler.is_compiling() or type(embeddings) not in _REAL:
        loss, similarities, _ = _op(embeddings, total, *rest)
    elif wanted or (tracked and total is not None and total.requires_grad):
        loss, similarities = _Eager.apply(embeddings, total, rest)  # pyright: ignore[reportGeneralTypeIssues]
    else:
        loss, similarities, _ = _compute(embeddings, total, *rest)
    return loss, similarities


def _compute(
    embeddings: Tensor,
    total: Tensor | None,
    targets: Tensor,
    weights: Tensor,
    stops: Tensor,
    active: Tensor | None,
    scales: Tensor | None,
    scale: float,
    kind: str,
    prompt_mean: bool,
    wanted: bool,
    backend: str,
) -> tuple[Tensor, Tensor, Tensor]:
    """loss [B], similarities [B, N, P] and the gradient [B, N, E] (no elements unless wanted), all float32."""
    batch, views, features = embeddings.shape
    prompts, device = targets.shape[1], embeddings.device
    batch_stride, view_stride, last_stride = embeddings.stride()
    if last_stride != 1:
        embeddings = embeddings.contiguous()
        batch_stride, view_stride, _ = embeddings.stride()
    targets, weights, stops = _plain(targets), _plain(weights), _plain(stops)
    if total is not None:
        total = _plain(total)
    if active is not None:
        active = active.contiguous()
    if scales is not None:
        scales = _plain(scales)
    loss = torch.empty(batch, dtype=torch.float32, device=device)
    similarities = torch.empty((batch, views, prompts), dtype=torch.float32, device=device)
    gradient = torch.empty((batch, views, features) if wanted else 0, dtype=torch.float32, device=device)
    if backend == "triton":
        # Triton is loaded only where it is used. Pyright does not see that the package holds kernels/.
        from fastclipgen.kernels import cosine_loss as triton_cosine_loss  # pyright: ignore[reportMissingImports]

        with torch.cuda.device_of(embeddings):
            triton_cosine_loss.fill(
                embeddings, targets, weights, stops, active, total, scales, scale, KINDS.index(kind), prompt_mean,
                loss, similarities, gradient if wanted else None,
            )  # fmt: skip
        return loss, similarities, gradient
    native = library.require_native()
    call = (  # the fields of CosineLoss in csrc/cosine_loss.h
        batch, views, prompts, features,
        embeddings.data_ptr(), batch_stride, view_stride, DTYPES.index(embeddings.dtype),
        targets.data_ptr(), weights.data_ptr(), stops.data_ptr(),
        0 if active is None else active.data_ptr(),
        0 if total is None else total.data_ptr(),
        0 if scales is None else scales.data_ptr(), 0 if scales is None or scales.ndim == 0 else 1, scale,
        KINDS.index(kind), prompt_mean,
        loss.data_ptr(), similarities.data_ptr(), gradient.data_ptr() if wanted else 0,
    )  # fmt: skip
    if backend == "cpp":
        native.cosine_loss(*call, torch.get_num_threads())
    else:
        native.cosine_loss_cuda(*call, *library.queue(device))
    return loss, similarities, gradient


def _plain(tensor: Tensor) -> Tensor:
    """The tensor as contiguous float32: itself, nearly always."""
    if tensor.dtype == torch.float32 and tensor.is_contiguous():
        return tensor
    return tensor.to(torch.float32).contiguous()


@torch.library.custom_op("fastclipgen::cosine_loss", mutates_args=())
def _op(
    embeddings: Tensor,
    total: Tensor | None,
    targets: Tensor,
    weights: Tensor,
    stops: Tensor,
    active: Tensor | None,
    scales: Tensor | None,
    scale: float,
    kind: str,
    prompt_mean: bool,
    wanted: bool,
    backend: str,
) -> tuple[Tensor, Tensor, Tensor]:
    return _compute(
        embeddings, total, targets, weights, stops, active, scales, scale, kind, prompt_mean, wanted, backend
    )


@_op.register_fake
def _(embeddings: Tensor, total: Tensor | None, targets: Tensor, *rest: Any) -> tuple[Tensor, Tensor, Tensor]:
    batch, views, _ = embeddings.shape
    wanted = rest[-2]
    return (
        embeddings.new_empty(batch, dtype=torch.float32),
        embeddings.new_empty((batch, views, targets.shape[1]), dtype=torch.float32),
        embeddings.new_empty(embeddings.shape if wanted else 0, dtype=torch.float32),
    )


def _gradients(ctx: Any, grad_loss: Tensor) -> tuple[Tensor | None, Tensor | None]:
    """Of embeddings, whose gradient for each picture's loss was kept in float32, and of total."""
    embeddings, total = ctx.needs_input_grad[:2]
    if not embeddings:
        return None, grad_loss
    found = ctx.saved_tensors[0] * grad_loss.view(-1, 1, 1)
    return found if ctx.dtype == torch.float32 else found.to(ctx.dtype), grad_loss if total else None


def _keep(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor, Tensor]) -> None:
    _, similarities, gradient = output
    ctx.save_for_backward(gradient)
    ctx.dtype = inputs[0].dtype
    ctx.mark_non_differentiable(similarities, gradient)


_op.register_autograd(lambda ctx, grad_loss, *_: (*_gradients(ctx, grad_loss), *(None,) * 10), setup_context=_keep)


class _Eager(torch.autograd.Function):
    """`_op` without the dispatcher."""

    @staticmethod
    def forward(ctx: Any, embeddings: Tensor, total: Tensor | None, rest: tuple[Any, ...]) -> Any:
        loss, similarities, gradient = _compute(embeddings, total, *rest)
        ctx.save_for_backward(gradient)
        ctx.dtype = embeddings.dtype
        ctx.mark_non_differentiable(similarities)
        ctx.set_materialize_grads(False)  # no zeros for the similarities
        return loss, similarities

    @staticmethod
    def backward(ctx: Any, grad_loss: Tensor, _: None) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        # only with create_graph=True; torch's once_differentiable would take as long as all else here
        if torch.is_grad_enabled():
            raise UserError(
                "cosine loss: the compiled backends have no second derivative; call ops.cosine_loss.reference for one"
            )
        embeddings, total = _gradients(ctx, grad_loss)
        return embeddings, total, None
