"""What does an evaluation of f with its vector-Jacobian product cost, beside TensorFlow's
own gradient of the same f?

    python -m benchmarks.vjp

Both in a loop of ten, as a solve has it; interleaved, medians.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import tensorflow as tf
from absl import app, flags
from tabulate import tabulate

from benchmarks import timing
from node_transfer.ode.vjp import RecordedEvaluation, Sources

flags.DEFINE_integer("rounds", 15, "Timed rounds.", lower_bound=1)
FLAGS = flags.FLAGS
LOOPS = 10


def by_concat(units: int, hidden: int):
    """f by hand, with the time concatenated: `(f, variables, state)`."""
    initialize = keras.initializers.GlorotUniform(seed=0)
    k1 = tf.Variable(initialize([units + 1, hidden]))
    k2 = tf.Variable(initialize([hidden, units]))

    def f(t, h):
        times = tf.fill([tf.shape(h)[0], 1], t)
        return tf.tanh(tf.concat([h, times], axis=1) @ k1) @ k2

    return f, [k1, k2], tf.random.stateless_normal([128, units], [0, 1])


def by_keras(units: int, hidden: int):
    """f of two Dense layers."""
    layers = [keras.layers.Dense(hidden, "tanh"), keras.layers.Dense(units)]
    model = keras.Sequential([keras.Input([units]), *layers])
    variables = [v.value for v in model.trainable_variables]
    return (
        lambda t, h: model(h),
        variables,
        tf.random.stateless_normal([128, units], [0, 1]),
    )


def by_convolution(filters: int, size: int):
    """f of two convolutions with a GroupNormalization between them."""
    model = keras.Sequential(
        [
            keras.Input([size, size, filters]),
            keras.layers.Conv2D(filters, 3, padding="same", activation="tanh"),
            keras.layers.GroupNormalization(4),
            keras.layers.Conv2D(filters, 3, padding="same"),
        ]
    )
    variables = [v.value for v in model.trainable_variables]
    state = tf.random.stateless_normal([32, size, size, filters], [0, 1])
    return lambda t, h: model(h), variables, state


CASES = {
    "concat, 1280 x 128": lambda: by_concat(1280, 128),
    "concat, 1280 x 1280": lambda: by_concat(1280, 1280),
    "Keras Dense, 1280 x 128": lambda: by_keras(1280, 128),
    "Keras Dense, 1280 x 1280": lambda: by_keras(1280, 1280),
    "convolutions, 32 x 8 x 8 x 64": lambda: by_convolution(64, 8),
}


def in_a_loop(evaluate, variables, state):
    """A function of ten evaluations with their products, each from the one before."""

    @tf.function(autograph=False)
    def compute():
        def body(i, h, bars):
            h, new = evaluate(h)
            return i + 1, h, [a + b for a, b in zip(bars, new, strict=True)]

        zeros = [tf.zeros_like(v) for v in variables]
        return tf.while_loop(lambda i, *_: i < LOOPS, body, (0, state, zeros))

    return lambda: [x.numpy() for x in tf.nest.flatten(compute())]


def ours(f, variables, state):
    sources = Sources((), tuple(variables), times=False)

    def evaluate(h):
        recorded = RecordedEvaluation(lambda t, y, _: [f(t, y[0])], 0.5, [h], sources)
        (h_bar,), bars, _ = recorded.vjp([0.1 * h])
        return h + 0.01 * h_bar + 0.01 * recorded.value[0], bars

    return in_a_loop(evaluate, variables, state)


def tensorflow(f, variables, state):
    def evaluate(h):
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch([h, *variables])
            dy = f(0.5, h)
        h_bar, *bars = tape.gradient(dy, [h, *variables], output_gradients=0.1 * h)
        return h + 0.01 * h_bar + 0.01 * dy, bars

    return in_a_loop(evaluate, variables, state)


def main(_):
    rows = []
    for name, make in CASES.items():
        case = make()
        times = timing.interleaved(
            {"ours": ours(*case), "tensorflow": tensorflow(*case)}, FLAGS.rounds
        )
        row = {"f": name}
        for library, milliseconds in times.items():
            row[f"{library}_ms"] = timing.summary(milliseconds)["median_ms"] / LOOPS
        row["ratio"] = round(row["ours_ms"] / row["tensorflow_ms"], 3)
        rows.append(row)
    path = timing.write("vjp", rows, quick=False)
    print(tabulate(rows, headers="keys", floatfmt=".3g"))
    print(f"\nWritten to {path}")


if __name__ == "__main__":
    app.run(main)
