"""The stepping loop: written once, it knows no method by name."""

import dataclasses
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from node_transfer.ode import failure, runge_kutta, step_size
from node_transfer.ode.butcher_tableau import ButcherTableau
from node_transfer.ode.solution import Solution, reached_only
from node_transfer.ode.tensors import add, scalar
from node_transfer.ode.trajectory import Trajectory, array_of


@dataclasses.dataclass(frozen=True)
class StepSettings:
    """How a solve chooses its steps.

    Attributes:
        tableau: The method.
        rtol, atol: Tolerances of the error norm, floats or scalar tensors.
        max_num_steps: Most tries from one output time to the next, accepted and
            rejected, of an adaptive solve.
        num_steps: Steps between two output times, for a method on a fixed grid.
        on_failure: `"raise"` or `"nan"`.
    """

    tableau: ButcherTableau
    rtol: float
    atol: float
    max_num_steps: int = 1000
    num_steps: int | None = None
    on_failure: str = "raise"


class _Loop(NamedTuple):
    """State of the stepping loop."""

    t: tf.Tensor
    target: tf.Tensor  # index of the output time ahead
    size: tf.Tensor  # proposed length of the next step, positive
    y: list
    q: list
    first: tuple  # (dy, dq) at (t, y); empty unless first-same-as-last
    ratio: tf.Tensor  # error norm of the last accepted step
    after_rejection: tf.Tensor
    accepted: tf.Tensor
    rejected: tf.Tensor
    tries: tf.Tensor  # since the last output time
    status: tf.Tensor
    tried: tf.Tensor  # length of the last try, with its sign
    suited_step: tf.Tensor
    suited_rejected_step: tf.Tensor
    outputs: list
    trajectory: Trajectory | tuple


def integrate(
    settings: StepSettings,
    func,
    y0: list[tf.Tensor],
    times: tf.Tensor,
    *,
    q0: list[tf.Tensor] = (),
    first_step: tf.Tensor | float | None = None,
    record: bool = False,
    phase: str = "forward",
) -> Solution:
    """Solves dy/dt = f(t, y), stepping exactly onto each of `times`.

    A step that would pass the next output time, or leave a sliver before it, is
    shortened: the way that remains is cut into equal steps no longer than proposed.
    Each output time therefore costs at least one step.

    Args:
        settings: Method and tolerances.
        func: `func(t, y, quadrature) -> (dy, dq)`, see `runge_kutta.step`.
        y0: Initial state: real tensors of one dtype.
        times: Strictly monotone 1-D tensor of that dtype, two or more times.
        q0: Quadrature components at the start. They stay out of the error norm.
        first_step: Positive length of the first step; 0 or `None` chooses it by
            `step_size.automatic_first_step`, which costs one more evaluation of f.
        record: Whether to keep the accepted steps.
        phase: What is being solved, for the message of a failure.

    Raises:
        ODESolveError: See `failure.checked`.
    """
    tableau, dtype = settings.tableau, times.dtype
    rtol, atol = scalar(settings.rtol, dtype), scalar(settings.atol, dtype)
    direction = tf.sign(times[-1] - times[0])
    num_times = times.shape[0] or tf.shape(times)[0]
    span = tf.abs(times[-1] - times[0])
    only_final = times.shape[0] == 2
    reuses_last_stage = tableau.first_same_as_last

    first = func(times[0], y0, True) if reuses_last_stage else ()
    size, startup_nfe = _first_step(
        settings, func, y0, times, first, direction, first_step, rtol, atol
    )

    def advance(loop: _Loop) -> tuple[_Loop]:
        goal = times[loop.target]
        remaining = tf.abs(goal - loop.t)
        if tableau.adaptive:
            # One per mille of slack, so that rounding never adds a sliver of a step.
            pieces = tf.maximum(tf.math.ceil(remaining / loop.size - 1e-3), 1.0)
        else:
            steps_left = settings.num_steps - loop.accepted % settings.num_steps
            pieces = tf.cast(steps_left, dtype)
        lands = pieces <= 1.0
        following_t = tf.where(lands, goal, loop.t + direction * remaining / pieces)
        dt = following_t - loop.t  # as far as the clock moves, rounded as it is

        start_stage = loop.first if reuses_last_stage else func(loop.t, loop.y, True)
        y1, q_change, last, error = runge_kutta.step(
            tableau, func, loop.t, dt, loop.y, start_stage
        )
        moved = loop._replace(
            t=following_t,
            target=loop.target + tf.cast(lands, tf.int32),
            y=y1,
            q=add(loop.q, q_change),
            first=last if reuses_last_stage else (),
            accepted=loop.accepted + 1,
            tried=dt,
            status=tf.where(tf.equal(dt, 0.0), failure.STEP_UNDERFLOW, failure.RUNNING),
        )
        if tableau.adaptive:
            ratio = step_size.error_norm(error, loop.y, y1, rtol, atol)
            following = _accept_or_reject(settings, loop, moved, ratio, lands, span)
        else:
            following = moved
        if record:  # what a rejected step writes is replaced by the try after it
            ends_on = tf.where(lands, loop.target, 0)
            trajectory = loop.trajectory.write(
                loop.accepted, tf.stack([loop.t, dt]), ends_on, loop.y
            )
            following = following._replace(trajectory=trajectory)
        if not only_final:  # what is written before the target is reached is replaced
            arrays = zip(following.outputs, following.y, strict=True)
            outputs = [array.write(loop.target - 1, x) for array, x in arrays]
            following = following._replace(outputs=outputs)
        return (following,)

    zero = tf.constant(0, tf.int32)
    start = _Loop(
        t=times[0],
        target=zero + 1,
        size=size,
        y=list(y0),
        q=list(q0),
        first=first,
        ratio=tf.ones([], dtype),
        after_rejection=tf.constant(False),
        accepted=zero,
        rejected=zero,
        tries=zero,
        status=tf.constant(failure.RUNNING),
        tried=size,
        suited_step=tf.constant(dtype.max, dtype),
        suited_rejected_step=tf.constant(dtype.max, dtype),
        outputs=[] if only_final else [array_of(x, num_times - 1) for x in y0],
        trajectory=Trajectory.empty(y0, dtype) if record else (),
    )
    (end,) = tf.while_loop(
        lambda s: (s.target < num_times) & tf.equal(s.status, failure.RUNNING),
        advance,
        (start,),
        parallel_iterations=1,
    )

    status = end.status
    if not tableau.adaptive:
        finite = tf.reduce_all([tf.math.is_finite(tf.reduce_sum(x)) for x in end.y])
        status = tf.where(finite, status, failure.NOT_FINITE)
    nfe = startup_nfe + (end.accepted + end.rejected) * tableau.evaluations_per_step
    checked = failure.checked(
        [*end.y, *end.q],
        status,
        (end.t, end.tried, nfe, rtol, atol),
        phase,
        settings.on_failure,
    )
    y, q = checked[: len(y0)], checked[len(y0) :]
    with tf.control_dependencies(y):  # no output of a solve that raises
        outputs = [reached_only(array.stack(), end.target - 1) for array in end.outputs]
    reached = tf.equal(status, failure.RUNNING)
    suited_step = end.suited_step if tableau.adaptive else size
    return Solution(
        y=y,
        q=q,
        outputs=[x[None] for x in y] if only_final else outputs,
        trajectory=end.trajectory if record else None,
        nfe=nfe,
        accepted=end.accepted,
        rejected=end.rejected,
        suited_step=tf.where(reached, suited_step, tf.zeros_like(suited_step)),
        suited_rejected_step=end.suited_rejected_step,
        status=status,
    )


