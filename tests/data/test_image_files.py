"""Pictures of every kind become what a person would see, and damage is told."""

import os
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageOps

from node_transfer.data.image_files import (
    UnreadableImageError,
    check_image,
    read_image,
)
from tests.data.pictures import noise, paint


def save(image, path, **options):
    image.save(path, **options)
    return path


def png_of_16_bits(path, levels):
    """A PNG of 16 bits a channel, which Pillow does not write; levels `(h, w, 3)`."""
    height, width, _ = levels.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in levels)

    def chunk(kind, content):
        body = kind + content
        return (
            struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))
        )

    header = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + parts + chunk(b"IEND", b""))
    return path


def palette(transparency=None):
    image = Image.new("P", (12, 9), 1)
    image.putpalette([9, 9, 9, 10, 20, 30])
    if transparency is not None:
        image.info["transparency"] = transparency
    return image


KINDS = {
    "grey.png": (Image.new("L", (12, 9), 100), (100, 100, 100)),
    "grey.jpg": (Image.new("L", (12, 9), 100), (100, 100, 100)),
    "one_bit.png": (Image.new("1", (12, 9), 1), (255, 255, 255)),
    "grey_16.png": (
        Image.fromarray(np.full((9, 12), 25700, np.uint16)),
        (100, 100, 100),  # 25700 / 257
    ),
    "clear.png": (Image.new("RGBA", (12, 9), (200, 0, 0, 128)), (227, 127, 127)),
    "clear.webp": (Image.new("RGBA", (12, 9), (0, 0, 0, 0)), (255, 255, 255)),
    "grey_clear.png": (Image.new("LA", (12, 9), (50, 0)), (255, 255, 255)),
    "palette.png": (palette(), (10, 20, 30)),
    "palette_clear.png": (palette(transparency=1), (255, 255, 255)),
    "palette.gif": (palette(), (10, 20, 30)),
    "plain.bmp": (Image.new("RGB", (12, 9), (10, 20, 30)), (10, 20, 30)),
    "plain.WEBP": (Image.new("RGB", (12, 9), (10, 20, 30)), (10, 20, 30)),
    "ink.jpg": (Image.new("CMYK", (12, 9), (0, 255, 255, 0)), (255, 0, 0)),
}


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_of_picture_becomes_colour_of_eight_bits(name, tmp_path):
    image, expected = KINDS[name]
    options = {"lossless": True} if name.lower().endswith("webp") else {}
    path = save(image, tmp_path / name, **options)
    pixels = read_image(path)
    assert (pixels.shape, pixels.dtype) == ((9, 12, 3), np.uint8)
    assert np.abs(pixels.astype(int) - expected).max() <= (2 if "jpg" in name else 1)
    assert check_image(path) == path.read_bytes()


def test_colour_of_16_bits_keeps_its_levels(tmp_path):
    levels = noise((5, 4)).astype(np.uint16)
    path = png_of_16_bits(tmp_path / "deep.png", levels * 257)
    assert np.array_equal(read_image(path), levels)


def test_the_first_frame_counts(tmp_path):
    frames = [Image.new("RGB", (8, 8), c) for c in ((255, 0, 0), (0, 0, 255))]
    for name, options in (("a.gif", {}), ("a.webp", {"lossless": True})):
        path = tmp_path / name
        frames[0].save(path, save_all=True, append_images=frames[1:], **options)
        assert np.array_equal(read_image(path)[0, 0], (255, 0, 0))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_obeyed(orientation, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = save(Image.fromarray(noise((4, 6))), tmp_path / "a.png", exif=exif)
    expected = np.array(ImageOps.exif_transpose(Image.open(path)))
    assert np.array_equal(read_image(path), expected)
    assert (expected.shape == (4, 6, 3)) == (orientation <= 4)


def test_damaged_exif_is_no_damage_to_the_picture(tmp_path):
    path = paint(tmp_path / "a.jpg", exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    assert read_image(path).shape == (9, 12, 3)


def test_the_content_counts_and_not_the_name(tmp_path):
    lying = paint(tmp_path / "a.png").rename(tmp_path / "a.jpg")
    assert np.array_equal(read_image(lying)[0, 0], (255, 0, 0))


def truncated(path):
    image = Image.fromarray(noise((64, 64)))
    image.save(path, "JPEG")
    path.write_bytes(path.read_bytes()[:-500])


DAMAGE = {
    "empty": (lambda path: path.write_bytes(b""), "it is empty"),
    "text": (lambda path: path.write_text("<html>"), "it is no JPEG, PNG, WebP, BMP or"),
    "truncated": (truncated, "truncated"),
    "another format": (
        lambda path: Image.new("RGB", (4, 4)).save(path, "TIFF"),
        "it is no JPEG",
    ),
    "missing": (lambda path: None, "No such file"),
    "a folder": (lambda path: path.mkdir(), "Is a directory"),
    "a pipe": (os.mkfifo, "it is a pipe"),  # which would be waited for, for ever
    "a device": (lambda path: path.symlink_to(os.devnull), "a device"),
}


@pytest.mark.parametrize("read", [read_image, check_image])
@pytest.mark.parametrize("damage", DAMAGE)
def test_what_cannot_be_read_says_why(damage, read, tmp_path):
    path = tmp_path / "a b.jpg"
    make, reason = DAMAGE[damage]
    make(path)
    with pytest.raises(UnreadableImageError, match=f"a b.jpg' .*{reason}") as raised:
        read(path)
    assert "\n" not in str(raised.value) and "BytesIO" not in str(raised.value)


@pytest.mark.parametrize("read", [read_image, check_image])
def test_a_picture_of_too_many_pixels_is_refused(read, tmp_path, monkeypatch):
    path = paint(tmp_path / "bomb.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 12 * 9 // 2 - 1)
    with pytest.raises(UnreadableImageError, match="exceeds limit"):
        read(path)
