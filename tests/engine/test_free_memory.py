"""Free memory of the CPU: the kernel's word, control groups of both versions, and no Linux."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from fastclipgen.engine.free_memory import available_bytes, container_bytes, free_bytes


def group(folder: Path, limit: str, used: int, version: int = 2, cache: int = 0) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    names = ("memory.max", "memory.current") if version == 2 else ("memory.limit_in_bytes", "memory.usage_in_bytes")
    (folder / names[0]).write_text(f"{limit}\n")
    (folder / names[1]).write_text(f"{used}\n")
    (folder / "memory.stat").write_text(f"anon 5\n{'total_' if version == 1 else ''}inactive_file {cache}\n")


def test_meminfo(tmp_path: Path) -> None:
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal:   100 kB\nMemAvailable:   40 kB\n")
    assert available_bytes(meminfo) == 40 * 1024


def test_without_meminfo_the_physical_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pages = {"SC_PHYS_PAGES": 10, "SC_PAGE_SIZE": 4096}
    monkeypatch.setattr("os.sysconf", pages.__getitem__, raising=False)
    assert available_bytes(tmp_path / "none") == 40960
    monkeypatch.delattr("os.sysconf")
    assert available_bytes(tmp_path / "none") is None


def test_the_tightest_group_counts_and_droppable_pages_do_not(tmp_path: Path) -> None:
    membership = tmp_path / "cgroup"
    membership.write_text("0::/outer/inner\n")
    group(tmp_path / "outer", "1000", 300, cache=100)
    group(tmp_path / "outer/inner", "max", 200)
    assert container_bytes(tmp_path, membership) == 800
    group(tmp_path / "outer/inner", "500", 450)
    assert container_bytes(tmp_path, membership) == 50
    group(tmp_path / "outer/inner", "500", 900)
    assert container_bytes(tmp_path, membership) == 0


def test_inside_a_container_the_root_group_is_its_own(tmp_path: Path) -> None:
    membership = tmp_path / "cgroup"
    membership.write_text("0::/a/path/of/the/host\n")
    group(tmp_path, "1000", 400)
    assert container_bytes(tmp_path, membership) == 600


def test_version_1(tmp_path: Path) -> None:
    membership = tmp_path / "cgroup"
    membership.write_text("9:cpu:/x\n4:memory:/x\n")
    group(tmp_path / "memory/x", "1000", 400, version=1, cache=50)
    group(tmp_path / "cpu/x", "10", 0, version=1)
    assert container_bytes(tmp_path, membership) == 650


def test_no_limit_and_no_linux(tmp_path: Path) -> None:
    membership = tmp_path / "cgroup"
    assert container_bytes(tmp_path, membership) is None
    membership.write_text("0::/\n")
    assert container_bytes(tmp_path, membership) is None


def test_this_machine_has_some() -> None:
    free = free_bytes(torch.device("cpu"))
    assert free is None or 2**20 < free < 2**50
    assert free_bytes(torch.device("meta")) is None


@pytest.mark.gpu
def test_cuda_counts_cached_blocks_as_free() -> None:
    device = torch.device("cuda", torch.cuda.current_device())
    before = free_bytes(device)
    block = torch.empty(2**28, dtype=torch.uint8, device=device)
    held = free_bytes(device)
    del block
    after = free_bytes(device)
    assert before is not None
    assert held is not None
    assert after is not None
    assert after - held >= 2**28 - 2**21
