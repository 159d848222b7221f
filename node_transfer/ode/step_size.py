"""How long the next step is: error norm, first step, controller, memory.

Hairer, Norsett & Wanner, Solving Ordinary Differential Equations I, section II.4 (error
norm) and IV.2 of volume II (PI controller); the first step is our own rule.
"""

import math
from typing import NamedTuple

import tensorflow as tf

SAFETY = 0.9
MIN_FACTOR = 0.1
MAX_FACTOR = 10.0
PI_BETA = 0.04  # Hairer's value for dopri5

# Of the automatic first step: the largest d h^(p+1) considered, in units of the
# tolerance; where f is probed, as a part of that; and K. Chosen on blocks as they begin
# and as training leaves them, random networks and DETEST: a K of 100 takes 0.90, 0.93
# and 1.00 times the evaluations that 30 does (geometric means), and no block one more.
FARTHEST, PROBE, ERROR_CONSTANT = 1e6, 0.1, 100.0

# The step that a solve is to start with, as a fraction of the one that its predecessor's
# errors call just right. For a method of order 5 the first fraction aims at a third of
# the tolerance, so that a batch somewhat harder than the one before rejects no step.
# Where one was rejected, its size times the second fraction becomes a ceiling, which
# rises by the third factor a solve.
MEMORY_ACCEPTED, MEMORY_REJECTED, MEMORY_RECOVERY = 0.8, 0.95, 1.002


def error_norm(error, y0, y1, rtol, atol, norm=None) -> tf.Tensor:
    """Root mean square of `error / (atol + rtol max(|y0|, |y1|))`: a scalar.

    It is a constant to a gradient.

    Args:
        error, y0, y1: Lists of tensors; complex ones count by their absolute value.
        rtol, atol: Tolerances.
        norm: What to take in place of the root mean square: a function of the list.
    """
    ratios = [
        _in_units(_real(e), atol + rtol * tf.maximum(tf.abs(a), tf.abs(b)), atol)
        for e, a, b in zip(error, y0, y1, strict=True)
    ]
    value = root_mean_square(ratios) if norm is None else norm(ratios)
    # The choice of steps is not differentiated: where the error is 0, the root's slope is
    # infinite, and a derivative of a gradient would be NaN by it.
    return tf.stop_gradient(value)


def _real(x: tf.Tensor) -> tf.Tensor:
    return tf.abs(x) if x.dtype.is_complex else x


def _in_units(error: tf.Tensor, tolerance: tf.Tensor, atol) -> tf.Tensor:
    """The error over the tolerance; where both are 0, as an `atol` of 0 makes it, 0."""
    known = tf.get_static_value(atol)
    if known is not None and known > 0:
        return error / tolerance
    is_zero = tf.equal(tolerance, 0)
    ratio = error / tf.where(is_zero, tf.ones_like(tolerance), tolerance)
    infinite = tf.fill(tf.shape(error), tf.cast(float("inf"), error.dtype))
    return tf.where(is_zero & tf.not_equal(error, 0), infinite, ratio)


def root_mean_square(tensors: list[tf.Tensor]) -> tf.Tensor:
    """Root of the mean of the squares of all elements; 0 where there are none."""
    count = tf.add_n([tf.cast(tf.size(x), x.dtype) for x in tensors])
    total = tf.add_n([tf.reduce_sum(tf.square(x)) for x in tensors])
    return tf.sqrt(total / tf.maximum(count, 1.0))


def automatic_first_step(
    func, t0, y0, dy0, interval, order, measure, image=None
) -> tf.Tensor:
    """A first step from one probe of f ahead; positive, and no longer than the interval.

    With f of the norm d, and changing by the factor 1 + r h over a step h, the error of a
    step of a method of order p is about d h (r h)^p / K, norms in units of the
    tolerance. The probe, an Euler step of a tenth of the longest step considered, gives d
    and r; the step is the one at which the estimate is 1. (Hairer's automatic step bounds
    d h^(p+1) alone, and so is short where f hardly changes along the solution, as in a
    block that begins near the identity.)

    The probe is never beyond the interval, whose length has the sign of the way.

    Args:
        func: See `runge_kutta.step`.
        t0, y0, dy0: Time, state and its derivative at the start.
        interval: See above.
        order: Order of the method.
        measure: The norm of a change of the state, or of its image.
        image: A `loop_state.Image`, or `None`.
    """
    direction, length = tf.sign(interval), tf.abs(interval)
    tiny = tf.constant(1e-30, t0.dtype)

    def log(x):
        return tf.math.log(tf.maximum(x, tiny))

    def seen(dy):
        return dy if image is None else image.changes(dy, 1.0)

    seen0 = seen(dy0)
    d0 = measure(seen0)
    farthest = tf.exp((math.log(FARTHEST) - log(d0)) / (order + 1))
    farthest = tf.minimum(length, farthest)
    probe = PROBE * farthest
    y1 = [y + direction * probe * dy for y, dy in zip(y0, dy0, strict=True)]
    seen1 = seen(func(t0 + direction * probe, y1, False)[0])
    d = tf.maximum(d0, measure(seen1))
    change = [b - a for a, b in zip(seen0, seen1, strict=True)]
    rate = measure(change) / probe / tf.maximum(d, tiny)
    size = tf.exp((math.log(ERROR_CONSTANT) - log(d) - order * log(rate)) / (order + 1))
    size = tf.minimum(farthest, size)
    return tf.where(tf.math.is_finite(rate), size, PROBE * farthest)


