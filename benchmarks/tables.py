"""The benchmarks' tables as Markdown, from their JSON, for README and docs/speed.md.

    python -m benchmarks.tables                             # prints them
    python -m benchmarks.tables README.md docs/speed.md     # writes them into the pages

A page has a table between `<!-- NAME -->` and `<!-- /NAME -->`.
"""

import json
import re
import statistics
import sys
from collections.abc import Callable
from pathlib import Path

from tabulate import tabulate

RESULTS = Path(__file__).parent / "results"
MARKED = re.compile(r"(?<=<!-- )([\w-]+)( -->\n).*?(?=<!-- /\1 -->)", re.DOTALL)
ERRORS = (1e-3, 1e-4, 1e-5, 1e-6)
GRADIENTS = {
    "backprop": '`gradient="backprop"`',
    "adjoint": '`gradient="adjoint"`',
    "plain": "TensorFlow's own, through the loop",
}


def github(headers: list[str], cells: list[list]) -> str:
    """A Markdown table whose cells are written as they are."""
    return tabulate(
        cells, headers=headers, tablefmt="github", missingval="", disable_numparse=True
    )


def number(value, form: str) -> str:
    """A number in a format; empty where there is none."""
    return "" if value is None else format(value, form)


def solves(rows: list[dict], tolerance: float) -> str:
    """Times of one solve with its gradient at batch 128, for each library."""
    per_hidden, cells = {}, {}
    for row in rows:
        if (row["batch"], row["tolerance"]) == (128, tolerance) and row["gradient"]:
            per_hidden.setdefault(row["hidden"], {})[row["gradient"], row["library"]] = [
                number(row["median_ms"], ".0f"),
                number(row["ours_over_this"], ".2f"),
                number(row["nfe"], "d"),
                number(row["error_h1"], ".0e"),
                number(row["error_gradient"], ".0e"),
            ]
    for columns in per_hidden.values():
        for key, values in columns.items():
            cells[key] = [*cells.get(key, key), *values]
    headers = ["gradient", "library"]
    for hidden in per_hidden:
        headers += [f"ms, H={hidden}", "ours / this", "nfe", "error h(1)"]
        headers += ["error gradient"]
    return github(headers, sorted(cells.values(), key=lambda c: c[0] == "adjoint"))


def work_precision(rows: list[dict]) -> str:
    """The least time in which a library's h(1) was at least so exact."""
    cells = []
    for library in dict.fromkeys(row["library"] for row in rows):
        its = [row for row in rows if row["library"] == library]
        times = [
            min((r["median_ms"] for r in its if r["error_h1"] <= error), default=None)
            for error in ERRORS
        ]
        cells.append([library, *(number(time, ".0f") for time in times)])
    return github(["library", *(f"{e:.0e}".replace("e-0", "e-") for e in ERRORS)], cells)


def memory(rows: list[dict]) -> str:
    """Peak memory against the steps of a solve."""
    steps = list(dict.fromkeys(row["steps"] for row in rows))
    cells = []
    for gradient, label in GRADIENTS.items():
        its = [row for row in rows if row["gradient"] == gradient]
        peaks = [number(row["peak_mib"], ".0f") for row in its]
        cells.append([label, *peaks, number(its[-1]["states_a_step"], ".2f")])
    return github(["MiB at", *(f"{n} steps" for n in steps), "states a step"], cells)


def train_step(rows: list[dict]) -> str:
    """Whole training steps."""
    cells = [
        [
            row["model"],
            number(row["median_ms"], ".0f"),
            number(row["over_baseline"], ".2f"),
            number(row.get("nfe_forward"), ".0f"),
            number(row.get("nfe_backward"), ".0f"),
        ]
        for row in rows
    ]
    return github(["model", "ms", "over baseline", "nfe forward", "nfe backward"], cells)


def cpu_training(rows: list[dict]) -> str:
    """Training steps with more and more of the quicker operations, Keras's first."""
    steps = ["keras", "pointwise", "depthwise", "batch_normalization", "ours"]
    cells = [
        [
            f"{row['pixels']}x{row['pixels']}, {row['batch']}",
            *(number(row[step], ".0f") for step in steps),
            number(row["ratio"], ".2f"),
        ]
        for row in rows
    ]
    headers = ["images, batch", "Keras's own, ms", "+ 1x1 convolutions", "+ depthwise"]
    headers += ["+ batch normalization", "+ Adam: ours", "ours / Keras's"]
    return github(headers, cells)


def low_rank(rows: list[dict]) -> str:
    """Solves in the width of the hidden layer beside those as they come."""
    cells = [
        [
            f"{row['batch']} x {row['width']}",
            row["hidden"],
            row["gradient"],
            *(number(row[c], ".1f") for c in ("few_ms", "plain_ms")),
            number(row["ratio"], ".2f"),
        ]
        for row in rows
    ]
    headers = ["state", "H", "gradient", "in the width of H, ms", "as it comes, ms"]
    return github([*headers, "ratio"], cells)


