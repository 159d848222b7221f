"""Files, folders and patterns become image files, in the order that they are given in."""

import glob
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from node_transfer.data.folder_tree import walk
from node_transfer.data.image_files import EXTENSIONS


def image_paths(
    given: str | os.PathLike | Iterable[str | os.PathLike],
) -> Iterator[str]:
    """Yields the files that are meant.

    A folder stands for the images in it and in its folders, by their names' endings and
    sorted; a pattern such as `photos/*.jpg`, or `**` for folders within folders, for the
    files it matches, sorted. What is hidden (a name that begins with a dot) is passed
    over. A name that stands for nothing is yielded as it is, so that reading it says so.

    Args:
        given: Files, folders and patterns; or one of them.
    """
    if isinstance(given, str | os.PathLike):
        given = [given]
    for path in map(os.fspath, given):
        if os.path.isdir(path):
            found = _in_folder(path)
        elif glob.has_magic(path) and not os.path.exists(path):
            found = _matched(path)
        else:
            found = iter([path])
        empty = True
        for file in found:
            empty = False
            yield file
        if empty:
            yield path


def stands_for_nothing(path: str) -> str | None:
    """Says what is wrong with a pattern or a folder that was yielded as it is; `None`:
    it is neither."""
    if os.path.isdir(path):
        return "a folder without images" if os.access(path, os.R_OK) else None
    if glob.has_magic(path) and not os.path.lexists(path):
        return "no file matches"
    return None


def _in_folder(path: str) -> Iterator[str]:
    closed = []
    for file in walk(Path(path), closed.append):
        if file.suffix.lower() in EXTENSIONS:
            yield str(file)
    for error in closed:  # folders that cannot be listed: reading them says so
        yield error.filename


def _matched(pattern: str) -> Iterator[str]:
    found = sorted(glob.iglob(pattern, recursive=True))
    return (path for path in found if os.path.isfile(path))
