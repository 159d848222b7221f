"""How does peak memory grow with the number of accepted steps?

    python -m benchmarks.memory [--quick]

Both gradients, and TensorFlow's own differentiation of the stepping loop, for the block
(H = 128, batch 128) on a grid of rk4 steps, which fixes their number. Each case is a
process of its own; peak memory is its largest resident set.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import json
import resource
import subprocess
import sys

from absl import app, flags
from tabulate import tabulate

from benchmarks import block as blocks
from benchmarks import timing

flags.DEFINE_bool("quick", False, "Few steps.")
flags.DEFINE_string("case", None, "Measure one case here: GRADIENT,STEPS.")
FLAGS = flags.FLAGS

HIDDEN, BATCH = 128, 128
STATE_BYTES = 4 * BATCH * blocks.UNITS


def solve(gradient: str, steps: int) -> None:
    """One solve with its gradient."""
    import tensorflow as tf

    from node_transfer import odeint
    from node_transfer.ode import runge_kutta
    from node_transfer.ode.tableaus import RK4

    block = blocks.make_block(HIDDEN, BATCH)
    h0 = tf.constant(block.h0)
    variables = [tf.Variable(p) for p in block.parameters]
    w1, wt, b1, w2, b2 = variables

    def f(t, h):
        return tf.tanh(h @ w1 + (t * wt + b1)) @ w2 + b2

    def plain(h0):
        def one_step(i, h):
            t = tf.cast(i, tf.float32) / steps
            first = ([f(t, h)], [])
            (h,), _, _, _ = runge_kutta.step(
                RK4, lambda t, y, _: ([f(t, y[0])], []), t, tf.constant(1 / steps), [h],
                first,
            )  # fmt: skip
            return i + 1, h

        return tf.while_loop(lambda i, _: i < steps, one_step, (0, h0))[1]

    def ours(h0):
        return odeint(
            f, h0, [0.0, 1.0], method="rk4", gradient=gradient,
            options={"num_steps": steps},
        )[-1]  # fmt: skip

    @tf.function(autograph=False)
    def compute():
        with tf.GradientTape() as tape:
            tape.watch(h0)
            loss = tf.reduce_mean((plain if gradient == "plain" else ours)(h0) ** 2)
        return tape.gradient(loss, [h0, *variables])

    compute()


def peak_bytes(gradient: str, steps: int) -> int:
    """Peak memory of a process that does nothing else."""
    output = subprocess.run(
        [sys.executable, "-m", "benchmarks.memory", f"--case={gradient},{steps}"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    return json.loads(output.strip().splitlines()[-1])["peak_bytes"]


def main(_):
    if FLAGS.case:
        gradient, steps = FLAGS.case.split(",")
        solve(gradient, int(steps))
        peak = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print(json.dumps({"peak_bytes": peak}))
        return
    counts = (8, 64) if FLAGS.quick else (8, 32, 128, 512)
    rows = []
    for gradient in ("backprop", "adjoint", "plain"):
        peaks = {steps: peak_bytes(gradient, steps) for steps in counts}
        growth = peaks[counts[-1]] - peaks[counts[0]]
        slope = growth / (counts[-1] - counts[0]) / STATE_BYTES
        rows += [
            {"gradient": gradient, "steps": steps, "peak_mib": round(peak / 2**20, 1)}
            for steps, peak in peaks.items()
        ]
        rows[-1]["states_a_step"] = round(slope, 3)
        rows[-1]["over_first"] = round(peaks[counts[-1]] / peaks[counts[0]], 3)
    path = timing.write("memory", rows, FLAGS.quick)
    print(tabulate(rows, headers="keys"))
    print(f"\nOne state is {STATE_BYTES / 2**20:.3f} MiB. Written to {path}")


if __name__ == "__main__":
    app.run(main)
