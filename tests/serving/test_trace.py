"""How a run went, beside its pictures."""

from __future__ import annotations

import io
import logging
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fastclipgen.serving.trace import Trace

PIXELS = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)


def test_what_is_kept_is_there_again(tmp_path: Path) -> None:
    Trace(tmp_path).keep_starts([(3, PIXELS), (4, PIXELS + 1)])
    Trace(tmp_path).keep_figures([{"step": 1, "loss": 0.5}])
    there = Trace(tmp_path)
    assert there.figures() == [{"step": 1, "loss": 0.5}]
    assert there.start(3) is not None
    assert np.asarray(Image.open(io.BytesIO(there.start(4) or b""))).tolist() == (PIXELS + 1).tolist()
    assert there.start(5) is None


def test_nothing_was_kept(tmp_path: Path) -> None:
    Trace(tmp_path).keep_figures([])
    assert list(tmp_path.iterdir()) == []
    assert (Trace(tmp_path).figures(), Trace(tmp_path).start(0)) == ([], None)


def test_figures_that_a_disk_has_lost(tmp_path: Path) -> None:
    Trace(tmp_path).keep_figures([{"step": 1}])
    [file] = (tmp_path / "trace").iterdir()
    file.write_bytes(b"\0\0")
    assert Trace(tmp_path).figures() == []


def test_a_disk_that_takes_nothing_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "trace").write_bytes(b"a file where the folder should be")
    with caplog.at_level(logging.WARNING):
        Trace(tmp_path).keep_starts([(0, PIXELS)])
        Trace(tmp_path).keep_figures([{"step": 1}])
    told = [record.message for record in caplog.records]
    assert len(told) == 2
    assert all(line.startswith("how a run went is not kept: cannot write") for line in told)
