"""States within a step, by the interpolant of the method, and their gradient.

With weights b_i(theta), the solution at t + theta dt is y + dt sum_i b_i(theta) k_i
(Hairer, Norsett & Wanner, Solving Ordinary Differential Equations I, section II.6). It
takes no further evaluation of f.
"""

from typing import cast

import tensorflow as tf

from node_transfer.ode.butcher_tableau import ButcherTableau


def changes(tableau: ButcherTableau, theta, dt, stages: list) -> list:
    """Returns the changes up to `t + theta dt`: tensors with a first axis for `theta`.

    Args:
        tableau: The method, which has an interpolant.
        theta: Parts of the step, 1-D.
        dt: Scalar tensor, the step's length.
        stages: The derivatives k_i, a list of states.
    """
    weights = dt * _weights(tableau, theta)
    return [tf.tensordot(weights, tf.stack(k), 1) for k in zip(*stages, strict=True)]


def stage_cotangents(tableau: ButcherTableau, theta, dt, bars: list) -> list:
    """Returns what the cotangents of the states at `t + theta dt` give to each stage.

    Args:
        tableau, theta, dt: As in `changes`.
        bars: For each component, the cotangents, with a first axis for `theta`.
    """
    weights = dt * _weights(tableau, theta)
    products = [tf.tensordot(tf.transpose(weights), bar, 1) for bar in bars]
    return [[product[i] for product in products] for i in range(tableau.num_stages)]


def time_cotangents(tableau: ButcherTableau, theta, dt, stages: list, bars: list):
    """Returns `(times_bar, t_bar, dt_bar)`: of `t + theta dt`, of t and of dt.

    Args:
        tableau, theta, dt, stages, bars: As above.
    """
    ks = [tf.stack([k[i] for k in stages]) for i in range(len(bars))]

    def products(weights):  # <bar_j, sum_i weights_ji k_i> for each j
        terms = [
            _sum_of_each(bar * tf.tensordot(weights, k, 1))
            for bar, k in zip(bars, ks, strict=True)
        ]
        return tf.add_n(terms)

    slopes = products(_weights(tableau, theta, derivative=True))
    dt_bar = tf.reduce_sum(products(_weights(tableau, theta)))
    # theta = (time - t) / dt; d(dt sum_i b_i k_i)/d(theta) = dt slope.
    return slopes, -tf.reduce_sum(slopes), dt_bar - tf.reduce_sum(slopes * theta)


def _sum_of_each(x: tf.Tensor) -> tf.Tensor:
    """Returns the sums over all axes but the first."""
    return tf.reduce_sum(x, axis=tf.range(1, tf.rank(x)))


def _weights(tableau: ButcherTableau, theta, derivative: bool = False) -> tf.Tensor:
    """Returns b_i(theta), or its derivative: shape (len(theta), stages)."""
    interpolant = cast(tuple, tableau.interpolant)
    degree = len(interpolant[0])
    if derivative:
        powers = [(n + 1) * theta**n for n in range(degree)]
    else:
        powers = [theta ** (n + 1) for n in range(degree)]
    coefficients = tf.constant(interpolant, theta.dtype)
    return tf.matmul(tf.stack(powers, axis=1), coefficients, transpose_b=True)
