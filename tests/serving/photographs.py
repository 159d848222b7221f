"""A folder of photographs as people have them: any size, mode and format, some broken."""

from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_sample_images

SUFFIXES = (".jpg", ".JPEG", ".png", ".webp", ".bmp", ".gif")
ORIENTATION = 0x0112  # the EXIF tag


def photographs(root: Path, count: int) -> tuple[list[Path], list[Path]]:
    """Writes pieces of scikit-learn's two photographs, a temple and a flower.

    Args:
        root: The folder, with a folder for each of the two.
        count: How many of each; one of every hundred is broken.

    Returns:
        The images, and the files that are none.
    """
    rng, good, broken = np.random.default_rng(0), [], []
    for name, photograph in zip(
        ("temple", "flower"), load_sample_images().images, strict=True
    ):
        (root / name).mkdir(parents=True)
        for number in range(count):
            suffix = SUFFIXES[number % len(SUFFIXES)]
            path = root / name / f"IMG {number:04}{suffix}"
            _save(_piece(photograph, rng), path, number)
            if number % 100 == 50:
                path.write_bytes(path.read_bytes()[: number % 7 * 9])
                broken.append(path)
            else:
                good.append(path)
    return good, broken


def _piece(photograph, rng) -> Image.Image:
    """A random part of a photograph, 60 to 300 pixels wide and high."""
    height, width = rng.integers(60, 300, 2)
    top = rng.integers(0, photograph.shape[0] - height)
    left = rng.integers(0, photograph.shape[1] - width)
    return Image.fromarray(photograph[top : top + height, left : left + width])


def _save(image: Image.Image, path: Path, number: int) -> None:
    """Saves it in the format of the name, in one of the modes that the format has."""
    suffix, options = path.suffix.lower(), {}
    if suffix in (".jpg", ".jpeg"):
        image = image.convert(("RGB", "L", "CMYK")[number // 6 % 3])
        options["exif"] = Image.Exif()
        options["exif"][ORIENTATION] = 1 + number % 8
    elif suffix == ".png":
        mode = ("RGB", "RGBA", "L", "P", "I;16")[number // 6 % 5]
        if mode == "I;16":
            grey = np.asarray(image.convert("L"), "uint16") * 257
            image = Image.fromarray(grey)
        else:
            image = image.convert(mode)
        if mode == "RGBA":
            image.putalpha(200)
    image.save(path, **options)