def _first_step(settings, func, y0, times, first, direction, first_step, rtol, atol):
    """Returns the first step's size and the evaluations of f spent before it."""
    tableau = settings.tableau
    startup_nfe = tf.constant(int(tableau.first_same_as_last))
    interval = tf.abs(times[1] - times[0])
    if not tableau.adaptive:
        return interval / settings.num_steps, startup_nfe
    first_step = scalar(0.0 if first_step is None else first_step, times.dtype)
    given = first_step > 0  # NaN counts as not given

    def choose():
        dy0 = first[0] if first else func(times[0], y0, False)[0]
        return step_size.automatic_first_step(
            func, times[0], y0, dy0, direction * interval, tableau.order, rtol, atol
        )

    size = tf.cond(given, lambda: first_step, choose)
    size = tf.where(tf.math.is_finite(size), size, interval)
    size = tf.where(given, size, tf.maximum(size, _smallest(times[0], interval)))
    chosen_nfe = 1 if tableau.first_same_as_last else 2
    return size, startup_nfe + tf.where(given, 0, chosen_nfe)


def _accept_or_reject(settings, loop: _Loop, moved: _Loop, ratio, lands, span) -> _Loop:
    """What the loop goes on from, given the error norm of the step just tried."""
    order = settings.tableau.order
    accepted = ratio <= 1.0  # never true for NaN
    y, q, first = tf.cond(
        accepted,
        lambda: [moved.y, moved.q, moved.first],
        lambda: [loop.y, loop.q, loop.first],
    )
    target = tf.where(accepted, moved.target, loop.target)
    suited_step = step_size.suited_step(moved.tried, ratio, order)
    length = tf.abs(moved.tried)
    size = length * step_size.next_factor(
        ratio, loop.ratio, accepted, loop.after_rejection, order
    )
    # A step cut short by an output time says nothing against the size proposed.
    size = tf.where(accepted & lands, tf.maximum(size, loop.size), size)

    underflow = ~accepted & (size <= _smallest(loop.t, span))
    tries = loop.tries + 1
    out_of_steps = (tries >= settings.max_num_steps) & ~(accepted & lands)
    status = tf.where(out_of_steps, failure.TOO_MANY_STEPS, moved.status)
    status = tf.where(underflow, failure.STEP_UNDERFLOW, status)
    broken = ~tf.math.is_finite(ratio) & (status > failure.RUNNING)
    return _Loop(
        t=tf.where(accepted, moved.t, loop.t),
        target=target,
        size=size,
        y=y,
        q=q,
        first=first,
        ratio=tf.where(accepted, ratio, loop.ratio),
        after_rejection=~accepted,
        accepted=loop.accepted + tf.cast(accepted, tf.int32),
        rejected=loop.rejected + tf.cast(~accepted, tf.int32),
        tries=tf.where(accepted & lands, 0, tries),
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
    )


def _smallest(t: tf.Tensor, span: tf.Tensor) -> tf.Tensor:
    """Returns the length that a step at t has at least: a few roundings of the time."""
    eps = np.finfo(t.dtype.as_numpy_dtype).eps
    return 4 * eps * tf.maximum(tf.abs(t), 1e-3 * span)
