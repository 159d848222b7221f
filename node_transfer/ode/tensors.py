"""Scalars that may be numbers or tensors, and states, which are lists of tensors."""

import tensorflow as tf


def is_tensor(x) -> bool:
    """Whether x is a tensor or a variable, of which a gradient may be wanted."""
    return tf.is_tensor(x) or isinstance(x, tf.Variable)


def has_gradient(x: tf.Tensor) -> bool:
    """Whether it is of a kind that has a gradient: real or complex, no whole numbers."""
    return x.dtype.is_floating or x.dtype.is_complex


def scalar(value, dtype: tf.DType) -> tf.Tensor:
    """A number or tensor as a scalar of the dtype; a number keeps all its digits."""
    return tf.cast(value, dtype) if is_tensor(value) else tf.constant(value, dtype)


def add(left: list, right: list) -> list[tf.Tensor]:
    """Component-wise sum of two states."""
    return [a + b for a, b in zip(left, right, strict=True)]


def inner_product(left: list, right: list) -> tf.Tensor:
    """Sum over all components and elements of `left * right`: a scalar."""
    return tf.add_n([tf.reduce_sum(a * b) for a, b in zip(left, right, strict=True)])
