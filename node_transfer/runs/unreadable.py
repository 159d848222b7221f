"""`unreadable.csv`: the images that a run left out, since they cannot be read."""

from collections.abc import Sequence
from pathlib import Path

from node_transfer.runs import files

UNREADABLE = "unreadable.csv"


def write_unreadable(folder: Path, rows: Sequence[dict[str, str]]) -> Path:
    """Writes the file into a run's folder, or removes it where there are no such images.

    Args:
        folder: The run directory, which is there.
        rows: `path`, below the folder of the images, and `reason` of each.

    Returns:
        Its path.

    Raises:
        UserError: It cannot be written.
    """
    path = folder / UNREADABLE
    if rows:
        files.write_rows(path, rows)
    else:
        path.unlink(missing_ok=True)
    return path
