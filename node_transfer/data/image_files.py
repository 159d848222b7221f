"""Reads a picture as it is meant to be seen: upright, in colour, eight bits a channel."""

import contextlib
import errno
import io
import os
import stat
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image

from node_transfer.errors import UserError, first_line

EXTENSIONS = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".dib", ".gif")
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF")  # what a file may be, by its content
KINDS = "JPEG, PNG, WebP, BMP or GIF"

_GREATEST_16_BIT_LEVEL = 65535
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class UnreadableImageError(UserError):
    """A file is no picture that can be read.

    Attributes:
        path: The file, as it was asked for.
        reason: What is wrong, in a few words.
    """

    def __init__(self, path, reason: str):
        self.path = os.fspath(path)
        self.reason = reason
        super().__init__(
            f"The image {self.path!r} cannot be read ({reason}): mend it, or leave it "
            "out."
        )


def read_image(path) -> np.ndarray:
    """Reads a picture: JPEG, PNG, WebP, BMP, or the first frame of a GIF.

    The content counts and not the name. EXIF's orientation is obeyed, what is transparent
    is white, grey becomes colour, and 16 bits become 8.

    Args:
        path: The file.

    Returns:
        uint8, shape `(height, width, 3)`.

    Raises:
        UnreadableImageError: It cannot be read, or has more than twice
            `PIL.Image.MAX_IMAGE_PIXELS` pixels.
    """
    try:
        _refuse_streams(path)
        with Image.open(path, formats=FORMATS) as image:
            return _pixels(image)
    except Exception as error:  # Pillow raises many kinds here
        raise UnreadableImageError(path, _reason(error, path)) from error


def check_image(path) -> bytes:
    """Reads a file as `read_image` would, but a JPEG at an eighth of its size.

    Returns:
        The file's bytes.

    Raises:
        UnreadableImageError: It cannot be read.
    """
    try:
        _refuse_streams(path)
        content = Path(path).read_bytes()
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            image.draft(image.mode, (1, 1))
            image.load()
        return content
    except Exception as error:  # Pillow raises many kinds here
        raise UnreadableImageError(path, _reason(error, path)) from error


def _refuse_streams(path) -> None:
    """Raises `OSError` for what may have no end: a pipe, a device, a socket."""
    mode = os.stat(path).st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):  # opening a folder says so itself
        told = "it is a pipe, a device or a socket, and no file"
        raise OSError(errno.EINVAL, told)


def _pixels(image: Image.Image) -> np.ndarray:
    image.load()
    orientation = None
    with contextlib.suppress(Exception):  # EXIF that is damaged: the picture is not
        orientation = image.getexif().get(ExifTags.Base.Orientation)
    if orientation in _UPRIGHT:
        image = image.transpose(_UPRIGHT[orientation])
    if image.mode.startswith("I"):  # grey, of 16 bits
        levels = np.asarray(image).astype(np.float64) * (255 / _GREATEST_16_BIT_LEVEL)
        grey = np.clip(np.round(levels), 0, 255).astype(np.uint8)
        return np.repeat(grey[..., np.newaxis], 3, axis=-1)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    return np.array(image.convert("RGB"))


def _reason(error: Exception, path) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    with contextlib.suppress(OSError, ValueError):
        if os.path.getsize(path) == 0:
            return "it is empty"
    if isinstance(error, Image.UnidentifiedImageError):
        return f"it is no {KINDS}"
    return first_line(error).rstrip(".")
