"""Predictions as text: a table, CSV or JSON."""

import csv
import io
import json
from collections.abc import Sequence

from tabulate import tabulate

from node_transfer.serving.predicting import Prediction


def as_table(predictions: Sequence[Prediction], top: int) -> str:
    """A table for the terminal; a file that could not be read has its reason."""
    rows = [
        [one_line(p.path), f"({p.error})"]
        if p.error
        else [one_line(p.path), *(x for c, q in _pairs(p) for x in (c, f"{q:.1%}"))]
        for p in predictions
    ]
    headers = ["file", *(word for rank in range(top) for word in _titles(rank))]
    return tabulate(rows, headers, disable_numparse=True) + "\n"


def one_line(path: str) -> str:
    """A path for a terminal: line breaks and other control characters are escaped."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in path)


def as_csv(predictions: Sequence[Prediction], top: int) -> str:
    """CSV with `path,class,probability,class_2,probability_2,...,error`."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    titles = [word for rank in range(top) for word in _titles(rank)]
    writer.writerow(["path", *titles, "error"])
    for p in predictions:
        cells = [x for c, q in _pairs(p) for x in (c, f"{q:.6g}")]
        cells += [""] * (2 * top - len(cells))
        writer.writerow([p.path, *cells, p.error or ""])
    return text.getvalue()


def as_json(predictions: Sequence[Prediction], top: int) -> str:
    """A list of objects with `path` and `predictions`, or `path` and `error`."""
    records = [
        {"path": p.path, "error": p.error}
        if p.error
        else {
            "path": p.path,
            "predictions": [{"class": c, "probability": q} for c, q in _pairs(p)],
        }
        for p in predictions
    ]
    return json.dumps(records, indent=1, ensure_ascii=False) + "\n"


FORMATS = {"table": as_table, "csv": as_csv, "json": as_json}


def _pairs(prediction: Prediction):
    return zip(prediction.classes, prediction.probabilities, strict=True)


def _titles(rank: int) -> tuple[str, str]:
    end = f"_{rank + 1}" if rank else ""
    return f"class{end}", f"probability{end}"
