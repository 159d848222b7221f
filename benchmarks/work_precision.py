"""What does an error cost? Error of h(1) against evaluations of f and against time.

    python -m benchmarks.work_precision [--quick]

Every library solves the block (H = 128, batch 128) and takes its gradient through the
steps, at tolerances from 1e-2 to 1e-7. A plot goes beside the JSON.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from absl import app, flags
from tabulate import tabulate

from benchmarks import block as blocks
from benchmarks import libraries, timing

flags.DEFINE_bool("quick", False, "Few tolerances and rounds.")
flags.DEFINE_integer("rounds", 15, "Timed rounds of each case.", lower_bound=1)
FLAGS = flags.FLAGS

ERRORS = (1e-3, 1e-4, 1e-5, 1e-6)
MARKERS = {
    "node-transfer": "o",
    "node-transfer, no memory": ".",
    "torchdiffeq": "s",
    "diffrax": "^",
    "tfp": "x",
}


def measure(tolerance: float, rounds: int, block, expected) -> list[dict]:
    """Times every library at one tolerance, interleaved."""
    functions = {
        name: make(block, tolerance, "backprop")
        for name, make in libraries.LIBRARIES.items()
    }
    times = timing.interleaved(functions, rounds)
    rows = []
    for name, milliseconds in times.items():
        h1, _, nfe = functions[name]()
        row = {"library": name, "tolerance": tolerance, **timing.summary(milliseconds)}
        row |= {"nfe": nfe, "error_h1": blocks.relative_error(h1, expected.h1)}
        rows.append(row)
    return rows


def time_for_error(rows: list[dict], error: float) -> float:
    """The least time in which a run was at least as exact, in ms; inf if none was."""
    return min((r["median_ms"] for r in rows if r["error_h1"] <= error), default=np.inf)


def plot(rows: list[dict], path) -> None:
    """Two panels: error against evaluations, error against time."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(9, 4), sharey=True)
    for library, marker in MARKERS.items():
        own = [row for row in rows if row["library"] == library]
        errors = [row["error_h1"] for row in own]
        for axis, key in zip(axes, ("nfe", "median_ms"), strict=True):
            axis.loglog([r[key] for r in own], errors, marker=marker, label=library)
    axes[0].set(xlabel="evaluations of f, forward", ylabel="relative error of h(1)")
    axes[1].set(xlabel="milliseconds, solve and gradient")
    for axis, ticks in zip(axes, ((7, 10, 20, 40), (10, 20, 50, 100, 200)), strict=True):
        axis.set_xticks(ticks, labels=map(str, ticks))
        axis.minorticks_off()
        axis.grid(True, which="both", alpha=0.3)
    figure.legend(
        *axes[0].get_legend_handles_labels(), loc="lower center", ncols=len(MARKERS)
    )
    figure.tight_layout(rect=(0, 0.07, 1, 1))
    figure.savefig(path, dpi=120)


def main(_):
    block = blocks.make_block(128, 128)
    expected = blocks.truth(block)
    rows = []
    for exponent in (-3, -5) if FLAGS.quick else (-2, -3, -4, -5, -6, -7):
        rows += measure(
            10.0**exponent, 3 if FLAGS.quick else FLAGS.rounds, block, expected
        )
        path = timing.write("work_precision", rows, FLAGS.quick)
    columns = ("tolerance", "library", "nfe", "error_h1", "median_ms")
    table = [[row[column] for column in columns] for row in rows]
    print(tabulate(table, headers=columns, floatfmt=".3g"))
    print("\nLeast milliseconds for an error of h(1) of at most:")
    table = []
    for library in libraries.LIBRARIES:
        own = [row for row in rows if row["library"] == library]
        table.append([library, *(time_for_error(own, error) for error in ERRORS)])
    print(tabulate(table, headers=["library", *map(str, ERRORS)], floatfmt=".1f"))
    plot(rows, path.with_suffix(".png"))
    print(f"\nWritten to {path} and {path.with_suffix('.png')}")


if __name__ == "__main__":
    app.run(main)
