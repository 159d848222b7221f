"""Files and folders that are on the disk, whole, before they take their names."""

import contextlib
import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

from node_transfer.errors import UserError

PARTIAL = "partial-"  # how a file's name begins until the file is whole

_AGAIN = "and give the same command again"
_REMEDIES = {
    errno.ENOSPC: f"free some space {_AGAIN}",
    errno.EDQUOT: f"free some space {_AGAIN}",
    errno.EFBIG: f"raise the limit on the size of a file (ulimit -f) {_AGAIN}",
    errno.EISDIR: "move that folder away",
    errno.EEXIST: "move what is there away",
    errno.ENOTDIR: "move what is there away",
}


@contextlib.contextmanager
def failures_told(
    path: Path, participle: str = "written", argument: str = "output_dir"
) -> Iterator[None]:
    """Turns the system's refusal to write into a `UserError` that names the file.

    Args:
        path: What is being written, where the refusal names nothing itself.
        participle: What it cannot be.
        argument: What names the folder that it is to be in.
    """
    try:
        yield
    except OSError as error:
        remedy = _REMEDIES.get(error.errno or 0, "see that it can be")
        named = error.filename2 or error.filename or path
        raise UserError(
            f"{os.fspath(named)!r} cannot be {participle} "
            f"({error.strerror or error}): {remedy}, or pass {argument}= with another "
            "folder."
        ) from error


@contextlib.contextmanager
def written_aside(
    path: Path, argument: str = "output_dir", users: bool = False
) -> Iterator[Path]:
    """Yields the name to write a file or folder under until it is whole; see `publish`.

    What still has that name at the end, since writing failed or was interrupted, is
    removed.

    Args:
        path: Its own name. The one yielded ends as it does.
        argument: See `failures_told`.
        users: Whether the user chose where it is, beside files of any name: then nothing
            there is taken for what an interrupted writing left, and it may be a folder.

    Raises:
        UserError: The file cannot be written.
    """
    partial = _new_name(path) if users else path.with_name(f"{PARTIAL}{path.name}")
    with failures_told(path, argument=argument):
        if not users:
            _remove(partial, folder=False)
        try:
            yield partial
        finally:
            with contextlib.suppress(OSError):
                _remove(partial, folder=users)


def check_writable(path: Path, argument: str) -> None:
    """Raises `UserError` where a file of the user's cannot be written, before work is put
    into what is to be in it.

    Args:
        path, argument: As in `written_aside`.
    """
    with failures_told(path, argument=argument):
        partial = _new_name(path)
        try:
            partial.touch()
            partial.unlink()
        except OSError as error:
            error.filename = os.fspath(path)  # and not a name that nobody gave
            raise


def _new_name(path: Path) -> Path:
    """A name that nothing has: the length of the rest is what file systems allow."""
    return path.with_name(f"{PARTIAL}{secrets.token_hex(8)}{path.suffix}")


def _remove(path: Path, folder: bool) -> None:
    if folder and path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def publish(partial: Path, path: Path) -> None:
    """Gives a file its name, after its bytes are on the disk; then the name is, too.

    So whenever the power goes, the name stands for the file before or for the new one,
    and after the return for the new one. Of a folder in place of another the same holds,
    but that for a moment there is none.
    """
    if partial.is_dir():
        _publish_folder(partial, path)
        return
    with partial.open("r+b") as file:
        os.fsync(file.fileno())
    os.replace(partial, path)
    sync_folder(path.parent)


def write_text(path: Path, text: str, argument: str = "output_dir") -> None:
    """Writes a file of UTF-8, whole or not at all; see `publish`.

    Args:
        path, argument: As in `written_aside`.
        text: Its content.

    Raises:
        UserError: The file cannot be written.
    """
    with written_aside(path, argument) as partial:
        partial.write_text(text, encoding="utf-8")
        publish(partial, path)


def _publish_folder(partial: Path, path: Path) -> None:
    for file in (*partial.rglob("*"), partial):
        if file.is_dir():
            sync_folder(file)
        else:
            with file.open("r+b") as opened:
                os.fsync(opened.fileno())
    before = _new_name(path)
    if path.exists():
        os.replace(path, before)
    os.replace(partial, path)
    sync_folder(path.parent)
    _remove(before, folder=True)


def make_folder(path: Path, argument: str = "output_dir") -> None:
    """Makes a folder and what is missing above it, and sees them onto the disk.

    Args:
        path: The folder.
        argument: See `failures_told`.

    Raises:
        UserError: It cannot be made.
    """
    with failures_told(path, "made", argument):
        missing = [folder for folder in (path, *path.parents) if not folder.exists()]
        path.mkdir(parents=True, exist_ok=True)
        for folder in missing:
            sync_folder(folder.parent)


def sync_folder(path: Path) -> None:
    """Waits until the names in a folder are on the disk."""
    if os.name == "nt":  # where a folder cannot be opened, and renaming waits itself
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
