"""The accepted steps of a solve, kept in TensorArrays."""

from typing import NamedTuple

import tensorflow as tf


class Trajectory(NamedTuple):
    """The accepted steps, as needed to go back through them: TensorArrays.

    `grid[i]` is `(t, dt)` of step i; `passed[i]` is `(low, high, lands, anchor)`: of all
    times it passes those with the indices from low to high - 1, and ends on the last of
    them exactly where `lands` is 1; `anchor` is the index of the time that the solve was
    exactly on last. `states[j][i]` is component j of the state at the step's start.
    """

    grid: tf.TensorArray | tf.Tensor
    passed: tf.TensorArray | tf.Tensor
    states: list[tf.TensorArray | tf.Tensor]

    @classmethod
    def empty(cls, y0: list[tf.Tensor], dtype: tf.DType, size) -> "Trajectory":
        """One without a step, for states like `y0` and times of the dtype.

        Args:
            y0: Initial state.
            dtype: That of the times.
            size: Most steps that it is to hold; `None` where that is not known.
        """
        return cls(
            grid=array_of(tf.zeros([2], dtype), size),
            passed=array_of(tf.zeros([4], tf.int32), size),
            states=[array_of(x, size) for x in y0],
        )

    def write(self, i, grid, passed, y: list[tf.Tensor]) -> "Trajectory":
        """The trajectory with step i, in place of what was written there before."""
        states = zip(self.states, y, strict=True)
        return Trajectory(
            grid=self.grid.write(i, grid),
            passed=self.passed.write(i, passed),
            states=[array.write(i, x) for array, x in states],
        )

    def step(self, i):
        """Returns step i: `(t, dt)`, what it passed, and the state at its start."""
        return (
            tf.unstack(_entry(self.grid, i)),
            self.passed_by(i),
            [_entry(array, i) for array in self.states],
        )

    def passed_by(self, i) -> list[tf.Tensor]:
        """What step i passed."""
        return tf.unstack(_entry(self.passed, i))

    def size(self) -> tf.Tensor:
        """The number of steps in it."""
        return tf.shape(self.grid)[0] if tf.is_tensor(self.grid) else self.grid.size()

    def settled(self) -> "Trajectory":
        """The trajectory of a finished solve, as it can be read from a graph, too.

        Eagerly a TensorArray is a list, which takes no symbolic index, such as that of
        the loop in which `batch_jacobian` goes back.
        """
        if not tf.executing_eagerly() or not self.size():
            return self
        return self.stacked(self.size())

    def stacked(self, count) -> "Trajectory":
        """The first steps of it, so many, as tensors."""
        grid, passed, *states = (
            array if tf.is_tensor(array) else array.stack()
            for array in (self.grid, self.passed, *self.states)
        )
        return Trajectory(grid[:count], passed[:count], [x[:count] for x in states])


def _entry(array, i) -> tf.Tensor:
    """Entry i of a TensorArray, or of a tensor along its first axis."""
    return array[i] if tf.is_tensor(array) else array.read(i)


def array_of(x: tf.Tensor, size) -> tf.TensorArray:
    """A TensorArray for tensors like `x`, whose entries may be written again.

    It has the given size, or grows where that is `None`.
    """
    return tf.TensorArray(
        x.dtype,
        size=0 if size is None else size,
        dynamic_size=size is None,
        element_shape=x.shape,
        clear_after_read=False,
    )
