"""How long does one solve with its gradient take, beside torchdiffeq, diffrax and TFP?

    python -m benchmarks.solver_speed [--quick] [--hidden=1280]

With `--hidden` only those widths are measured; of others the record keeps what it has.
"""

import json
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from absl import app, flags
from tabulate import tabulate

from benchmarks import block as blocks
from benchmarks import libraries, timing

flags.DEFINE_bool("quick", False, "One size and few rounds.")
flags.DEFINE_integer("rounds", 15, "Timed rounds of a case.", lower_bound=1)
flags.DEFINE_float(
    "seconds", 60.0, "A case that takes longer is timed in fewer rounds, 5 at least."
)
flags.DEFINE_list("hidden", ["128", "1280"], "Hidden units of the blocks.")
FLAGS = flags.FLAGS


def cases(quick: bool):
    """Yields `(hidden, batch, tolerance)`."""
    for hidden in (128,) if quick else map(int, FLAGS.hidden):
        batches = (32, 128, 512) if hidden == 128 else (32, 128)
        for batch in (128,) if quick else batches:
            for tolerance in (1e-5,) if quick else (1e-3, 1e-5):
                yield hidden, batch, tolerance


def measure(hidden: int, batch: int, tolerance: float, rounds: int) -> list[dict]:
    """Times every library and gradient on one block, in one interleaved run."""
    block = blocks.make_block(hidden, batch)
    expected = blocks.truth(block)
    functions = {("unit", ""): libraries.unit(block)}
    for name, make in libraries.LIBRARIES.items():
        for gradient in libraries.GRADIENTS:
            functions[name, gradient] = make(block, tolerance, gradient)
    times = timing.interleaved(functions, rounds, seconds=FLAGS.seconds)
    rows = []
    for (name, gradient), milliseconds in times.items():
        row = {"hidden": hidden, "batch": batch, "tolerance": tolerance}
        row |= {"library": name, "gradient": gradient, **timing.summary(milliseconds)}
        if gradient:
            h1, gradients, nfe = functions[name, gradient]()
            row["nfe"] = nfe
            row["error_h1"] = blocks.relative_error(h1, expected.h1)
            row["error_gradient"] = blocks.relative_error(gradients, expected.gradients)
        rows.append(row)
    ours = {
        r["gradient"]: r["median_ms"] for r in rows if r["library"] == "node-transfer"
    }
    one = rows[0]["median_ms"]  # one f with its vector-Jacobian product
    for row in rows:
        if row["gradient"]:
            row["over_evaluations"] = round(row["median_ms"] / (row["nfe"] * one), 3)
            row["ours_over_this"] = round(ours[row["gradient"]] / row["median_ms"], 3)
    return rows


def kept_rows() -> list[dict]:
    """Rows of the record that are of widths which are not measured now."""
    path = timing.RESULTS / "solver_speed.json"
    if FLAGS.quick or not path.exists():
        return []
    rows = json.loads(path.read_text())["rows"]
    return [row for row in rows if str(row["hidden"]) not in FLAGS.hidden]


def main(_):
    rows = kept_rows()
    for case in cases(FLAGS.quick):
        rows += measure(*case, rounds=5 if FLAGS.quick else FLAGS.rounds)
    rows.sort(key=lambda row: row["hidden"])
    path = timing.write("solver_speed", rows, FLAGS.quick)
    columns = (
        "hidden", "batch", "tolerance", "library", "gradient", "median_ms", "nfe",
        "error_h1", "error_gradient", "over_evaluations", "ours_over_this",
    )  # fmt: skip
    table = [[row.get(column) for column in columns] for row in rows]
    print(tabulate(table, headers=columns, floatfmt=".3g"))
    print(f"\nWritten to {path}")


if __name__ == "__main__":
    app.run(main)
