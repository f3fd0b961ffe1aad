from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from bench import guard, ops
from bench.ceiling import Copy, MatrixProduct
from bench.cli import main
from bench.op_case import REFERENCE, OpCase, OpRun, Ready, Work
from bench.schema import READER, OpsReport
from fastclipgen.errors import UserError
from fastclipgen.ops import library

CPU = torch.device("cpu")
QUICK = ["--device", "cpu", "--small", "--repeats", "2", "--block-seconds", "0.001"]
CASES = [case for module in ops.modules().values() for case in module.cases(1, CPU, True)]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.op} {case.name}")
def test_every_backend_of_a_case_computes_the_same(case: OpCase) -> None:
    ready = case.make()
    backends = [name for name, reason in library.available(case.op, CPU).items() if reason is None]
    assert REFERENCE in backends
    wanted = ready.run(REFERENCE, *ready.leaves)
    assert case.forward.bytes >= wanted.numel() * wanted.element_size()
    assert case.forward.flops > wanted.numel()
    assert (case.backward is None) == (not ready.leaves)
    for name in [] if case.only_reference else backends:
        torch.testing.assert_close(ready.run(name, *ready.leaves), wanted, rtol=1e-4, atol=1e-4)
    for call in [ready.whole] + ([ready.yardstick[1]] if ready.yardstick else []):
        assert call is None or call(*ready.leaves).shape == wanted.shape


def test_every_op_has_a_module_of_its_own() -> None:
    assert set(ops.modules()) == set(library.OPS)


