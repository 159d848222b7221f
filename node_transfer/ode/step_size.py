"""How long the next step is: error norm, first step, controller, memory.

Hairer, Norsett & Wanner, Solving Ordinary Differential Equations I, sections II.4
(automatic first step, error norm) and IV.2 of volume II (PI controller).
"""

import tensorflow as tf

SAFETY = 0.9
MIN_FACTOR = 0.1
MAX_FACTOR = 10.0
PI_BETA = 0.04  # Hairer's value for dopri5

# A remembered step is kept as long as it is neither clearly too long nor clearly too
# short: between these multiples of the step that the error estimate calls just right.
# The gap is what stops a solve from trying one step fewer at every other batch.
MEMORY_SHRINK, MEMORY_GROW = 0.98, 0.85


def error_norm(error, y0, y1, rtol, atol) -> tf.Tensor:
    """Root mean square of `error / (atol + rtol max(|y0|, |y1|))`: a scalar."""
    squares, count = [], 0.0
    for e, a, b in zip(error, y0, y1, strict=True):
        scale = atol + rtol * tf.maximum(tf.abs(a), tf.abs(b))
        squares.append(tf.reduce_sum(tf.square(e / scale)))
        count += tf.cast(tf.size(e), e.dtype)
    return tf.sqrt(tf.add_n(squares) / count)


def first_step(func, t0, y0, dy0, direction, order, rtol, atol) -> tf.Tensor:
    """Hairer's automatic first step, positive; costs one evaluation of f."""
    tiny = tf.constant(1e-10, t0.dtype)
    d0 = error_norm(y0, y0, y0, rtol, atol)
    d1 = error_norm(dy0, y0, y0, rtol, atol)
    h0 = tf.where((d0 < 1e-5) | (d1 < 1e-5), tf.cast(1e-6, t0.dtype), 0.01 * d0 / d1)
    y1 = [y + direction * h0 * dy for y, dy in zip(y0, dy0, strict=True)]
    dy1, _ = func(t0 + direction * h0, y1, False)
    change = [b - a for a, b in zip(dy0, dy1, strict=True)]
    d2 = error_norm(change, y0, y0, rtol, atol) / h0
    steepest = tf.maximum(d1, d2)
    h1 = tf.where(
        steepest <= 1e-15,
        tf.maximum(1e-3 * h0, 1e-6),
        (0.01 / tf.maximum(steepest, tiny)) ** (1.0 / (order + 1)),
    )
    return tf.minimum(100.0 * h0, h1)


def next_factor(ratio, previous_ratio, accepted, after_rejection, order) -> tf.Tensor:
    """Factor from this step to the next: PI control after success, I after failure.

    Args:
        ratio: Error norm of the step just tried; above 1 or NaN where it was rejected.
        previous_ratio: Error norm of the last accepted step.
        accepted: Whether the step was accepted.
        after_rejection: Whether the try before this one was rejected.
        order: Order of the method.
    """
    safe_ratio = tf.maximum(ratio, 1e-10)
    grow = SAFETY * safe_ratio ** (0.75 * PI_BETA - 1.0 / order)
    grow *= tf.maximum(previous_ratio, 1e-4) ** PI_BETA
    ceiling = tf.where(after_rejection, tf.ones_like(grow), MAX_FACTOR)
    grow = tf.clip_by_value(grow, MIN_FACTOR, ceiling)
    shrink = tf.clip_by_value(SAFETY * safe_ratio ** (-1.0 / order), MIN_FACTOR, 1.0)
    shrink = tf.where(tf.math.is_finite(ratio), shrink, MIN_FACTOR)
    return tf.where(accepted, grow, shrink)


def remembered_step(dt, ratio, order) -> tf.Tensor:
    """The positive step size to remember after a try of size `dt`."""
    size = tf.abs(dt)
    right = size * tf.maximum(ratio, 1e-10) ** (-1.0 / order)
    right = tf.where(tf.math.is_finite(ratio), right, MIN_FACTOR * size)
    right = tf.minimum(right, MAX_FACTOR * size)
    return tf.clip_by_value(size, MEMORY_GROW * right, MEMORY_SHRINK * right)