def vjp(rows: list[dict]) -> str:
    """One evaluation of f with its vector-Jacobian product."""
    cells = [
        [
            row["f"],
            *(number(row[c], ".1f") for c in ("ours_ms", "tensorflow_ms")),
            number(row["ratio"], ".2f"),
        ]
        for row in rows
    ]
    return github(["f", "ours, ms", "TensorFlow's, ms", "ours / TensorFlow's"], cells)


def xla(rows: list[dict]) -> str:
    """A solve with its gradient, without XLA and with it."""
    cells = [
        [
            *(str(row[column]) for column in ("hidden", "solver", "gradient")),
            *(number(row[column], ".0f") for column in ("ms", "xla_ms")),
            number(row["xla_over"], ".2f"),
        ]
        for row in rows
    ]
    headers = ["H", "solver", "gradient", "ms", "ms, XLA", "XLA / without"]
    return github(headers, cells)


def cold_start(rows: list[dict]) -> str:
    """Evaluations of a solve that knows nothing of one before, and its errors."""
    libraries = ("node-transfer, odeint", "torchdiffeq", "diffrax", "tfp")
    cells = [
        [
            row["problem"],
            number(row["tolerance"], ".0e"),
            *(number(row[name], "d") for name in libraries),
            *(number(row[f"{name} error"], ".0e") for name in libraries),
        ]
        for row in rows
        if "tfp" in row
    ]
    headers = ["block", "tolerance", "node-transfer", *libraries[1:]]
    return github(headers + [f"error, {name}" for name in headers[2:]], cells)


def detest(rows: list[dict]) -> str:
    """Evaluations over all problems, and the geometric mean of the errors."""
    tolerances = dict.fromkeys(row["tolerance"] for row in rows)
    cells = []
    for solver in dict.fromkeys(row["solver"] for row in rows):
        cells.append([solver])
        for tolerance in tolerances:
            own = [
                r for r in rows if (r["solver"], r["tolerance"]) == (solver, tolerance)
            ]
            errors = [max(r["error_over_tolerance"], 1e-6) for r in own]
            cells[-1] += [
                format(sum(r["nfe"] for r in own), ","),
                number(statistics.geometric_mean(errors), ".2f"),
            ]
    headers = ["solver"]
    for tolerance in tolerances:
        headers += [f"nfe, {tolerance:.0e}", "error / tolerance"]
    return github(headers, cells)


def scaling(rows: list[dict]) -> str:
    """Two processes of one core each, over one."""
    columns = ("one_ms", "half_ms", "apart_ms", "two_ms")
    cells = [
        [
            row["experiment"],
            f"{row['image_size']}x{row['image_size']}, {row['batch']}",
            *(number(row[column], ".0f") for column in columns),
            *(number(row[c], ".2f") for c in ("speedup", "limit_here", "limit")),
        ]
        for row in rows
    ]
    headers = ["model", "images, batch", "one, ms", "one, half of the batch"]
    headers += ["two such at once", "two, linked", "speedup", "limit here"]
    return github([*headers, "limit of two machines"], cells)


# The name between the marks: the record, and what makes a table of its rows.
TABLES: dict[str, tuple[str, Callable[[list[dict]], str]]] = {
    "speed": ("solver_speed", lambda rows: solves(rows, 1e-5)),
    "speed-1e-3": ("solver_speed", lambda rows: solves(rows, 1e-3)),
    "work-precision": ("work_precision", work_precision),
    "memory": ("memory", memory),
    "train-step": ("train_step", train_step),
    "train-step-trained": ("train_step_trained", train_step),
    "cpu-training": ("cpu_training", cpu_training),
    "low-rank": ("low_rank", low_rank),
    "vjp": ("vjp", vjp),
    "xla": ("xla", xla),
    "scaling": ("scaling", scaling),
    "cold-start": ("cold_start", cold_start),
    "detest": ("detest", detest),
}
COUNTED = ("cold-start", "detest")  # evaluations: the machine has no part in them


def table(name: str) -> str:
    """A table, and below it the date and the machine of its record."""
    record_name, make = TABLES[name]
    record = json.loads((RESULTS / f"{record_name}.json").read_text(encoding="utf-8"))
    machine = record["machine"]
    said = record["date"]
    if name not in COUNTED:
        said += f", {machine['cores']} cores of an {machine['cpu']}, medians"
    return f"{make(record['rows'])}\n\n*{said} (`benchmarks/results/{record_name}.json`)*"


def filled(page: str) -> str:
    """A page with every table between its marks made anew; other marks stay."""

    def fill(match: re.Match) -> str:
        name, end = match.groups()
        return f"{name}{end}\n{table(name)}\n\n" if name in TABLES else match[0]

    return MARKED.sub(fill, page)


if __name__ == "__main__":
    for path in map(Path, sys.argv[1:]):
        path.write_text(filled(path.read_text(encoding="utf-8")), encoding="utf-8")
    if not sys.argv[1:]:
        for name in TABLES:
            print(f"### {name}\n\n{table(name)}\n")
