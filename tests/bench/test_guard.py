from __future__ import annotations

from pathlib import Path

import pytest

from bench import guard
from bench.machine import checkout
from fastclipgen.errors import UserError
from fastclipgen.ops import library


def test_every_op_has_tests_that_are_found() -> None:
    root = checkout()
    assert root is not None
    for op in library.OPS:
        assert guard.files_of(root, [op]), op
    assert guard.files_of(root, ["philox"])[:1] == ["tests/kernels/test_philox.py"]
    found = guard.files_of(root, ["cutouts"])
    assert {"tests/ops/test_cutouts.py", "tests/ops/test_cutout_params.py", "tests/ops/test_colour.py"} <= set(found)
    assert not any("philox" in name for name in found)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A checkout whose op `good` has green tests and whose op `bad` has red ones."""
    folder = tmp_path / "tests" / "ops"
    folder.mkdir(parents=True)
    slow = "import pytest\n@pytest.mark.slow\ndef test_of_another_device():\n    assert 0\n"
    (folder / "test_good.py").write_text(f"def test_a():\n    pass\n\n{slow}", encoding="utf-8")
    (folder / "test_bad_native.py").write_text("def test_b():\n    assert 1 == 2\n", encoding="utf-8")
    return tmp_path


def test_green_tests_let_pass_and_red_ones_do_not(tree: Path) -> None:
    assert guard.check(["good"], root=tree) == "1 files: 1 passed, 1 deselected, 1 warning"
    with pytest.raises(guard.RedTests, match=r"no figures, .*tests/ops/test_bad_native.py::test_b"):
        guard.check(["good", "bad"], root=tree)
    with pytest.raises(guard.RedTests, match="test_bad_native"):
        guard.check(["good"], ["tests/ops/test_bad_native.py"], root=tree)


def test_without_tests_there_is_a_sentence(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="found no tests of other"):
        guard.check(["other"], root=tree)
    monkeypatch.setattr("bench.guard.checkout", lambda: None)
    with pytest.raises(UserError, match=r"not part of an installed package.*--unchecked"):
        guard.check(["good"])
