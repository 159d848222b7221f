"""Keeps two processes out of one run directory."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from node_transfer import durable
from node_transfer.errors import UserError

LOCK = "lock"  # the file that the process at work holds


@contextlib.contextmanager
def locked(
    folder: Path, timeout: float = 0, argument: str = "output_dir"
) -> Iterator[None]:
    """Keeps other processes out of a folder, which it makes.

    The lock goes with the process, however that ends. Folders that nothing was written
    to are removed again.

    Args:
        folder: The folder.
        timeout: Seconds to wait for another process to let go; -1: as long as it takes.
        argument: The one that says which folder.

    Raises:
        UserError: Another process is at work there, or the folder cannot be made.
    """
    import filelock  # here, since reading runs does without it

    made = [p for p in (folder, *folder.parents) if not p.exists()]
    durable.make_folder(folder, argument)
    with durable.failures_told(folder, argument=argument):
        try:
            lock = filelock.FileLock(folder / LOCK, timeout=timeout).acquire()
        except filelock.Timeout:
            raise UserError(
                f"Another process is at work in {str(folder)!r}: wait for it, or pass "
                f"{argument}= with another folder."
            ) from None
    try:
        with lock:
            try:
                yield
            finally:  # still held: who waits for this file sees that it is gone
                with contextlib.suppress(OSError):
                    (folder / LOCK).unlink()
    finally:
        with contextlib.suppress(OSError):
            for path in made:
                path.rmdir()
