"""Pictures and folders of them, made by Pillow."""

from pathlib import Path

import numpy as np
from PIL import Image

COLOURS = {"blue": (0, 0, 255), "green": (0, 255, 0), "red": (255, 0, 0)}


def paint(path, colour=(255, 0, 0), size=(12, 9), **options) -> Path:
    """Saves a picture of one colour, width and height in pixels, in the name's format."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path, **options)
    return path


def noise(size, seed=0) -> np.ndarray:
    """A uint8 image of any levels, height and width in pixels."""
    return np.random.default_rng(seed).integers(0, 256, (*size, 3)).astype("uint8")


def gallery(root, counts: dict[str, int], suffix=".png") -> Path:
    """A folder with so many pictures of each colour, no two of them of the same bytes."""
    for name, count in counts.items():
        for i in range(count):
            level = tuple(max(channel - i, 0) for channel in COLOURS[name])
            paint(Path(root) / name / f"{i:03}{suffix}", level, (10 + i % 3, 9))
    return Path(root)
