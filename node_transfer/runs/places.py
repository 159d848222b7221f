"""Data sets that are folders, by their places."""

import os

FOLDER = "folder:"  # how the name of such a data set begins


def short_name(dataset: str) -> str:
    """Returns a data set's name, of a folder the last part of its path."""
    if not dataset.startswith(FOLDER):
        return dataset
    path = os.path.expanduser(dataset.removeprefix(FOLDER))
    return os.path.basename(os.path.abspath(path))


def place_of(dataset: str, data_dir: str | None) -> str:
    """Returns a data set's name, of a folder with its one path of all that lead to it.

    Args:
        dataset: The name, as `load_data` takes it.
        data_dir: What the path begins at, where it is not absolute; `None`: here.
    """
    if not dataset.startswith(FOLDER):
        return dataset
    path = os.path.expanduser(dataset.removeprefix(FOLDER))
    return FOLDER + os.path.realpath(
        os.path.join(os.path.expanduser(data_dir or ""), path)
    )
