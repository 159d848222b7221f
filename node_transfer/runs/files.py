"""JSON, CSV and NumPy files that are written whole or not at all."""

import csv
import json
import os
import zipfile
from pathlib import Path

import numpy as np

from node_transfer.errors import UserError

PARTIAL = ".partial"  # how a file's name ends until the file is whole


def write_json(path: Path, content: dict) -> None:
    """Writes a JSON file, indented."""
    partial = path.with_name(f"{path.name}{PARTIAL}")
    partial.write_text(json.dumps(content, indent=2) + "\n")
    os.replace(partial, path)


def read_json(path: Path) -> dict:
    """Returns the object in a JSON file.

    Raises:
        FileNotFoundError: There is no such file, or it cannot be read.
        UserError: It does not hold a JSON object.
    """
    try:
        content = json.loads(path.read_text())
    except OSError as error:
        raise FileNotFoundError(str(path)) from error
    except ValueError as error:  # JSON, or the encoding
        raise UserError(
            f"{str(path)!r} is not JSON ({error}): the file was changed; run the "
            "experiment again with overwrite=True."
        ) from None
    if not isinstance(content, dict):
        raise UserError(
            f"{str(path)!r} does not hold a record: the file was changed; run the "
            "experiment again with overwrite=True."
        )
    return content


def write_rows(path: Path, rows: list[dict[str, float]]) -> None:
    """Writes a CSV file with the columns of the first row."""
    partial = path.with_name(f"{path.name}{PARTIAL}")
    with partial.open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    os.replace(partial, path)


def read_rows(path: Path) -> list[dict[str, float]]:
    """Returns the rows of a CSV file of numbers; none where there is no file.

    Raises:
        UserError: The file cannot be read, or a cell is no number.
    """
    try:
        with path.open(newline="") as file:
            return [
                {name: float(value) for name, value in row.items()}
                for row in csv.DictReader(file)
            ]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, TypeError) as error:
        raise UserError(
            f"{str(path)!r} cannot be read as rows of numbers ({error}): run the "
            "experiment again with overwrite=True."
        ) from None


def write_arrays(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Writes arrays by name into a compressed `.npz` file."""
    partial = path.with_name(f"{path.name}{PARTIAL}")
    with partial.open("wb") as file:
        np.savez_compressed(file, **arrays)
    os.replace(partial, path)


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
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise UserError(
            f"{str(path)!r} cannot be read as arrays ({error}): run the experiment again "
            "with overwrite=True."
        ) from None