class Factors(NamedTuple):
    """How a step size may change from one step to the next.

    Attributes:
        safety: Part of the step just right that is taken.
        least, largest: Bounds of the factor.
    """

    safety: float = SAFETY
    least: float = MIN_FACTOR
    largest: float = MAX_FACTOR


DEFAULT_FACTORS = Factors()


def next_factor(
    ratio, previous_ratio, accepted, after_rejection, order, factors=DEFAULT_FACTORS
) -> tf.Tensor:
    """Factor from this step to the next: PI control after success, I after failure.

    Args:
        ratio: Error norm of the step just tried; above 1 or NaN where it was rejected.
        previous_ratio: Error norm of the last accepted step.
        accepted: Whether the step was accepted.
        after_rejection: Whether the try before this one was rejected.
        order: Order of the method.
        factors: Safety and bounds.
    """
    safety, least, largest = factors
    safe_ratio = tf.maximum(ratio, 1e-10)
    grow = safety * safe_ratio ** (0.75 * PI_BETA - 1.0 / order)
    grow *= tf.maximum(previous_ratio, 1e-4) ** PI_BETA
    ceiling = tf.where(after_rejection, tf.ones_like(grow), largest)
    grow = tf.clip_by_value(grow, least, ceiling)
    shrink = tf.clip_by_value(safety * safe_ratio ** (-1.0 / order), least, 1.0)
    shrink = tf.where(tf.math.is_finite(ratio), shrink, least)
    return tf.where(accepted, grow, shrink)


def suited_step(dt, ratio, order) -> tf.Tensor:
    """The positive step size that the error of a try of size `dt` calls just right."""
    size = tf.abs(dt)
    factor = tf.maximum(ratio, 1e-10) ** (-1.0 / order)
    factor = tf.where(tf.math.is_finite(ratio), factor, MIN_FACTOR)
    return size * tf.clip_by_value(factor, MIN_FACTOR, MAX_FACTOR)


def remember(memory, suited_step, suited_rejected_step) -> tf.Tensor:
    """What a solve leaves in the memory of the first step.

    Args:
        memory: Shape (2,): the step to start with, and its ceiling; zeros at first.
        suited_step: The smallest step size that an accepted step called just right; 0
            after a solve that failed, which leaves the memory as it was.
        suited_rejected_step: The same of the rejected steps; very large if there were
            none.
    """
    ceiling = tf.where(memory[1] > 0, MEMORY_RECOVERY * memory[1], suited_step.dtype.max)
    ceiling = tf.where(tf.math.is_finite(ceiling), ceiling, suited_step.dtype.max)
    ceiling = tf.minimum(ceiling, MEMORY_REJECTED * suited_rejected_step)
    learned = tf.stack([tf.minimum(MEMORY_ACCEPTED * suited_step, ceiling), ceiling])
    return tf.where(suited_step > 0, learned, memory)


def scaled(memory, before, after) -> tf.Tensor:
    """What the memory of the first step says for other tolerances of the same method.

    The error of a step of a method of order p grows as its length to the power of p, and
    is taken to be of a state of the order of 1. Longer steps are so by `MAX_FACTOR` at
    most.

    Args:
        memory: See `remember`; zeros stay zeros.
        before, after: The `StepSettings` that filled it, and those that it is for.
    """
    ratio = (after.atol + after.rtol) / (before.atol + before.rtol)
    factor = tf.cast(ratio, memory.dtype) ** (1 / after.tableau.order)
    return memory * tf.minimum(factor, MAX_FACTOR)
