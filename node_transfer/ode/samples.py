"""A state as matrices of one row a sample, and back."""

from typing import NamedTuple

import tensorflow as tf


class Samples(NamedTuple):
    """The shapes of a state's components, as they are and as matrices."""

    shapes: list

    @classmethod
    def of(cls, y0: list[tf.Tensor]) -> "Samples":
        """Those of a state.

        Raises:
            ValueError: A component has no axis of samples.
        """
        for x in y0:
            if x.shape.rank == 0 or x.shape.rank is None:
                raise ValueError(
                    f"y0 has shape {x.shape} and per_sample is True: the first axis must "
                    "be that of the samples."
                )
        return cls([tf.concat([[-1], tf.shape(x)[1:]], 0) for x in y0])

    def flat(self, y: list) -> list:
        return [tf.reshape(x, [tf.shape(x)[0], size_of_one(x)]) for x in y]

    def shaped(self, y: list, like: list) -> list:
        shaped = [tf.reshape(x, shape) for x, shape in zip(y, self.shapes, strict=True)]
        for x, original in zip(shaped, like, strict=True):
            x.set_shape(original.shape)
        return shaped


def size_of_one(x: tf.Tensor):
    """The number of elements of a sample."""
    static = x.shape[1:].num_elements()
    return tf.reduce_prod(tf.shape(x)[1:]) if static is None else static


def time_of_each(t: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    """One time as f is given it for a batch of states: shape `(batch, 1, ...)`."""
    return tf.fill(tf.concat([tf.shape(y)[:1], tf.ones_like(tf.shape(y)[1:])], 0), t)


def flat_func(func, samples: Samples, y0: list):
    """The right-hand side of matrices and a column of times."""

    def flat(t, y, *args):
        column = [-1] + [1] * max(y0[0].shape.rank - 1, 0)
        dy = func(tf.reshape(t, column), samples.shaped(y, y0), *args)
        return samples.flat(dy)

    return flat


def norm_of_each(ratios: list) -> tf.Tensor:
    """Root mean square of each sample's errors: a column."""
    count = sum(size_of_one(x) for x in ratios)
    total = tf.add_n([tf.reduce_sum(tf.square(x), 1, keepdims=True) for x in ratios])
    return tf.sqrt(total / tf.maximum(tf.cast(count, total.dtype), 1.0))
