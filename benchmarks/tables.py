"""The benchmarks' tables as Markdown, from their JSON: what README shows.

python -m benchmarks.tables
"""

import json

from tabulate import tabulate

from benchmarks.timing import RESULTS

COLUMNS = {
    "solver_speed": (
        "hidden", "tolerance", "library", "gradient", "median_ms", "nfe", "error_h1",
        "error_gradient", "over_evaluations", "ours_over_this",
    ),
    "work_precision": ("tolerance", "library", "nfe", "error_h1", "median_ms"),
    "memory": ("gradient", "steps", "peak_mib", "states_a_step", "over_first"),
    "train_step": ("model", "median_ms", "over_baseline", "nfe_forward", "nfe_backward"),
}  # fmt: skip


def table(name: str, rows: list[dict]) -> str:
    """One benchmark's table; of solver_speed only batch 128, the paper's."""
    if name == "solver_speed":
        rows = [row for row in rows if row["batch"] == 128 and row["gradient"]]
    cells = [[row.get(column) for column in COLUMNS[name]] for row in rows]
    return tabulate(cells, headers=COLUMNS[name], tablefmt="github", floatfmt=".3g")


if __name__ == "__main__":
    for name in COLUMNS:
        record = json.loads((RESULTS / f"{name}.json").read_text())
        machine = record["machine"]
        print(
            f"### {name}, {record['date']}, {machine['cores']} cores, {machine['cpu']}\n"
        )
        print(table(name, record["rows"]) + "\n")
