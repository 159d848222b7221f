"""The stepping loop: written once, it knows no method by name."""

from collections.abc import Sequence

import tensorflow as tf

from node_transfer.ode import controller, dense_output, failure, runge_kutta
from node_transfer.ode.failure import compiles_with_xla
from node_transfer.ode.loop_state import LoopState, StepSettings
from node_transfer.ode.solution import Solution, reached_only
from node_transfer.ode.tensors import add, all_finite, scalar
from node_transfer.ode.trajectory import Trajectory, array_of

# An output time is stepped onto, and not interpolated, from this many steps away: then
# the steps shortened for it are few among those taken.
FAR = 4


def integrate(
    settings: StepSettings,
    func,
    y0: list[tf.Tensor],
    times: tf.Tensor,
    *,
    q0: Sequence[tf.Tensor] = (),
    seen0: Sequence[tf.Tensor] = (),
    first_step: tf.Tensor | float | None = None,
    is_given: tf.Tensor | None = None,
    record: bool = False,
    phase: str = "forward",
) -> Solution:
    """Solves dy/dt = f(t, y) and returns its states at `times`.

    Steps end on the last time, and on those that are far from the one before. A step
    that would pass such a time, or leave a sliver before it, is shortened: the way that
    remains is cut into equal steps no longer than proposed. States at other times are
    interpolated; where the method has no interpolant, each time is stepped onto.

    Args:
        settings: Method and tolerances.
        func: `func(t, y, quadrature) -> (dy, dq)`, see `runge_kutta.step`.
        y0: Initial state: real tensors of one dtype.
        times: Strictly monotone 1-D tensor of that dtype, two or more times; of two, they
            may be equal.
        q0: Quadrature components at the start. They stay out of the error norm.
        seen0: Where there is an image, its start; the outputs are those of the state and
            of it, in one list.
        first_step: Positive length of the first step; 0 or `None` chooses it by
            `step_size.automatic_first_step`, which costs one more evaluation of f.
        is_given: Whether `first_step` is given, where that is known by more than itself.
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
    most_steps = _most_steps(settings, times, record)
    interpolates = settings.interpolates and not only_final
    reuses_last_stage = tableau.first_same_as_last

    first = func(times[0], y0, True) if reuses_last_stage else ()
    size, startup_nfe = controller.first_step(
        settings, func, times[0], y0, times, first, first_step, seen0, is_given
    )

    def aim_from(t, target, size):
        """The index of the time to step onto next."""
        if not interpolates:
            return target
        last = num_times - 1
        if settings.interpolate:
            return tf.zeros_like(target) + last
        target = tf.minimum(target, last)
        return tf.where(tf.abs(times[target] - t) >= FAR * size, target, last)

    def advance(loop: LoopState) -> tuple[LoopState]:
        goal = times[loop.aim]
        remaining = tf.abs(goal - loop.t)
        loop = loop._replace(size=tf.stop_gradient(loop.size))
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
        y1, q_change, stages = runge_kutta.step(
            tableau, func, loop.t, dt, loop.y, start_stage
        )
        if interpolates:
            before = direction * times <= direction * following_t
            target = tf.reduce_sum(tf.cast(before, tf.int32))
        else:
            target = loop.target + tf.cast(lands, tf.int32)
        moved = loop._replace(
            t=following_t,
            target=target,
            anchor=tf.where(lands, loop.aim, loop.anchor),
            y=y1,
            q=add(loop.q, q_change),
            first=stages[-1] if reuses_last_stage else (),
            accepted=loop.accepted + 1,
            tried=dt,
            status=tf.where(
                tf.equal(dt, 0.0) & (remaining > 0),
                failure.STEP_UNDERFLOW,
                failure.RUNNING,
            ),
        )
        if settings.image is not None:
            derivatives = [dy for dy, _ in stages]
            change = runge_kutta.combine(dt, tableau.b, derivatives)
            change = settings.image.changes(change, dt)
            moved = moved._replace(seen=add(list(loop.seen), change))
        if tableau.adaptive:
            ratio = controller.error_ratio(settings, stages, dt, loop, moved)
            following = controller.accept_or_reject(
                settings, loop, moved, ratio, lands, span
            )
        else:
            following = moved
        aim = aim_from(following.t, following.target, following.size)
        aim = tf.where(following.target > loop.target, aim, loop.aim)
        following = following._replace(aim=aim)
        if record:  # what a rejected step writes is replaced by the try after it
            landing = tf.cast(lands, tf.int32)
            passed = tf.stack([loop.target, target, landing, loop.anchor])
            trajectory = loop.trajectory.write(
                loop.accepted, tf.stack([loop.t, dt]), passed, loop.y
            )
            following = following._replace(trajectory=trajectory)
        if interpolates:
            outputs = _write_passed(settings, times, loop, following, stages, lands)
            following = following._replace(outputs=outputs)
        elif not only_final:  # what is written before the target is reached is replaced
            reached = [*following.y, *following.seen]
            arrays = zip(following.outputs, reached, strict=True)
            outputs = [array.write(loop.target - 1, x) for array, x in arrays]
            following = following._replace(outputs=outputs)
        return (following,)

    zero = tf.constant(0, tf.int32)
    trajectory = Trajectory.empty(y0, dtype, most_steps) if record else None
    if trajectory and interpolates:  # what the gradient may read, where no step is taken
        nothing = tf.zeros([2], dtype), tf.zeros([4], tf.int32)
        trajectory = trajectory.write(0, *nothing, list(y0))
    start = LoopState(
        t=times[0],
        target=zero + 1,
        aim=aim_from(times[0], zero + 1, size),
        anchor=zero,
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
        outputs=[] if only_final else _no_outputs([*y0, *seen0], num_times - 1),
        trajectory=trajectory or (),
        seen=list(seen0),
    )
    (end,) = tf.while_loop(
        lambda s: (s.target < num_times) & tf.equal(s.status, failure.RUNNING),
        advance,
        (start,),
        parallel_iterations=1,
        maximum_iterations=most_steps,
    )

    # Of a state that has become infinite no error is large.
    finite = all_finite([*end.y, *end.seen])
    status = tf.where(finite, end.status, failure.NOT_FINITE)
    nfe = startup_nfe + (end.accepted + end.rejected) * tableau.evaluations_per_step
    checked = failure.checked(
        [*end.y, *end.q, *end.seen],
        status,
        (end.t, end.tried, nfe, rtol, atol),
        phase,
        settings.on_failure,
    )
    first_q, first_seen = len(y0), len(y0) + len(end.q)
    y, q, seen = checked[:first_q], checked[first_q:first_seen], checked[first_seen:]
    with tf.control_dependencies(y):  # no output of a solve that raises
        outputs = [reached_only(array.stack(), end.target - 1) for array in end.outputs]
    reached = tf.equal(status, failure.RUNNING)
    suited_step = end.suited_step if tableau.adaptive else size
    return Solution(
        y=y,
        q=q,
        outputs=[x[None] for x in (*y, *seen)] if only_final else outputs,
        trajectory=end.trajectory.settled() if record else None,
        nfe=nfe,
        accepted=end.accepted,
        rejected=end.rejected,
        suited_step=tf.where(reached, suited_step, tf.zeros_like(suited_step)),
        suited_rejected_step=end.suited_rejected_step,
        status=status,
    )


def _no_outputs(y0: list[tf.Tensor], count) -> list[tf.TensorArray]:
    """Arrays for the outputs; their first entry is there, so that a solve which fails
    before it can be stacked, where a graph does not know the shape of the state."""
    return [array_of(x, count).write(0, x) for x in y0]


def _most_steps(settings: StepSettings, times: tf.Tensor, record: bool) -> int | None:
    """Returns how many steps a solve can take, where memory may be set aside for them."""
    intervals = None if times.shape[0] is None else times.shape[0] - 1
    if not settings.tableau.adaptive:
        return intervals and intervals * settings.num_steps
    if not compiles_with_xla():
        return None
    if intervals is None or settings.max_num_steps is None:
        if not record:
            return None
        raise ValueError(
            "XLA (jit_compile=True) sets memory aside for all steps that a solve can "
            f"take, and max_num_steps is {settings.max_num_steps} for times of shape "
            f"{times.shape}: pass options={{'max_num_steps': N}} and a known number of "
            "times."
        )
    return intervals * settings.max_num_steps


def _write_passed(settings, times, loop, following, stages, lands) -> list:
    """Returns the outputs with the states at the times that an accepted step passed."""
    low, high = loop.target, following.target

    def write():
        passed = times[low:high]
        dt = following.tried
        theta = (passed - loop.t) / dt
        changes = dense_output.changes(
            settings.tableau, theta, dt, [dy for dy, _ in stages]
        )
        if settings.image is not None:
            durations = tf.reshape(theta * dt, [-1, *[1] * changes[0].shape[1:].rank])
            changes += settings.image.changes(changes, durations)
        starts = [*loop.y, *loop.seen]
        states = [x[None] + dx for x, dx in zip(starts, changes, strict=True)]
        rows = tf.range(low - 1, high - 1)
        arrays = []
        ends = [*following.y, *following.seen]
        for array, state, end in zip(following.outputs, states, ends, strict=True):
            array = array.scatter(rows, state)
            last = tf.where(lands, end, state[-1])  # the step's own end, to the digit
            arrays.append(array.write(high - 2, last))
        return arrays

    return tf.cond(high > low, write, lambda: following.outputs)
