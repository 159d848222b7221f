"""Scalars that may be numbers or tensors, and states, which are lists of tensors."""

import tensorflow as tf


def is_tensor(x) -> bool:
    """Whether x is a tensor or a variable, of which a gradient may be wanted."""
    return tf.is_tensor(x) or isinstance(x, tf.Variable)


def has_gradient(x: tf.Tensor) -> bool:
    """Whether it is of a kind that has a gradient: real or complex, no whole numbers."""
    return x.dtype.is_floating or x.dtype.is_complex


def check_dense(x, what: str) -> None:
    """Raises a `ValueError` for a tensor that is ragged or sparse.

    Args:
        x: Whatever was passed.
        what: The sentence's first words: "y0 is".
    """
    if isinstance(x, tf.RaggedTensor | tf.SparseTensor):
        ragged = isinstance(x, tf.RaggedTensor)
        dense = "x.to_tensor()" if ragged else "tf.sparse.to_dense(x)"
        raise ValueError(
            f"{what} a {type(x).__name__}: pass a dense tensor, such as {dense}."
        )


def all_finite(tensors: list[tf.Tensor]) -> tf.Tensor:
    """Whether no element of any of them is infinite or NaN: a scalar."""
    return tf.reduce_all([tf.reduce_all(tf.math.is_finite(x)) for x in tensors])


def scalar(value, dtype: tf.DType) -> tf.Tensor:
    """A number or tensor as a scalar of the dtype; a number keeps all its digits."""
    return tf.cast(value, dtype) if is_tensor(value) else tf.constant(value, dtype)


def add(left: list, right: list) -> list[tf.Tensor]:
    """Component-wise sum of two states."""
    return [a + b for a, b in zip(left, right, strict=True)]


def inner_product(left: list, right: list) -> tf.Tensor:
    """Sum over all components and elements of `left * right`: a scalar."""
    return tf.add_n([tf.reduce_sum(a * b) for a, b in zip(left, right, strict=True)])
