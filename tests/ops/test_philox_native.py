"""Every compiled Philox backend against the plain-torch reference: the same bits."""

from __future__ import annotations

import pytest
import torch

from fastclipgen.errors import UserError
from fastclipgen.ops import library, philox, philox_kernels

OP = "philox"
BACKENDS = [
    ("cpp", "cpu"),
    pytest.param("cuda", "cpu", marks=pytest.mark.slow, id="emulated"),
    pytest.param("cuda", "cuda", marks=pytest.mark.gpu),
    pytest.param("triton", "cuda", marks=pytest.mark.gpu),
]
SEEDS = {
    "one": torch.tensor([0]),
    "large": torch.tensor([1, 2**32, 2**32 + 1, 2**63 - 1, -1, -(2**63)]),
    "strided": torch.arange(2**33, 2**33 + 12)[::3],
    "none": torch.zeros(0, dtype=torch.int64),
}
STREAM = philox.Stream.NOISE

pytestmark = pytest.mark.usefixtures("fresh_backends")


def native():
    module = library.native()
    assert module is not None, library.native_reason()
    return module


@pytest.mark.parametrize(
    ("counter", "key", "words"),
    [
        ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            (0xA4093822, 0x299F31D0),
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ],
)
def test_known_answers_of_random123(counter, key, words) -> None:
    assert tuple(native().philox_block(counter, key)) == words


@pytest.mark.parametrize(("backend", "device"), BACKENDS)
@pytest.mark.parametrize("seeds", SEEDS.values(), ids=SEEDS.keys())
@pytest.mark.parametrize(("n", "cutouts"), [(0, 1), (1, 1), (3, 2), (4, 1), (7, 64), (1001, 5)])
def test_same_bits_as_the_reference(backend: str, device: str, seeds: torch.Tensor, n: int, cutouts: int) -> None:
    for step in (0, 5, 2**32 - 1, 2**32 + 5, torch.tensor(9)):
        want = philox.reference_words(seeds, step, STREAM, n, cutouts)
        on_device = seeds.to(device)
        words = philox_kernels.draw(on_device, step, STREAM, n, cutouts, torch.int64, backend)
        assert words.dtype == torch.int64
        assert torch.equal(words.cpu(), want)
        uniforms = philox_kernels.draw(on_device, step, STREAM, n, cutouts, torch.float32, backend)
        assert uniforms.dtype == torch.float32
        assert torch.equal(uniforms.cpu(), philox.to_uniform(want))


@pytest.mark.parametrize("threads", [1, 2, 3, 7])
def test_thread_count_changes_nothing(threads: int) -> None:
    """Large enough that the rows are split between threads, in the middle of a row too."""
    seeds, n, cutouts = torch.tensor([3, 2**40]), 30_001, 3
    out = torch.full((2, cutouts, n), -1)
    native().philox_words(seeds.data_ptr(), 2, 1, int(STREAM), cutouts, n, out.data_ptr(), threads)
    assert torch.equal(out, philox.reference_words(seeds, 1, STREAM, n, cutouts))


def test_public_draws_use_the_kernel_and_equal_the_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    seeds = SEEDS["large"]
    assert library.choose("philox", "cpu") == "cpp", library.native_reason()
    drawn = [draw(seeds, 4, STREAM, 9, 3) for draw in (philox.words, philox.uniforms, philox.normals)]
    monkeypatch.setattr(library, "choose", lambda *_: "reference")
    monkeypatch.setattr(philox_kernels, "draw", None)
    for draw, got in zip((philox.words, philox.uniforms, philox.normals), drawn, strict=True):
        assert torch.equal(got, draw(seeds, 4, STREAM, 9, 3))


@pytest.mark.parametrize(("backend", "device"), BACKENDS)
def test_torch_op_is_sound(backend: str, device: str) -> None:
    seeds, step = SEEDS["strided"].to(device), torch.tensor(2, device=device)
    for dtype in (torch.int64, torch.float32):
        arguments = (seeds, step, int(STREAM), 5, 2, dtype, backend)
        torch.library.opcheck(torch.ops.fastclipgen.philox.default, arguments)


@pytest.mark.gpu
def test_cuda_draws_stay_on_the_current_stream() -> None:
    """A captured draw sees the step that is in memory when it is replayed."""
    seeds, step = torch.tensor([1, 2], device="cuda"), torch.tensor(0, device="cuda")
    graph, stream = torch.cuda.CUDAGraph(), torch.cuda.Stream()
    with torch.cuda.graph(graph, stream=stream):
        drawn = philox.words(seeds, step, STREAM, 1000, 4)
    step.fill_(7)
    graph.replay()
    assert torch.equal(drawn.cpu(), philox.reference_words(seeds.cpu(), 7, STREAM, 1000, 4))


def test_backends_that_cannot_run_say_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(library._KERNELS, "cutouts", frozenset({"cuda"}))
    with pytest.raises(UserError, match="unknown backend for philox on cpu 'cp'; did you mean 'cpp'"):
        library.choose("philox", "cpu", "cp")
    with pytest.raises(UserError, match=r"backend 'cpp' cannot run cutouts on cpu: .* \(these can: reference\)"):
        library.choose("cutouts", "cpu", "cpp")
    with pytest.raises(UserError, match="unknown op 'philx'; did you mean 'philox'"):
        library.available("philx", "cpu")
    assert library.choose("philox", "cpu", "reference") == "reference"
    assert library.available("philox", "meta") == {"reference": None}


def test_without_the_native_module_the_reference_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "_native", None)
    reasons = library.available("philox", "cpu")
    assert reasons["reference"] is None
    assert "native module" in str(reasons["cpp"])
    with pytest.raises(UserError, match="native module"):
        library.choose("philox", "cpu", "cpp")


def test_using_a_backend_holds_for_the_ops_that_have_it_and_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    with library.using("reference", "cpu"):
        assert library.choose("philox", "cpu") == "reference"
        assert library.choose("philox", "cpu", "cpp") == "cpp"
    assert library.choose("philox", "cpu") == "cpp"
    monkeypatch.setitem(library._KERNELS, "cutouts", frozenset())
    with library.using("cpp", "cpu"):
        assert (library.choose("philox", "cpu"), library.choose("cutouts", "cpu")) == ("cpp", "reference")
    with pytest.raises(UserError, match="unknown backend for cpu 'cuda'"), library.using("cuda", "cpu"):
        pass
    monkeypatch.setattr(library, "_native", None)
    with pytest.raises(UserError, match=r"backend 'cpp' can run nothing on cpu: .*native module.*or auto"):
        library.using("cpp", "cpu").__enter__()
