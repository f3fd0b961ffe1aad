"""The layout of docs/architecture.md: which part may import which, and that torch is loaded only when it is needed."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "fastclipgen"

# The table of docs/architecture.md. Everyone may import `errors`; nobody but `cli` may import `cli`.
MAY_IMPORT: dict[str, set[str]] = {
    "errors": set(),
    "caches": set(),
    "stop": set(),
    "ops": {"_C", "kernels"},
    "data": {"ops", "outputs"},
    "models": {"ops"},
    "weights": {"caches"},
    "perceptors": {"assets", "models", "weights"},
    "generators": {"assets", "ops", "models", "weights"},
    "recipes": {"ops"},
    "guidance": {"ops", "recipes"},
    "engine": {"caches", "ops", "generators", "perceptors", "guidance"},
    "sampling": {"ops", "models", "guidance", "engine"},
    "outputs": set(),
    "assets": set(),
    "kernels": set(),
    "doctor": {"ops"},
}
BELOW_API = {
    "assets", "ops", "data", "models", "weights", "perceptors", "generators", "guidance", "recipes", "engine",
    "sampling", "outputs",
}  # fmt: skip
MAY_IMPORT["training"] = BELOW_API | {"stop"}
MAY_IMPORT["config"] = BELOW_API
MAY_IMPORT["result"] = {"engine", "guidance", "outputs"}
MAY_IMPORT["clip_gen"] = BELOW_API | {"config", "result"}
MAY_IMPORT["api"] = BELOW_API | {"config", "result", "clip_gen"}
MAY_IMPORT["film"] = BELOW_API | {"config", "result", "api"}
MAY_IMPORT["experiments"] = BELOW_API | {"config", "result", "clip_gen", "api"}
MAY_IMPORT["serving"] = BELOW_API | {"config", "result", "clip_gen", "api", "experiments", "jobs"}
MAY_IMPORT["evaluation"] = BELOW_API | {"caches", "config", "clip_gen", "api"}
MAY_IMPORT["comparison"] = BELOW_API | {"config", "result", "clip_gen", "api", "evaluation"}
MAY_IMPORT["jobs"] = BELOW_API | {"config", "result", "clip_gen", "api", "experiments"}
MAY_IMPORT["__init__"] = {"api", "engine", "film", "generators", "perceptors"}
MAY_IMPORT["cli"] = BELOW_API | {
    "config", "result", "clip_gen", "api", "experiments", "film", "jobs", "comparison", "serving", "evaluation",
    "training", "doctor", "stop",
}  # fmt: skip
MAY_IMPORT["__main__"] = {"cli"}


def part_of(path: Path) -> str:
    inside = path.relative_to(PACKAGE)
    return inside.parts[0] if len(inside.parts) > 1 else inside.stem


def imported_parts(path: Path) -> set[str]:
    """First names below `fastclipgen` that a file imports anywhere in it, lazily too."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are written out in full"
            module = node.module or ""
            if module == "fastclipgen":
                found |= {alias.name for alias in node.names}
            elif module.startswith("fastclipgen."):
                found.add(module.split(".")[1])
        elif isinstance(node, ast.Import):
            names = [alias.name.split(".") for alias in node.names]
            found |= {name[1] for name in names if name[0] == "fastclipgen" and len(name) > 1}
    return found - {"__version__"}


FILES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_one_way(path: Path) -> None:
    part = part_of(path)
    assert part in MAY_IMPORT, f"{part} is not in the table of docs/architecture.md"
    assert imported_parts(path) - {part, "errors"} <= MAY_IMPORT[part]


def test_the_checker_sees_lazy_and_plain_imports(tmp_path: Path) -> None:
    lazy = "def f():\n    from fastclipgen.cli import main\n    from fastclipgen import api\n"
    (tmp_path / "x.py").write_text("import fastclipgen.ops.philox\n" + lazy)
    assert imported_parts(tmp_path / "x.py") == {"ops", "cli", "api"}


def test_documented_folders_exist() -> None:
    rows = re.findall(r"^\| (`.+?`) \|", (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8"), re.MULTILINE)
    documented = {name.removesuffix(".py").strip("/") for row in rows for name in re.findall(r"`([\w/.]+)`", row)}
    assert {"ops", "engine", "cli", "errors"} <= documented
    assert documented <= set(MAY_IMPORT)
    missing = [name for name in documented if not (PACKAGE / name).is_dir() and not (PACKAGE / f"{name}.py").is_file()]
    assert not missing


def test_every_folder_of_modules_is_a_package() -> None:
    """setup.py packages only folders with an __init__.py; one without is lost in a wheel."""
    folders = {path.parent for path in FILES}
    assert PACKAGE in folders
    assert not [str(folder) for folder in folders if not (folder / "__init__.py").is_file()]


def test_no_file_is_over_400_lines() -> None:
    sources = [
        *FILES,
        *(ROOT / "kernels").rglob("*.py"),
        *(ROOT / "bench").rglob("*.py"),
        *(ROOT / "csrc").rglob("*.*"),
        *(ROOT / "tests").rglob("*.py"),
    ]
    assert not [str(path) for path in sources if len(path.read_bytes().splitlines()) > 400]


@pytest.mark.parametrize("module", ["fastclipgen", "fastclipgen.errors", "fastclipgen.config", "fastclipgen.cli"])
def test_torch_is_not_loaded_by_importing(module: str) -> None:
    code = f"import sys, {module}; print(sorted({{'torch', 'open_clip', 'triton'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr
