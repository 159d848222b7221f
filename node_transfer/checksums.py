"""SHA-256 of what a run is made of. Imports no TensorFlow."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np

CHUNK_BYTES = 2**20
WHOLE_FILES_BYTES = 4 * 2**30  # more than this would take minutes to read


def of_file(path) -> str:
    """Returns the SHA-256 of a file's bytes, hexadecimal."""
    digest = hashlib.sha256()
    _add_file(digest, path)
    return digest.hexdigest()


def of_files(folder) -> dict[str, str]:
    """Returns the SHA-256 of the files below a folder, in the order of their names.

    Returns:
        `sha256`, hexadecimal, and `of`: what it was taken of. Above 4 GiB that is each
        file's name and size, and not its bytes.
    """
    folder = Path(folder)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    sizes = [path.stat().st_size for path in files]
    whole = sum(sizes) <= WHOLE_FILES_BYTES
    digest = hashlib.sha256()
    for path, size in zip(files, sizes, strict=True):
        digest.update(f"{path.relative_to(folder).as_posix()} {size}\n".encode())
        if whole:
            _add_file(digest, path)
    what = "names and bytes" if whole else "names and sizes"
    return {"sha256": digest.hexdigest(), "of": f"{what} of {len(files)} files"}


def of_arrays(arrays: Iterable[np.ndarray]) -> str:
    """Returns the SHA-256 of the bytes of arrays, one after the other."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _add_file(digest, path) -> None:
    with open(path, "rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)


def recorded(data) -> str | None:
    """Returns the SHA-256 that a record of images has of them; `None`: it has none.

    Args:
        data: The entry `data` of a run's `config.json`, or an `ImageData`'s `source`.
    """
    checksum = data.get("checksum") if isinstance(data, dict) else None
    found = checksum.get("sha256") if isinstance(checksum, dict) else None
    return found if isinstance(found, str) else None
