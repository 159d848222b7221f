"""A folder of images as a data set: its classes, its splits, what can be read of it."""

import dataclasses
import hashlib
import os
from multiprocessing.pool import ThreadPool
from pathlib import Path

import numpy as np
from tqdm import tqdm

from node_transfer.data.copies import copies_told
from node_transfer.data.folder_tree import find
from node_transfer.data.image_files import UnreadableImageError, check_image
from node_transfer.data.image_source import ImageSource
from node_transfer.data.listed import ListedImages
from node_transfer.errors import UserError
from node_transfer.paths import image_root

MOST_UNREADABLE = 0.01  # of the files; one may be, of however few
NAMED = 3  # so many of them stand in a sentence


class UnreadableImagesError(UserError):
    """More files of a folder cannot be read than may be left out.

    Attributes:
        rows: `path` (below the folder) and `reason` of each.
    """

    def __init__(self, folder: str, rows: tuple[dict[str, str], ...], total: int):
        self.rows = rows
        named = ", ".join(f"{row['path']!r} ({row['reason']})" for row in rows[:NAMED])
        more = f" and {len(rows) - NAMED} more" if len(rows) > NAMED else ""
        super().__init__(
            f"Of the {total} images in {folder!r} {len(rows)} cannot be read, more than "
            f"the {MOST_UNREADABLE:.0%} that are left out: mend or remove {named}{more}."
        )


def load(path: str, data_dir: str | None) -> ImageSource:
    """Returns the images of a folder; see `docs/your-images.md` for its layouts.

    Each file is read once, to know which cannot be, and for the checksum.

    Args:
        path: The folder.
        data_dir: What a path that is not absolute begins at; `None`: where one is.

    Raises:
        UserError: There is no such folder, it is not laid out as it must be, or too many
            of its files cannot be read.
    """
    root = image_root(path, data_dir)
    found = find(root)
    files = [file for split in found.splits.values() for file in split.files]
    checked = _check(root, files)
    unreadable = tuple(
        {"path": _printable(it.file), "reason": it.reason} for it in checked if it.reason
    )
    if len(unreadable) > max(1, MOST_UNREADABLE * len(files)):
        raise UnreadableImagesError(str(root), unreadable, len(files))
    digests = {it.file: it.sha256 for it in checked if not it.reason}
    splits = {
        name: _readable(root, split, found.class_names, digests)
        for name, split in found.splits.items()
    }
    counts = {name: _counts(part, found.class_names) for name, part in splits.items()}
    for name, count in counts["train"].items():
        if count == 0:
            raise UserError(
                f"None of the training images of the class {name!r} in {str(root)!r} can "
                "be read: mend them, or remove the class."
            )
    for name, part in splits.items():
        if len(part) == 0:
            raise UserError(
                f"None of the {name} images in {str(root)!r} can be read: mend them, or "
                "remove that folder."
            )
    notes = found.notes
    if unreadable:
        first = unreadable[0]
        notes += (
            f"of the {len(files)} images in {str(root)!r} {len(unreadable)} cannot be "
            f"read and will be left out, {first['path']!r} ({first['reason']}) first",
        )
    copies, told = copies_told(str(root), splits)
    notes += tuple(told)
    return ImageSource(
        splits=splits,
        native_size=None,
        class_names=found.class_names,
        provenance={
            "name": root.resolve().name,
            "version": f"folder of {len(files)} images",
            "description": "Images of a folder, in one folder a class.",
            "checksum": {
                "sha256": _checksum(checked, copies),
                "of": f"path, size and SHA-256 of the bytes of {len(files)} files, and "
                "which cannot be read",
            },
            "files": counts,
            "unreadable": len(unreadable),
            "copies": copies,
            "other_files": found.other_files,
        },
        unreadable=unreadable,
        notes=notes,
    )


@dataclasses.dataclass(frozen=True)
class _Checked:
    """A file, its size in bytes, their SHA-256, and why it cannot be read, or `None`."""

    file: str
    size: int
    sha256: str
    reason: str | None


def _check(root: Path, files: list[str]) -> list[_Checked]:
    """Reads every file, several at a time."""

    def check(file):
        path, reason = root / file, None
        try:
            content = check_image(path)
        except UnreadableImageError as error:
            content, reason = _bytes_of(path), error.reason
        sha256 = hashlib.sha256(content).hexdigest()
        return _Checked(file, len(content), sha256, reason)

    with ThreadPool() as pool:
        found = pool.imap(check, files, chunksize=16)
        return list(tqdm(found, "Reading images", len(files), leave=False, disable=None))


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes() if path.is_file() else b""  # a pipe has no end
    except OSError:
        return b""


def _checksum(checked: list[_Checked], copies: int) -> str:
    """Returns the SHA-256 of all that decides images and splits, by the same seed."""
    digest = hashlib.sha256()
    for it in sorted(checked, key=lambda it: it.file):
        left_out = " unreadable" if it.reason else ""  # another split of the others
        digest.update(os.fsencode(f"{it.file} {it.size} {it.sha256}{left_out}\n"))
    if copies:  # which were split as other images are, once
        digest.update(f"{copies} copies\n".encode())
    return digest.hexdigest()


def _readable(root, split, class_names, digests) -> ListedImages:
    label_of = {name: label for label, name in enumerate(class_names)}
    pairs = sorted(
        (file, label_of[name])
        for file, name in zip(split.files, split.classes, strict=True)
        if file in digests
    )
    labels = np.array([label for _, label in pairs], np.int64)
    where = str(root.absolute())  # wherever the process goes
    names = tuple(file for file, _ in pairs)
    return ListedImages(where, names, labels, tuple(digests[name] for name in names))


def _counts(part: ListedImages, class_names: tuple[str, ...]) -> dict[str, int]:
    counts = np.bincount(part.labels, minlength=len(class_names))
    return dict(zip(class_names, counts.tolist(), strict=True))


def _printable(file: str) -> str:
    """A path that UTF-8 has no characters for is escaped."""
    return file.encode("utf-8", "backslashreplace").decode()
