"""JSON, CSV and NumPy files that are written whole or not at all."""

import csv
import io
import json
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from node_transfer import durable
from node_transfer.errors import UserError

_ANEW = "run the experiment again with overwrite=True"
_RESTORE = "restore it, or run the experiment again with another output_dir="


def write_json(path: Path, content: dict) -> None:
    """Writes a JSON file, indented; see `durable.publish`.

    Raises:
        UserError: The file cannot be written.
        ValueError: A number in it is not finite, which JSON has no word for.
    """
    text = json.dumps(content, indent=2, allow_nan=False) + "\n"
    durable.write_text(path, text)


def read_json(path: Path) -> dict:
    """Returns the object in a JSON file.

    Raises:
        FileNotFoundError: There is no such file, or it cannot be read.
        UserError: It does not hold a JSON object.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise FileNotFoundError(str(path)) from error
    except (ValueError, RecursionError) as error:  # JSON, or the encoding
        raise UserError(
            f"{str(path)!r} is not JSON ({error}), so it was changed or cut: {_RESTORE}."
        ) from None
    if not isinstance(content, dict):
        raise UserError(
            f"{str(path)!r} does not hold a record, so it was changed: {_RESTORE}."
        )
    return content


def write_rows(path: Path, rows: Sequence[dict[str, float | str]]) -> None:
    """Writes a CSV file with the columns of the first row; see `durable.publish`.

    Raises:
        UserError: The file cannot be written.
    """
    with durable.written_aside(path) as partial:
        with partial.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, fieldnames=list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
        durable.publish(partial, path)


def read_rows(path: Path) -> list[dict[str, float]]:
    """Returns the rows of a CSV file of numbers; none where there is no file.

    Raises:
        UserError: The file cannot be read, is cut short, or has a cell that is no
            number, too many or too few.
    """
    try:
        return _rows(path.read_bytes())
    except FileNotFoundError:
        return []
    except (OSError, ValueError, csv.Error) as error:
        raise UserError(
            f"{str(path)!r} cannot be read as rows of numbers ({error}): {_ANEW}."
        ) from None


def _rows(content: bytes) -> list[dict[str, float]]:
    text = content.decode("utf-8")
    if not text.endswith("\n"):
        raise ValueError("it is empty or cut in its last row")
    lines = csv.reader(io.StringIO(text, newline=""), strict=True)
    header, *rows = [line for line in lines if line] or [[]]
    if not rows:
        raise ValueError("it has no row")
    if len(set(header)) < len(header):
        raise ValueError("a column is there twice")
    for number, row in enumerate(rows, start=1):
        if len(row) != len(header):
            raise ValueError(f"row {number} has {len(row)} cells, not {len(header)}")
    return [dict(zip(header, map(float, row), strict=True)) for row in rows]


def write_arrays(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Writes arrays by name into a compressed `.npz` file; see `durable.publish`.

    Raises:
        UserError: The file cannot be written.
    """
    with durable.written_aside(path) as partial:
        with partial.open("wb") as file:
            np.savez_compressed(file, **arrays)
        durable.publish(partial, path)


def read_arrays(path: Path) -> dict[str, np.ndarray] | None:
    """Returns the arrays of a `.npz` file by name; `None` where there is no file.

    Raises:
        UserError: The file cannot be read as that.
    """
    try:
        with np.load(path) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except FileNotFoundError:
        return None
    except (OSError, ValueError, AttributeError, EOFError, zipfile.BadZipFile) as error:
        # AttributeError: what `np.load` returns for a single array has no files.
        raise UserError(
            f"{str(path)!r} cannot be read as arrays ({error}): {_ANEW}."
        ) from None
