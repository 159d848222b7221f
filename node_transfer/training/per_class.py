"""What a model makes of each class, by the class's name."""

from collections.abc import Sequence

import numpy as np
from tabulate import tabulate

MOST_ROWS = 20  # of a table for the terminal


def rows_of(matrix: np.ndarray, class_names: Sequence[str]) -> list[dict]:
    """Returns a row for each class.

    Args:
        matrix: Images of the class of a row that were taken for that of a column.
        class_names: In the order of rows and columns.

    Returns:
        `class`, `images`, `accuracy` (the part of its images that is taken for it, also
        called recall) and `precision` (the part of what is taken for it that it is); a
        part of nothing is `None`.
    """
    matrix = np.asarray(matrix, np.int64)
    right, images, taken = np.diag(matrix), matrix.sum(axis=1), matrix.sum(axis=0)
    return [
        {
            "class": name,
            "images": int(images[i]),
            "accuracy": float(right[i] / images[i]) if images[i] else None,
            "precision": float(right[i] / taken[i]) if taken[i] else None,
        }
        for i, name in enumerate(class_names)
    ]


def table(rows: list[dict]) -> str:
    """Returns the rows for a terminal: all of them, or the least accurate of many."""
    shown, note = rows, ""
    if len(rows) > MOST_ROWS:
        known = [row for row in rows if row["accuracy"] is not None]
        shown = sorted(known, key=lambda row: row["accuracy"])[:MOST_ROWS]
        note = f"\nThe {len(shown)} least accurate of {len(rows)} classes."
    cells = [
        (
            row["class"],
            row["images"],
            _percent(row["accuracy"]),
            _percent(row["precision"]),
        )
        for row in shown
    ]
    headers = ("class", "images", "accuracy", "precision")
    return tabulate(cells, headers=headers, disable_numparse=True) + note


def _percent(part: float | None) -> str:
    return "" if part is None else f"{part:.2%}"
