"""Properties that hold for every dynamics, checked on random ones."""

import hypothesis
import hypothesis.strategies as st
import numpy as np
import tensorflow as tf

from node_transfer import odeint

SETTINGS = hypothesis.settings(max_examples=15, deadline=None, derandomize=True)
SEEDS = st.integers(0, 10_000)
TIGHT = {"rtol": 1e-9, "atol": 1e-9}


@tf.function(
    input_signature=[
        tf.TensorSpec([3, 3], tf.float64),
        tf.TensorSpec([None, 3], tf.float64),
        tf.TensorSpec([None], tf.float64),
    ]
)
def solve(matrix, y0, t):
    """The states of dy/dt = tanh(y A) cos(t) at the times."""
    return odeint(
        lambda t, y, matrix: tf.tanh(y @ matrix) * tf.cos(t),
        y0, t, constants={"matrix": matrix}, **TIGHT,
    )  # fmt: skip


def random_problem(seed):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(3, 3)), rng.normal(size=(4, 3))


@SETTINGS
@hypothesis.given(SEEDS, st.floats(0.1, 3.0))
def test_going_back_in_time_returns_to_the_start(seed, t1):
    matrix, y0 = random_problem(seed)
    end = solve(matrix, y0, [0.0, t1])[-1]
    assert np.allclose(solve(matrix, end, [t1, 0.0])[-1], y0, atol=1e-5)


@SETTINGS
@hypothesis.given(SEEDS, st.floats(0.05, 0.95))
def test_stopping_on_the_way_changes_nothing(seed, s):
    matrix, y0 = random_problem(seed)
    whole = solve(matrix, y0, [0.0, 1.0])[-1]
    through = solve(matrix, y0, [0.0, s, 1.0])
    second = solve(matrix, solve(matrix, y0, [0.0, s])[-1], [s, 1.0])[-1]
    assert np.allclose(through[-1], whole, atol=1e-7)
    assert np.allclose(second, whole, atol=1e-7)


@SETTINGS
@hypothesis.given(SEEDS, st.permutations(range(4)))
def test_order_of_the_batch_does_not_matter(seed, order):
    matrix, y0 = random_problem(seed)
    plain = solve(matrix, y0, [0.0, 1.0])[-1].numpy()
    permuted = solve(matrix, y0[list(order)], [0.0, 1.0])[-1].numpy()
    assert np.allclose(permuted, plain[list(order)], atol=1e-12)
