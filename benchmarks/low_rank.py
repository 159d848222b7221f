"""What does a solve gain in the width of the dynamics' hidden layer, by the shape?

    python -m benchmarks.low_rank [--quick]

`ODELayer(DenseDynamics)` with its gradient, as it trains, and the same solve as it comes,
interleaved; the block of `benchmarks/block.py` in other widths.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from unittest import mock

from absl import app, flags

from benchmarks import block as blocks
from benchmarks import libraries, tables, timing

flags.DEFINE_bool("quick", False, "The paper's shape alone.")
flags.DEFINE_integer("rounds", 15, "Timed rounds of each case.", lower_bound=1)
FLAGS = flags.FLAGS

# Batch, width of the state, hidden units: the paper's block first.
CASES = (
    (128, 1280, 128), (128, 1280, 320), (128, 1280, 640), (32, 512, 128), (32, 256, 64),
    (32, 128, 64), (32, 128, 16), (32, 64, 16),
)  # fmt: skip


def solving(batch: int, width: int, hidden: int, gradient: str, in_few: bool):
    """A function that solves and differentiates, traced, and its solve's evaluations."""
    from node_transfer.ode import low_rank

    solve = libraries.ours(blocks.make_block(hidden, batch, width), 1e-5, gradient)
    least = 0 if in_few else float("inf")
    with mock.patch.multiple(low_rank, LEAST_WIDTH=least, LEAST_RATIO=least):
        for _ in range(3):  # traced here; until the first step is the one remembered
            _, _, nfe = solve()
    return solve, nfe


def measured(batch: int, width: int, hidden: int, gradient: str) -> dict:
    """Both ways on one shape."""
    few, nfe = solving(batch, width, hidden, gradient, in_few=True)
    plain, _ = solving(batch, width, hidden, gradient, in_few=False)
    times = timing.interleaved({"few": few, "plain": plain}, FLAGS.rounds)
    few_ms, plain_ms = (timing.summary(t)["median_ms"] for t in times.values())
    return {
        "batch": batch,
        "width": width,
        "hidden": hidden,
        "gradient": gradient,
        "nfe": nfe,
        "few_ms": round(few_ms, 2),
        "plain_ms": round(plain_ms, 2),
        "ratio": round(few_ms / plain_ms, 3),
    }


def main(_):
    rows = [
        measured(*case, gradient)
        for case in CASES[: 1 if FLAGS.quick else None]
        for gradient in ("backprop", "adjoint")
    ]
    path = timing.write("low_rank", rows, FLAGS.quick)
    print(tables.low_rank(rows))
    print(f"\nWritten to {path}")


if __name__ == "__main__":
    app.run(main)
