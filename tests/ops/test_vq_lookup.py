from __future__ import annotations

import pytest
import torch
from torch import Tensor

from fastclipgen.errors import UserError
from fastclipgen.ops.vq_lookup import vq_lookup, vq_quantize, vq_statistics, vq_topk


def normal(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).to(dtype)


def nearest(z: Tensor, codebook: Tensor) -> Tensor:
    return (z.double()[..., None, :] - codebook.double()).square().sum(-1).argmin(-1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16, torch.float64])
@pytest.mark.parametrize("shape", [(6,), (7, 6), (2, 3, 4, 6), (0, 6)])
def test_codes_are_the_nearest_rows(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    z, codebook = normal(*shape, dtype=dtype), normal(20, 6, seed=1, dtype=dtype)
    codes, indices = vq_lookup(z, codebook)
    assert torch.equal(indices, nearest(z, codebook))
    assert codes.dtype == dtype
    assert torch.equal(codes, codebook[indices])


def test_a_picture_of_features_needs_no_copy_of_its_own() -> None:
    """As in VQGAN+CLIP loops: z [B, D, h, w]."""
    z, codebook = normal(2, 5, 3, 4), normal(30, 5, seed=1)
    codes, indices = vq_lookup(z.movedim(1, -1), codebook)
    assert indices.shape == (2, 3, 4)
    assert torch.equal(codes.movedim(-1, 1), codebook[indices].movedim(-1, 1))


def test_gradient_goes_straight_to_z_and_by_code_to_the_codebook() -> None:
    z, codebook = normal(9, 4).requires_grad_(), normal(5, 4, seed=1).requires_grad_()
    codes, indices = vq_lookup(z, codebook)
    grad = normal(9, 4, seed=2)
    to_z, to_codebook = torch.autograd.grad(codes, (z, codebook), grad)
    assert torch.equal(to_z, grad)
    want = torch.zeros(5, 4, dtype=torch.float64).index_add(0, indices, grad.double()).float()
    assert torch.equal(to_codebook, want)
    (only,) = torch.autograd.grad(vq_lookup(z, codebook.detach())[0], z, grad)
    assert torch.equal(only, grad)


def test_gradient_of_the_codebook_in_float64() -> None:
    z, codebook = normal(6, 3, dtype=torch.float64), normal(4, 3, seed=1, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda e: vq_lookup(z, e)[0], codebook)
    indices = torch.tensor([0, 3, 3, 1, -1, 4])
    assert torch.autograd.gradcheck(lambda x: vq_statistics(x, indices, 4)[1], z.requires_grad_())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_quantize_is_the_bottleneck_of_a_vqgan(dtype: torch.dtype) -> None:
    """Against the two-term loss and the straight-through sum as they are written in papers."""
    z = normal(2, 3, 8, dtype=dtype).requires_grad_()
    codebook = normal(16, 8, seed=1, dtype=dtype).requires_grad_()
    codes, indices, loss = vq_quantize(z, codebook, commitment=0.5)
    wide = torch.float64 if dtype == torch.float64 else torch.float32
    picked = codebook[indices].to(wide)
    want = (picked - z.detach().to(wide)).square().mean() + 0.5 * (z.to(wide) - picked.detach()).square().mean()
    assert torch.equal(codes, codebook[indices])
    assert loss.dtype == wide
    assert torch.allclose(loss, want)
    down = normal(2, 3, 8, seed=2, dtype=dtype)
    got = torch.autograd.grad([codes, loss], (z, codebook), [down, torch.ones_like(loss)])
    plain = z + (codebook[indices] - z).detach()
    expected = torch.autograd.grad([plain, want], (z, codebook), [down, torch.ones_like(want)])
    for one, other in zip(got, expected, strict=True):
        assert torch.allclose(one, other, rtol=2e-2 if dtype == torch.bfloat16 else 1e-5)
    assert (expected[1] != 0).any()


def test_training_moves_the_codes_to_the_means() -> None:
    z = normal(300, 2) * 0.1 + torch.tensor([[3.0, 0.0], [-3.0, 1.0], [0.0, -4.0]]).repeat(100, 1)
    codebook = normal(3, 2, seed=5).requires_grad_()
    for _ in range(60):
        (grad,) = torch.autograd.grad(vq_quantize(z, codebook).loss, codebook)
        counts, _ = vq_statistics(z, vq_lookup(z, codebook.detach())[1], 3)
        with torch.no_grad():  # Newton's step: the gradient is that of a mean over all elements
            codebook -= grad * (z.numel() / (2 * counts.clamp(min=1)))[:, None]
    assert torch.allclose(codebook.detach().sort(0).values, z.view(100, 3, 2).mean(0).sort(0).values, atol=1e-4)


def test_neighbours_come_in_order() -> None:
    z, codebook = normal(4, 5, 7), normal(40, 7, seed=1)
    distances, indices = vq_topk(z, codebook, 16)
    want = (z.double()[..., None, :] - codebook.double()).square().sum(-1).sort(-1)
    assert torch.equal(indices, want.indices[..., :16])
    assert distances.dtype == torch.float32
    assert torch.allclose(distances.double(), want.values[..., :16], rtol=1e-7)
    assert vq_topk(z.double(), codebook.double(), 2)[0].dtype == torch.float64
    assert not vq_topk(z.requires_grad_(), codebook, 1)[0].requires_grad


def test_vectors_without_finite_distances_get_the_lowest_indices() -> None:
    z, codebook = normal(3, 4), normal(6, 4, seed=1)
    z[1, 2] = torch.nan
    codebook[2] = torch.inf
    codes, indices = vq_lookup(z, codebook)
    assert indices[1] == 0
    assert codes.isfinite().all()
    distances, indices = vq_topk(z, codebook, 6)
    assert indices[1].tolist() == [0, 1, 2, 3, 4, 5]
    assert distances[1].isinf().all()
    assert indices[0, 5] == 2
    assert distances[0].isinf().tolist() == [False] * 5 + [True]


def test_statistics_make_moving_averages() -> None:
    z, indices = normal(2, 5, 3), torch.tensor([[0, 2, 2, 0, 2], [7, 2, -1, 2, 0]])
    counts, sums = vq_statistics(z, indices, 4)
    assert counts.tolist() == [3, 0, 5, 0]
    rows = z.reshape(-1, 3)[indices.flatten() == 2].double()
    assert torch.equal(sums[2], rows.sum(0).float())
    assert torch.equal(sums[1], torch.zeros(3))
    assert torch.equal(vq_statistics(z, indices.int(), 4)[1], sums)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_compiles_fullgraph_once(dtype: torch.dtype) -> None:
    torch.compiler.reset()

    def step(z: Tensor, codebook: Tensor) -> tuple[Tensor, ...]:
        codes, indices, loss = vq_quantize(z.movedim(1, -1), codebook)
        grads = torch.autograd.grad((codes.square().sum() + loss), (z, codebook))
        return codes.detach(), indices, loss.detach(), vq_topk(z.movedim(1, -1), codebook, 3)[1], *grads

    compiled = torch.compile(step, fullgraph=True, backend="aot_eager")
    with torch._dynamo.config.patch(error_on_recompile=True, trace_autograd_ops=True):
        for seed in range(3):
            z = normal(2, 8, 3, 3, seed=seed, dtype=dtype).requires_grad_()
            codebook = normal(50, 8, seed=9 + seed, dtype=dtype).requires_grad_()
            for got, want in zip(compiled(z, codebook), step(z, codebook), strict=True):
                assert torch.allclose(got, want)


def test_wrong_arguments_are_explained() -> None:
    z, codebook = normal(3, 4), normal(5, 4)
    with pytest.raises(UserError, match=r"the codebook must be \[K, D\] with K of 1 or more, got \[0, 4\]"):
        vq_lookup(z, codebook[:0])
    with pytest.raises(UserError, match=r"must be \[K, D\]"):
        vq_lookup(z, codebook[0])
    with pytest.raises(UserError, match=r"of one length .* pass z.movedim\(1, -1\)"):
        vq_lookup(normal(1, 4, 2, 2), codebook)
    with pytest.raises(UserError, match=r"of one dtype on one device, got torch\.bfloat16 on cpu and torch\.float32"):
        vq_lookup(z.bfloat16(), codebook)
    with pytest.raises(UserError, match=r"z must be of float32, bfloat16, float16, float64, got torch\.int64"):
        vq_lookup(z.long(), codebook)
    with pytest.raises(UserError, match=r"D of 1 or more, got \[3, 0\]"):
        vq_lookup(z[:, :0], codebook[:, :0])
    for k in (0, 6, 17):
        with pytest.raises(UserError, match=f"k must be from 1 to 16 and no more than the 5 codes, got {k}"):
            vq_topk(z, codebook, k)
    with pytest.raises(UserError, match=r"indices must be integers \[3\] on cpu.* got torch.float32 \[3\]"):
        vq_statistics(z, torch.zeros(3), 5)
    with pytest.raises(UserError, match="codes must be 1 or more"):
        vq_statistics(z, torch.zeros(3, dtype=torch.int64), 0)
