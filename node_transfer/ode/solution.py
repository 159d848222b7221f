"""What a solve returns."""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from node_transfer.ode.trajectory import Trajectory


class Solution(NamedTuple):
    """What a solve returns.

    Attributes:
        y: Final state, a list of tensors.
        q: Final quadrature components, a list of tensors.
        outputs: For each component of the state, its values at `times[1:]`, stacked.
        trajectory: The accepted steps, or `None` where they were not asked for.
        nfe, accepted, rejected: Scalar int32 tensors.
        suited_step: The smallest step size that the error of an accepted step called just
            right, positive: what the next such solve had best start with. 0 where the
            solve failed.
        suited_rejected_step: The same of rejected steps; very large if there were none.
        status: `failure.RUNNING` where the solve reached its end.
        inner_outputs: What the outputs were computed from, where the solve was of
            another problem (`low_rank`); `y` and the trajectory are of that one then.
    """

    y: list
    q: list
    outputs: list
    trajectory: Trajectory | None
    nfe: tf.Tensor
    accepted: tf.Tensor
    rejected: tf.Tensor
    suited_step: tf.Tensor
    suited_rejected_step: tf.Tensor
    status: tf.Tensor
    inner_outputs: tf.Tensor | None = None


def reached_only(states: tf.Tensor, count: tf.Tensor) -> tf.Tensor:
    """Returns states at output times, NaN at those that a failed solve did not reach."""
    rows = tf.reshape(tf.range(tf.shape(states)[0]), [-1, *[1] * (states.shape.rank - 1)])
    return tf.where(rows < count, states, tf.cast(np.nan, states.dtype))
