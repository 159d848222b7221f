"""The accepted steps of a solve, kept in TensorArrays."""

from typing import NamedTuple

import tensorflow as tf


class Trajectory(NamedTuple):
    """The accepted steps, as needed to go back through them: TensorArrays.

    `grid[i]` is `(t, dt)` of step i; `output[i]` the index of the output time that it
    ends on, or 0; `states[j][i]` component j of the state at its start.
    """

    grid: tf.TensorArray
    output: tf.TensorArray
    states: list[tf.TensorArray]

    @classmethod
    def empty(cls, y0: list[tf.Tensor], dtype: tf.DType) -> "Trajectory":
        """One without a step, for states like `y0` and times of the dtype."""
        return cls(
            grid=array_of(tf.zeros([2], dtype), 0, dynamic=True),
            output=array_of(tf.constant(0), 0, dynamic=True),
            states=[array_of(x, 0, dynamic=True) for x in y0],
        )

    def write(self, i, grid, ends_on, y: list[tf.Tensor]) -> "Trajectory":
        """The trajectory with step i, in place of what was written there before."""
        states = zip(self.states, y, strict=True)
        return Trajectory(
            grid=self.grid.write(i, grid),
            output=self.output.write(i, ends_on),
            states=[array.write(i, x) for array, x in states],
        )


def array_of(x: tf.Tensor, size, dynamic: bool = False) -> tf.TensorArray:
    """A TensorArray for tensors like `x`, whose entries may be written again."""
    return tf.TensorArray(
        x.dtype,
        size=size,
        dynamic_size=dynamic,
        element_shape=x.shape,
        clear_after_read=False,
    )
