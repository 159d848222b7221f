"""The files that features lie in. Each is whole, or is made again."""

import contextlib
import dataclasses
import errno
import io
import json
import math
import re
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from node_transfer import checksums, durable
from node_transfer.errors import UserError

PART_BYTES = 16 * 2**20  # of a file, about: what a process that is killed loses
MOST_FILES = 256  # larger sets have larger ones: a process may have some 1,000 open
RECORD = "features.json"
_OF_THE_PROCESS = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)  # and not of a file
_NAME = re.compile(r"(\w+)-(\d{5})-([0-9a-f]{64})\.npy")


@dataclasses.dataclass(frozen=True)
class Part:
    """The examples of one file: those from `start` to `stop` of a split."""

    split: str
    number: int
    start: int
    stop: int


class FeatureFiles:
    """A folder with the features of one network on one data set.

    A file's name says which part of which split it has, and the SHA-256 of its bytes. A
    file is on the disk, whole, before it has that name.

    Args:
        path: The folder, which need not be there.
        dtype: Of an example, see `feature_data.example_dtype`.
        sizes: Examples in each split.
        multiple: What the examples of a file are a multiple of.

    Attributes:
        path, dtype: The same.
        parts: What the files have, split by split, in the order of the examples.
    """

    def __init__(
        self, path: Path, dtype: np.dtype, sizes: Mapping[str, int], multiple: int
    ):
        self.path = path
        self.dtype = dtype
        self._seen_whole = {}  # what is checked once need not be read again
        part_bytes = max(PART_BYTES, dtype.itemsize * sum(sizes.values()) / MOST_FILES)
        rows = max(1, math.ceil(part_bytes / dtype.itemsize / multiple)) * multiple
        self.parts = [
            Part(split, number, start, min(start + rows, size))
            for split, size in sizes.items()
            for number, start in enumerate(range(0, size, rows))
        ]

    @property
    def bytes(self) -> int:
        """What all the files take, but for their headers."""
        return self.dtype.itemsize * sum(part.stop - part.start for part in self.parts)

    def read(self) -> dict[Part, np.ndarray]:
        """Returns the parts that are there and whole, mapped from their files.

        A damaged one is told on standard error, and left out.
        """
        found = self._found()
        arrays = {}
        for part in self.parts:
            for path in found.get((part.split, part.number), ()):
                array = self._whole(part, path)
                if array is not None:
                    arrays[part] = array
                    break
                print(
                    f"WARNING: the file of features {str(path)!r} is damaged: it is "
                    "computed again.",
                    file=sys.stderr,
                    flush=True,
                )
        return arrays

    def write(self, part: Part, array: np.ndarray) -> None:
        """Writes a part, and then removes what was there in its place.

        Raises:
            UserError: It cannot be written.
        """
        before = self._found().get((part.split, part.number), [])
        stem = f"{part.split}-{part.number:05d}"
        aside = durable.written_aside(self.path / f"{stem}.npy", argument="cache_dir")
        with aside as partial:
            content = io.BytesIO()  # NumPy does not say why it cannot write to a file
            np.save(content, array)
            partial.write_bytes(content.getbuffer())
            path = self.path / f"{stem}-{checksums.of_file(partial)}.npy"
            durable.publish(partial, path)
            self._seen_whole[path] = np.load(path, mmap_mode="r")
        for old in before:
            if old != path:
                with contextlib.suppress(OSError):
                    old.unlink()

    def read_record(self) -> dict:
        """Returns `features.json`; empty where there is none that can be read."""
        try:
            record = json.loads((self.path / RECORD).read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            return {}
        record = record if isinstance(record, dict) else {}
        if not isinstance(record.get("seconds", 0.0), int | float):
            del record["seconds"]
        return record

    def write_record(self, record: dict) -> None:
        """Writes `features.json`: what the features are of, for those who look."""
        text = json.dumps(record, indent=2) + "\n"
        durable.write_text(self.path / RECORD, text, "cache_dir")

    def _found(self) -> dict[tuple[str, int], list[Path]]:
        """Returns split and number to the files that have their names."""
        found = {}
        for path in sorted(self.path.iterdir()) if self.path.is_dir() else ():
            name = _NAME.fullmatch(path.name)
            if name:
                found.setdefault((name[1], int(name[2])), []).append(path)
        return found

    def _whole(self, part: Part, path: Path) -> np.ndarray | None:
        """Returns what a file has; `None` where its bytes are not those of its name."""
        if path not in self._seen_whole:
            try:
                if checksums.of_file(path) != _NAME.fullmatch(path.name)[3]:
                    return None
                array = np.load(path, mmap_mode="r")
            except (OSError, ValueError) as error:
                if getattr(error, "errno", None) not in _OF_THE_PROCESS:
                    return None
                raise UserError(
                    f"{str(path)!r} cannot be opened ({error.strerror}): raise the "
                    "limits of the process (ulimit -n, ulimit -v), and give the same "
                    "command again."
                ) from error
            if array.dtype != self.dtype or array.shape != (part.stop - part.start,):
                return None
            self._seen_whole[path] = array
        return self._seen_whole[path]
