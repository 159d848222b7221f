"""What becomes of a step once its error is known, and how long the first one is."""

import functools

import numpy as np
import tensorflow as tf

from node_transfer.ode import failure, runge_kutta, step_size
from node_transfer.ode.loop_state import LoopState, StepSettings
from node_transfer.ode.tensors import scalar


def first_step(
    settings: StepSettings, func, t0, y0, times, first, given, seen=(), is_given=None
):
    """Returns the first step's size and the evaluations of f spent before it.

    Args:
        settings: Method, tolerances and bounds.
        func: See `runge_kutta.step`.
        t0: The initial time, a scalar, or a column for samples with steps of their own.
        y0: Initial state.
        times: The output times, the initial one first.
        first: `(dy, dq)` at the start, or `()` if it has not been evaluated.
        given: The size, a number or scalar tensor; 0 or `None` chooses it.
        seen: What an image starts from, where there is one.
        is_given: Whether it is given, where that is known by more than the size.
    """
    tableau, dtype = settings.tableau, times.dtype
    startup_nfe = tf.constant(int(tableau.first_same_as_last))
    way = (times[-1] if settings.interpolates else times[1]) - times[0]
    interval = tf.abs(way)
    if not tableau.adaptive:
        return interval / settings.num_steps, startup_nfe
    given = scalar(0.0 if given is None else given, dtype)
    if is_given is None:
        is_given = given > 0  # NaN counts as not given

    def choose():
        dy0 = first[0] if first else func(t0, y0, False)[0]
        rtol, atol = scalar(settings.rtol, dtype), scalar(settings.atol, dtype)
        measure = functools.partial(
            step_size.error_norm,
            y0=seen or y0,
            y1=seen or y0,
            rtol=rtol,
            atol=atol,
            norm=settings.norm,
        )
        return step_size.automatic_first_step(
            func, t0, y0, dy0, way, tableau.order, measure, settings.image
        )

    known = tf.get_static_value(given)  # a number: no branch, which some formats lack
    if known is None:
        size = tf.cond(is_given, lambda: given * tf.ones_like(t0), choose)
    else:
        size = given * tf.ones_like(t0) if known > 0 else choose()
    size = tf.where(tf.math.is_finite(size), size, interval)
    least = tf.maximum(smallest(t0, interval), np.finfo(dtype.as_numpy_dtype).tiny)
    size = tf.where(is_given, size, tf.maximum(size, least))  # of no interval: not 0
    chosen_nfe = 1 if tableau.first_same_as_last else 2
    nfe = startup_nfe + tf.where(is_given, 0, chosen_nfe)
    return bounded(size, settings), nfe


def error_ratio(
    settings: StepSettings, stages: list, dt, loop: LoopState, moved: LoopState
) -> tf.Tensor:
    """Returns the norm of the estimated error of a step, in units of the tolerance.

    Args:
        settings: Method, tolerances and norm.
        stages: `(dy, dq)` of each stage.
        dt: The step's length.
        loop, moved: The state before the step, and after it.
    """
    tableau = settings.tableau
    y0, y1 = list(loop.y), list(moved.y)
    derivatives = [dy for dy, _ in stages]
    image = settings.image
    if image is not None:
        y0, y1 = list(loop.seen), list(moved.seen)
    elif settings.controls_quadrature:
        y0, y1 = y0 + loop.q, y1 + moved.q
        nothing = [tf.zeros_like(x) for x in loop.q]
        derivatives = [[*dy, *(dq or nothing)] for dy, dq in stages]

    def error(weights):
        change = runge_kutta.combine(dt, weights, derivatives)
        return change if image is None else image.changes(change)  # weights add up to 0

    def norm(weights):
        return step_size.error_norm(
            error(weights),
            y0,
            y1,
            scalar(settings.rtol, dt.dtype),
            scalar(settings.atol, dt.dtype),
            settings.norm,
        )

    ratio = norm(tableau.error)
    if tableau.second_error is None:
        return ratio
    square = tf.square(ratio) + 0.01 * tf.square(norm(tableau.second_error))
    return tf.math.divide_no_nan(tf.square(ratio), tf.sqrt(square))


