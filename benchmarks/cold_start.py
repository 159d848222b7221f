"""How many evaluations does a solve take that knows nothing of the one before?

    python -m benchmarks.cold_start --models=NAME=RUN/model.keras,...

On the paper's block with weights as they begin and as real runs left them (features of
the first test images), in ours and in its peers, and on twenty random networks, in ours
and in SciPy's RK45. Evaluations are counted, so nothing here depends on the machine.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import math

import keras
import numpy as np
import scipy.integrate
import scipy.special
import tensorflow as tf
from absl import app, flags
from tabulate import tabulate

import node_transfer
from benchmarks import blocks_of_models, libraries, timing
from benchmarks.block import make_block, relative_error, truth

flags.DEFINE_list(
    "models",
    [],
    "NAME=MODEL of runs with a block of DenseDynamics; MODEL:CHECKPOINT for an earlier "
    "epoch.",
)
flags.DEFINE_integer("images", 128, "Test images whose features are solved.")
FLAGS = flags.FLAGS
TOLERANCES = (1e-3, 1e-5, 1e-7)
ACTIVATIONS = {
    "tanh": np.tanh,
    "swish": lambda x: x * scipy.special.expit(x),
    "softplus": lambda x: np.logaddexp(x, 0.0),
    "sigmoid": scipy.special.expit,
}
LIBRARIES = ("node-transfer, odeint", "torchdiffeq", "diffrax", "tfp")


def block_rows(name: str, block) -> list[dict]:
    """Evaluations and error of h(1) of each library on a block."""
    expected, rows = truth(block), []
    for tolerance in TOLERANCES:
        row = {"problem": name, "tolerance": tolerance}
        for library in LIBRARIES:
            solve = libraries.LIBRARIES[library](block, tolerance, "backprop")
            h1, _, nfe = solve()
            row[library] = nfe
            row[f"{library} error"] = relative_error(h1, expected.h1)
        counted = [row[library] for library in LIBRARIES[1:] if row[library] > 0]
        row["over_best"] = round(row[LIBRARIES[0]] / min(counted), 3)
        rows.append(row)
    return rows


def random_dynamics(seed: int):
    """A random network in float64 and a state: depth, width and slope vary.

    Returns:
        f(t, y) in TensorFlow, the same in NumPy, and the state at t = 0.
    """
    rng = np.random.default_rng(seed)
    units, hidden = int(rng.integers(2, 64)), int(rng.integers(4, 128))
    activation = rng.choice(list(ACTIVATIONS))
    keras.utils.set_random_seed(seed)
    # No keras.Sequential, which makes its input float32.
    layers = [keras.layers.Dense(hidden, activation, dtype="float64")]
    if rng.integers(2):
        layers.append(keras.layers.Dense(hidden, activation, dtype="float64"))
    layers.append(keras.layers.Dense(units, dtype="float64"))
    scale = 10 ** rng.uniform(-1, 1)

    def f(t, y):
        times = tf.fill([tf.shape(y)[0], 1], tf.cast(t, tf.float64))
        y = tf.concat([y, times], axis=1)
        for layer in layers:
            y = layer(y)
        return scale * y

    def f_numpy(t, y):
        y = np.concatenate([y, np.full((len(y), 1), t)], axis=1)
        for weights, bias in kernels[:-1]:
            y = ACTIVATIONS[activation](y @ weights + bias)
        weights, bias = kernels[-1]
        return scale * (y @ weights + bias)

    y0 = rng.normal(size=(4, units))
    f(0.0, y0)  # builds the layers
    kernels = [layer.get_weights() for layer in layers]
    return f, f_numpy, y0


def random_rows(seed: int) -> list[dict]:
    """Evaluations and errors, ours and SciPy's, on one random network."""
    f, f_numpy, y0 = random_dynamics(seed)
    np.testing.assert_allclose(f_numpy(0.25, y0), f(0.25, y0), rtol=1e-12, atol=1e-12)

    def flat(t, y):
        return np.ravel(f_numpy(t, y.reshape(y0.shape)))

    def by_scipy(method, tolerance):
        return scipy.integrate.solve_ivp(
            flat, (0, 1), y0.ravel(), method=method, rtol=tolerance, atol=tolerance
        )

    @tf.function(autograph=False)
    def ours(tolerance):
        return node_transfer.odeint(
            f, tf.constant(y0), [0.0, 1.0], rtol=tolerance, atol=tolerance,
            full_output=True,
        )  # fmt: skip

    expected, rows = by_scipy("DOP853", 1e-12).y[:, -1], []
    for tolerance in TOLERANCES:
        states, info = ours(tf.constant(tolerance, tf.float64))
        scipys = by_scipy("RK45", tolerance)
        rows.append(
            {
                "problem": f"random network {seed}",
                "tolerance": tolerance,
                "node-transfer, odeint": int(info.nfe),
                "scipy": scipys.nfev,
                "error": float(np.abs(np.ravel(states[-1]) - expected).max() / tolerance),
                "scipy error": float(
                    np.abs(scipys.y[:, -1] - expected).max() / tolerance
                ),
            }
        )
    return rows


def main(_):
    blocks = {f"as it begins, H = {h}": make_block(h, FLAGS.images) for h in (128, 1280)}
    for name, _, path in (model.partition("=") for model in FLAGS.models):
        blocks[name] = blocks_of_models.block_of(path, FLAGS.images)
    rows = [row for name, block in blocks.items() for row in block_rows(name, block)]
    print(tabulate(rows, headers="keys", floatfmt=".2g"))
    others = [row for seed in range(20) for row in random_rows(seed)]
    print(tabulate(others, headers="keys", floatfmt=".2g"))
    ratios = [row["node-transfer, odeint"] / row["scipy"] for row in others]
    mean = math.exp(np.mean(np.log(ratios)))
    print(f"\nRandom networks: {mean:.3f} of SciPy's evaluations (geometric mean).")
    print(f"Written to {timing.write('cold_start', rows + others, quick=False)}")


if __name__ == "__main__":
    app.run(main)
