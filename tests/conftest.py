"""What all tests share: few threads, visible skips without a CUDA device, no silent skip in CI."""

from __future__ import annotations

import os

import pytest
import torch

from fastclipgen.ops import library

# Side by side, workers with several threads each would wait for each other's turns; the processes they start as well.
THREADS = 1 if "PYTEST_XDIST_WORKER" in os.environ else 2
torch.set_num_threads(THREADS)
os.environ.setdefault("OMP_NUM_THREADS", str(THREADS))


@pytest.fixture
def fresh_backends(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests that change which backends there are: no choice of before is remembered, and none is left behind."""
    monkeypatch.setattr(library, "_first_cached", library._first_cached.__wrapped__)


_ALLOWED_SKIPS = ("gpu:", "material:")
_silent_skips: list[str] = []


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if torch.cuda.is_available():
        return
    for item in items:
        if item.get_closest_marker("gpu"):
            item.add_marker(pytest.mark.skip(reason="gpu: no CUDA device"))


def _note_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    # an expected failure is reported as skipped too; it ran
    if not report.skipped or hasattr(report, "wasxfail"):
        return
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    if not reason.removeprefix("Skipped: ").startswith(_ALLOWED_SKIPS):
        _silent_skips.append(f"{report.nodeid}: {reason}")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    _note_skip(report)


def pytest_collectreport(report: pytest.CollectReport) -> None:
    _note_skip(report)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """With CI=true a test may be skipped only for want of a GPU ("gpu: ...") or of outside data ("material: ...")."""
    if os.environ.get("CI") == "true" and _silent_skips and exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if os.environ.get("CI") == "true" and _silent_skips:
        terminalreporter.section("skipped for a reason that is not allowed in continuous integration")
        for line in _silent_skips:
            terminalreporter.line(line, red=True)
