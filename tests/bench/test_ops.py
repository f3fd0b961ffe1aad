"""The benches of ops: what they time is the op, and every backend computes the same."""

from __future__ import annotations

import pytest
import torch

from bench import ops_cosine
from bench.op_cases import OpCase, main, measure

CPU = torch.device("cpu")


@pytest.mark.parametrize("cases", [ops_cosine.cases], ids=["cosine"])
def test_every_backend_of_a_case_computes_the_same(cases) -> None:
    found = cases(CPU)
    assert len({case.name for case in found}) == len(found)
    for case in found:
        inputs = case.inputs()
        expected = case.runs["reference"](inputs)
        assert set(case.runs) == {"cpp", "reference"}
        assert isinstance(expected, torch.Tensor)
        assert expected.numel() > 0
        torch.testing.assert_close(case.runs["cpp"](inputs), expected, rtol=1e-4, atol=1e-6)
        assert case.bytes > 4 * expected.numel()
        assert case.flops > case.bytes / 16


def test_ratios_are_those_of_the_times(capsys: pytest.CaptureFixture[str]) -> None:
    def work(count: int) -> torch.Tensor:
        return torch.ones(count * 20_000).cumsum(0)

    case = OpCase("sum", lambda: 1, {"reference": lambda n: work(8 * n), "quick": work}, bytes=10, flops=20)
    found = measure(case, CPU, repeats=5, block_seconds=0.01)
    assert 2 < found.times["quick"].median < 32
    assert found.times.keys() == {"quick"}
    assert found.seconds.keys() == {"quick", "reference"}
    assert (
        main(lambda device: [case], "ops_sum", ["--device", "cpu", "--repeats", "3", "--block-seconds", "0.001"]) == 0
    )
    printed = capsys.readouterr().out
    assert "sum" in printed
    assert "quick" in printed
    assert "us" not in printed
