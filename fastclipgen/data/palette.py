"""The named colours of the shapes world, their synonyms and the name of a measured colour. Knows nothing of scenes."""

from __future__ import annotations

import numpy as np

RGB: dict[str, tuple[int, int, int]] = {
    "red": (220, 30, 30),
    "green": (30, 150, 50),
    "blue": (30, 70, 220),
    "yellow": (250, 220, 30),
    "orange": (250, 130, 20),
    "purple": (130, 40, 170),
    "pink": (250, 150, 190),
    "brown": (120, 70, 30),
    "black": (15, 15, 15),
    "white": (245, 245, 245),
    "gray": (130, 130, 130),
    "cyan": (40, 210, 220),
}
COLOURS: tuple[str, ...] = tuple(RGB)
SYNONYMS: dict[str, tuple[str, ...]] = {
    "gray": ("gray", "grey"),
    "purple": ("purple", "purple", "violet"),
    "cyan": ("cyan", "cyan", "turquoise"),
}
TABLE = np.array([RGB[name] for name in COLOURS], dtype=np.float32) / 255  # [12, 3] in 0..1


def synonyms(name: str) -> tuple[str, ...]:
    """The words a caption may use for the colour `name`."""
    return SYNONYMS.get(name, (name,))


def to_lab(rgb: np.ndarray) -> np.ndarray:
    """sRGB in 0..1, [..., 3] -> CIE L*a*b* (D65), [..., 3] float64: distances there are close to seen differences."""
    rgb = np.asarray(rgb, dtype=np.float64)
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    xyz = linear @ to_xyz.T / np.array([0.95047, 1.0, 1.08883])
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.stack([116 * f[..., 1] - 16, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])], axis=-1)


def nearest_colour(rgb: np.ndarray) -> np.ndarray:
    """Index into COLOURS of the closest named colour (in L*a*b*); rgb [..., 3] in 0..1 -> int64 [...]."""
    distance = np.linalg.norm(to_lab(rgb)[..., None, :] - to_lab(TABLE), axis=-1)
    return distance.argmin(-1)
