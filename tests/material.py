"""Where real photographs and models lie that some tests use and skip without: `shared/material` beside the checkout."""

from __future__ import annotations

from pathlib import Path

MATERIAL = next(
    (up / "shared" / "material" for up in Path(__file__).resolve().parents if (up / "shared" / "material").is_dir()),
    Path("shared", "material"),
)
