"""Records what a program asks of a folder's disk, and makes what a power cut may leave.

The disk is a pessimistic one. Bytes are there to stay once their file was flushed
(`os.fsync`), and names once their folder was; of all else each name may be the one before
or the one after, whatever order they were given in, and each file's bytes may be missing,
cut, zero, or there.
"""

import dataclasses
import os
import random
from pathlib import Path

FOLDER = "folder"  # in place of a file's number
WATCHED = ("fsync", "replace", "rename", "unlink", "remove", "mkdir", "rmdir")


@dataclasses.dataclass(frozen=True)
class Moment:
    """What is on the disk, and what was asked of it, between two calls.

    Attributes:
        call: The call that has just returned, or is about to be made.
        flushed_names, names: A folder, relative, to its names, each with a file's number
            or `FOLDER`: those there to stay, and those that the program sees.
        flushed_bytes, bytes: A file's number to its content, likewise.
    """

    call: str
    flushed_names: dict[str, dict]
    names: dict[str, dict]
    flushed_bytes: dict[int, bytes]
    bytes: dict[int, bytes]


class Recorder:
    """Watches the calls of this process that flush and name files, below a folder.

    Attributes:
        moments: Before and after each call.
    """

    def __init__(self, root: Path):
        self.root = Path(root)
        self.moments: list[Moment] = []
        self._flushed_names = {"": {}}
        self._flushed_bytes = {}
        self._seen = {}  # a file's number to what tells a change, and its bytes
        self._held = {}  # an open descriptor each, so that no number is used again

    def watch(self, monkeypatch) -> None:
        for name in WATCHED:
            monkeypatch.setattr(os, name, self._watched(name, getattr(os, name)))

    def flush_all(self) -> None:
        """Takes all that is there for flushed."""
        for folder, _, files in os.walk(self.root):
            place = os.path.relpath(folder, self.root)
            for name in files:
                self._flush(Path(folder, name), "")
            self._flush(Path(folder), "" if place == "." else place)

    def close(self) -> None:
        for descriptor in self._held.values():
            os.close(descriptor)

    def _watched(self, name: str, call):
        def watched(target, *args, **kwargs):
            path = target
            if isinstance(target, int):
                path = os.readlink(f"/proc/self/fd/{target}")
            place = os.path.relpath(os.path.realpath(path), self.root)
            if place.startswith(".."):
                return call(target, *args, **kwargs)
            self._record(f"before {name} {place}")
            result = call(target, *args, **kwargs)
            if name == "fsync":
                self._flush(Path(path), "" if place == "." else place)
            self._record(f"after {name} {place}")
            return result

        return watched

    def _flush(self, path: Path, place: str) -> None:
        if path.is_dir():
            self._flushed_names[place] = self._listing(path)
        else:
            self._flushed_bytes[path.stat().st_ino] = self._content(path)

    def _listing(self, folder: Path) -> dict:
        return {
            entry.name: FOLDER if entry.is_dir() else entry.stat().st_ino
            for entry in folder.iterdir()
        }

    def _content(self, path: Path) -> bytes:
        state = path.stat()
        mark = (state.st_size, state.st_mtime_ns)
        if self._seen.get(state.st_ino, (None,))[0] != mark:
            if state.st_ino not in self._held:
                self._held[state.st_ino] = os.open(path, os.O_RDONLY)
            self._seen[state.st_ino] = (mark, path.read_bytes())
        return self._seen[state.st_ino][1]

    def _record(self, call: str) -> None:
        names, contents = {}, {}
        for folder, _, files in os.walk(self.root):
            place = os.path.relpath(folder, self.root)
            names["" if place == "." else place] = self._listing(Path(folder))
            for name in files:
                path = Path(folder, name)
                contents[path.stat().st_ino] = self._content(path)
        self.moments.append(
            Moment(
                call,
                {place: dict(listing) for place, listing in self._flushed_names.items()},
                names,
                dict(self._flushed_bytes),
                contents,
            )
        )


def cut(moment: Moment, target: Path, seed: int) -> None:
    """Makes a folder as it may be found when the power is back.

    Args:
        moment: When it went.
        target: The folder, which is made.
        seed: 0: every name that was given, no byte that was not flushed; 1: no name that
            was not flushed; others: any mixture.
    """
    rng = random.Random(seed)

    def chosen(before, after):
        return {0: after, 1: before}.get(seed, rng.choice((before, after)))

    def content(number):
        flushed = moment.flushed_bytes.get(number)
        written = moment.bytes.get(number, flushed) or b""
        if flushed == written:
            return written
        lost = [flushed or b"", b"", written[: len(written) // 2], bytes(len(written))]
        return b"" if seed == 0 else rng.choice([*lost, written])

    def make(place, folder):
        folder.mkdir(parents=True)
        before = moment.flushed_names.get(place, {})
        after = moment.names.get(place, {})
        for name in sorted({*before, *after}):
            entry = chosen(before.get(name), after.get(name))
            if entry == FOLDER:
                make(f"{place}/{name}" if place else name, folder / name)
            elif entry is not None:
                (folder / name).write_bytes(content(entry))

    make("", target)