def accept_or_reject(
    settings: StepSettings, loop: LoopState, moved: LoopState, ratio, lands, span
) -> LoopState:
    """What the loop goes on from, given the error norm of the step just tried.

    Args:
        settings: Method and limits.
        loop, moved: The state before the step, and as it is if the step is accepted.
        ratio: The step's `error_ratio`.
        lands: Whether the step ends where the loop aims.
        span: Length of the whole interval.
    """
    order = settings.tableau.order
    length = tf.abs(moved.tried)
    accepted = ratio <= 1.0  # never true for NaN
    if settings.min_step is not None:
        # One per mille of slack, since the clock has rounded the length.
        as_short = length <= 1.001 * scalar(settings.min_step, length.dtype)
        accepted |= tf.math.is_finite(ratio) & as_short
    y, q, first, seen = _chosen(
        accepted,
        (moved.y, moved.q, moved.first, moved.seen),
        (loop.y, loop.q, loop.first, loop.seen),
    )
    suited_step = step_size.suited_step(moved.tried, ratio, order)
    size = length * step_size.next_factor(
        ratio, loop.ratio, accepted, loop.after_rejection, order, settings.factors
    )
    # A step cut short by an output time says nothing against the size proposed.
    size = tf.where(accepted & lands, tf.maximum(size, loop.size), size)
    size = bounded(size, settings)

    hopeless = size <= smallest(loop.t, span)
    if settings.min_step is not None:
        hopeless |= as_short  # rejected all the same: f is not finite
    underflow = ~accepted & hopeless
    target = tf.where(accepted, moved.target, loop.target)
    status = moved.status
    tries = tf.where(target > loop.target, 0, loop.tries + 1)
    if settings.max_num_steps is not None:
        too_many = tries >= settings.max_num_steps
        status = tf.where(too_many, failure.TOO_MANY_STEPS, status)
    status = tf.where(underflow, failure.STEP_UNDERFLOW, status)
    broken = ~tf.math.is_finite(ratio) & (status > failure.RUNNING)
    return LoopState(
        t=tf.where(accepted, moved.t, loop.t),
        target=target,
        aim=loop.aim,
        anchor=tf.where(accepted, moved.anchor, loop.anchor),
        size=size,
        y=y,
        q=q,
        first=first,
        ratio=tf.where(accepted, ratio, loop.ratio),
        after_rejection=~accepted,
        accepted=loop.accepted + tf.cast(accepted, tf.int32),
        rejected=loop.rejected + tf.cast(~accepted, tf.int32),
        tries=tries,
        status=tf.where(broken, failure.NOT_FINITE, status),
        tried=moved.tried,
        suited_step=tf.where(
            accepted, tf.minimum(loop.suited_step, suited_step), loop.suited_step
        ),
        suited_rejected_step=tf.where(
            accepted | ~tf.math.is_finite(ratio),
            loop.suited_rejected_step,
            tf.minimum(loop.suited_rejected_step, suited_step),
        ),
        outputs=loop.outputs,
        trajectory=loop.trajectory,
        seen=seen,
    )


def _chosen(accepted, yes, no):
    """Returns one of two structures, or for each sample that of one of them."""
    if accepted.shape.rank == 0:
        return tf.cond(accepted, lambda: yes, lambda: no)
    return tf.nest.map_structure(lambda a, b: tf.where(accepted, a, b), yes, no)


def bounded(size: tf.Tensor, settings: StepSettings) -> tf.Tensor:
    """Returns a step size within the bounds that were set."""
    if settings.max_step is not None:
        size = tf.minimum(size, scalar(settings.max_step, size.dtype))
    if settings.min_step is not None:
        size = tf.maximum(size, scalar(settings.min_step, size.dtype))
    return size


def smallest(t: tf.Tensor, span: tf.Tensor) -> tf.Tensor:
    """Returns the length that a step at t has at least: a few roundings of the time."""
    eps = np.finfo(t.dtype.as_numpy_dtype).eps
    return 4 * eps * tf.maximum(tf.abs(t), 1e-3 * span)
