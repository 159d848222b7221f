"""What does XLA give? The layer's solve with its gradient, compiled by it and not.

    python -m benchmarks.xla

On the paper's block at batch 128, with the weights it begins with; interleaved, medians.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import tensorflow as tf
from absl import app, flags
from tabulate import tabulate

from benchmarks import timing
from benchmarks.block import make_block
from node_transfer import DenseDynamics, ODELayer

flags.DEFINE_integer("rounds", 15, "Timed rounds.", lower_bound=1)
flags.DEFINE_integer("batch", 128, "Samples.", lower_bound=1)
FLAGS = flags.FLAGS
SOLVERS = {
    "rk4, 4 steps": {"method": "rk4", "options": {"num_steps": 4}},
    "dopri5, 1e-5, at most 16 steps": {"options": {"max_num_steps": 16}},
    "dopri5, 1e-5, at most 64 steps": {"options": {"max_num_steps": 64}},
}


def solve(block, jit_compile: bool, gradient: str, **solver):
    """A function without arguments: one solve of the layer, and its gradient."""
    dynamics = DenseDynamics(block.w1.shape[1])
    layer = ODELayer(dynamics, rtol=1e-5, atol=1e-5, gradient=gradient, **solver)
    layer.build(block.h0.shape)
    layer.dynamics.set_weights(block.parameters)
    variables = [v.value for v in layer.trainable_variables]

    @tf.function(autograph=False, jit_compile=jit_compile)
    def compute(h0):
        with tf.GradientTape() as tape:
            tape.watch(h0)
            loss = tf.reduce_mean(layer(h0, training=True) ** 2)
        return tape.gradient(loss, [h0, *variables])

    h0 = tf.constant(block.h0)
    return lambda: [g.numpy() for g in compute(h0)]


def measure(hidden: int, rounds: int) -> list[dict]:
    """Times every solver and gradient, with and without XLA, in one run."""
    block, functions = make_block(hidden, FLAGS.batch), {}
    for name, solver in SOLVERS.items():
        for gradient in ("backprop", "adjoint"):
            for jit in (False, True):
                functions[name, gradient, jit] = solve(block, jit, gradient, **solver)
    times = timing.interleaved(functions, rounds)
    rows = []
    for name, gradient, _ in [key for key in functions if key[2]]:
        plain, xla = (
            timing.summary(times[name, gradient, jit])["median_ms"]
            for jit in (False, True)
        )
        row = {"hidden": hidden, "solver": name, "gradient": gradient}
        rows.append(row | {"ms": plain, "xla_ms": xla, "xla_over": round(xla / plain, 3)})
    return rows


def main(_):
    rows = [row for hidden in (128, 1280) for row in measure(hidden, FLAGS.rounds)]
    print(tabulate(rows, headers="keys"))
    print(f"\nWritten to {timing.write('xla', rows, quick=False)}")


if __name__ == "__main__":
    app.run(main)
