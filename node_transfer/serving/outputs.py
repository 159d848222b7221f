"""Where an export goes. Imports no TensorFlow, so that a wrong path is told at once."""

import os
from collections.abc import Sequence
from pathlib import Path

from node_transfer import durable
from node_transfer.errors import UserError

# A format to the ending of its files' names; empty: it is a folder.
ENDINGS = {"saved_model": "", "tflite": ".tflite", "onnx": ".onnx"}


def free_path(output: str, format: str, overwrite: bool) -> Path:
    """Returns the path to write.

    Args:
        output: The file, or the folder of a SavedModel.
        format: A key of `ENDINGS`.
        overwrite: Whether an export that is there may be replaced.

    Raises:
        UserError: It has another ending, there is something else, or nothing can be
            written there.
    """
    path, ending = Path(output), ENDINGS[format]
    if path.name in ("", ".."):  # that of a folder here, which it is written beside
        path = Path(os.path.abspath(path))
    if path.suffix != ending and ending:
        raise UserError(
            f"output is {str(path)!r}: pass a name that ends in {ending}, as a file of "
            f"format={format!r} does."
        )
    if not path.exists():
        folder = path.parent
        while not ending and not os.path.lexists(folder):  # which TensorFlow makes
            folder = folder.parent
        durable.check_writable(folder / path.name, "output")
        return path
    if not overwrite:
        raise in_the_way(path)
    ours = path.is_file() if ending else (path / "saved_model.pb").is_file()
    if not ours:
        raise UserError(
            f"{str(path)!r} is no export of format={format!r}, and is not replaced: pass "
            "output= with another name."
        )
    durable.check_writable(path, "output")
    return path


def labels_path(path: Path, format: str) -> Path:
    """Returns the path of the file with the names of the classes."""
    if ENDINGS[format]:
        return path.with_suffix(".labels.txt")
    return path / "assets.extra" / "labels.txt"


def labels_of(class_names: Sequence[str]) -> bytes:
    """Returns the names of the classes, a line each, in the order of the
    probabilities, as UTF-8."""
    return "".join(f"{name}\n" for name in class_names).encode()


def check_labels(path: Path, class_names: Sequence[str], overwrite: bool) -> None:
    """Raises `UserError` where labels are there that are not those of these classes.

    Exports of one model in several formats share theirs.
    """
    if overwrite or not path.exists():
        return
    try:
        same = path.read_bytes() == labels_of(class_names)
    except OSError:
        same = False
    if not same:
        raise in_the_way(path)


def in_the_way(path: Path) -> UserError:
    """Returns what is said where nothing may be replaced."""
    return UserError(
        f"There is something at {str(path)!r} already: pass overwrite=True to replace "
        "it, or output= with another name."
    )