def test_a_run_takes_the_gradient_if_asked() -> None:
    calls: list[bool] = []
    leaf = torch.ones(3, requires_grad=True)

    class Watched(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            return x * 2

        @staticmethod
        def backward(ctx: Any, *grads: Tensor) -> Tensor:
            calls.append(True)
            return grads[0] * 2

    def call(x: Tensor) -> Tensor:
        out = Watched.apply(x)
        assert isinstance(out, Tensor)
        calls.append(out.requires_grad)
        return out

    OpRun(call, (leaf,)).advance(2)
    assert calls == [False, False]
    OpRun(call, (leaf,), backward=True).advance(1)
    assert calls == [False, False, True, True]
    assert leaf.grad is None


def test_ceilings_count_what_they_move_and_compute() -> None:
    copy, product = Copy(CPU), MatrixProduct(CPU, torch.float32)
    for one in (copy, product):
        one.advance(1)
    assert torch.equal(copy.source, copy.target)
    assert copy.work.bytes == 2 * copy.source.numel()
    side = len(product.left)
    assert product.work.flops == 2 * side**3
    torch.testing.assert_close(product.out, product.left @ product.right)


def test_writes_a_report_and_prints_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.guard.check", lambda *which: "all green")
    options = [*QUICK, "--op", "philox", "--no-compile", "--batches", "2", "--results", str(tmp_path)]
    assert main("ops", ops.run, options) == 0
    (file,) = tmp_path.rglob("*.json")
    report = READER.validate_json(file.read_text(encoding="utf-8"))
    assert isinstance(report, OpsReport)
    assert {lane.backend for lane in report.lanes} >= {"reference", "torch.rand"}
    assert {lane.batch for lane in report.lanes} == {2}
    assert report.tests == "all green"
    assert [lane.backend for lane in report.lanes if lane.chosen] == [library.choose("philox", CPU)] * 2
    assert any("--no-compile" in one.reason for one in report.missing)
    noise = [lane for lane in report.lanes if "noise" in lane.case]
    assert all(lane.peak_bytes >= 2 * 4 * 4 * 3 * 32**2 for lane in noise)  # the uniforms themselves
    printed = capsys.readouterr().out
    assert "torch.rand" in printed
    assert " us" not in printed  # no seconds on a CPU


def test_the_reference_is_compiled_with_its_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    def make() -> Ready:
        leaf = torch.ones(2, 3, requires_grad=True)
        return Ready(lambda backend, x: x.sin() * 3, (leaf,))

    case = OpCase("philox", "toy", 1, make, Work(24, 6), Work(24, 6), only_reference="a toy")
    module = argparse.Namespace(OP="philox", cases=lambda batch, device, small: [case])
    monkeypatch.setattr(ops, "modules", lambda: {"philox": module})
    args = argparse.Namespace(
        device="cpu", op=None, batches=None, small=True, no_compile=False, minutes=None, repeats=2, block_seconds=0.001,
        results=None, commit=None, unchecked=True,
    )  # fmt: skip
    report = ops.measure(args)
    lanes = [(lane.backend, lane.direction, lane.chosen) for lane in report.lanes]
    assert lanes == [
        ("reference", "forward", True),
        ("compiled reference", "forward", False),
        ("reference", "forward+backward", True),
        ("compiled reference", "forward+backward", False),
    ]
    assert [lane.bytes for lane in report.lanes] == [24, 24, 48, 48]
    assert {one.reason for one in report.missing} == {"a toy"}


def test_time_that_is_over_leaves_cases_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def make() -> Ready:
        return Ready(lambda backend: torch.ones(1))

    cases = [
        OpCase("philox", name, 1, make, Work(1, 1), only_reference="a toy") for name in ("first", "second", "last")
    ]
    # at the beginning, and before each case whether it may begin, and if so whether it may compile
    seconds = iter([0.0, 20.0, 20.0, 40.0, 40.0, 61.0])
    monkeypatch.setattr(ops, "time", argparse.Namespace(monotonic=lambda: next(seconds)))
    monkeypatch.setattr(ops, "modules", lambda: {"philox": argparse.Namespace(cases=lambda *a: cases)})
    args = argparse.Namespace(
        device="cpu", op=None, batches=[1], small=True, no_compile=False, minutes=1.0, repeats=1,
        block_seconds=0.001, results=None, commit=None, unchecked=True,
    )  # fmt: skip
    report = ops.measure(args)
    assert [(lane.case, lane.backend) for lane in report.lanes] == [
        ("first", "reference"),
        ("first", "compiled reference"),
        ("second", "reference"),
    ]
    reasons = {one.what: one.reason for one in report.missing}
    assert reasons["philox second, batch 1, compiled reference"] == "no time for it (--minutes)"
    assert reasons["philox last, batch 1"] == "the 1 minutes given were over"
    seconds = iter([0.0, 61.0, 61.0, 61.0])
    with pytest.raises(UserError, match="give --minutes more"):
        ops.measure(args)


def test_what_fails_is_listed_and_does_not_end_the_bench(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(backend: str) -> Tensor:
        if backend != REFERENCE:
            raise RuntimeError("broken kernel\nwith a long story")
        return torch.ones(4)

    case = OpCase("philox", "toy", 1, lambda: Ready(run), Work(1, 1))
    monkeypatch.setattr(ops, "modules", lambda: {"philox": argparse.Namespace(cases=lambda *a: [case])})
    args = argparse.Namespace(
        device="cpu", op=None, batches=[1], small=True, no_compile=True, minutes=None, repeats=1, block_seconds=0.001,
        results=None, commit=None, unchecked=True,
    )  # fmt: skip
    report = ops.measure(args)
    assert [lane.backend for lane in report.lanes] == ["reference"]
    if library.native() is not None:
        assert "philox toy, batch 1, cpp, forward" in [one.what for one in report.missing]
        assert "RuntimeError: broken kernel" in [one.reason for one in report.missing]


def test_red_tests_end_with_1_and_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def check(*which: object) -> str:
        raise guard.RedTests("no figures, because ... fail (tests/ops/test_philox.py::test_x)")

    monkeypatch.setattr("bench.guard.check", check)
    assert main("ops", ops.run, [*QUICK, "--op", "philox"]) == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err == "bench: no figures, because ... fail (tests/ops/test_philox.py::test_x)\n"


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--op", "phlox"], "did you mean 'philox'"),
        (["--repeats", "0"], "1 or more"),
        (["--block-seconds", "0"], "expected a number above 0"),
        (["--devise", "cpu"], "did you mean '--device'"),
        (["--unchecked", "--results", "x"], "--unchecked prints figures"),
    ],
)
def test_mistakes_are_one_sentence(options: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main("ops", ops.run, [*QUICK, *options]) == 2
    assert sentence in capsys.readouterr().err
