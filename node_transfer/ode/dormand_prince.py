"""Our Dormand-Prince steps behind TensorFlow Probability's interface."""

import collections
from typing import cast

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from node_transfer.ode import stepping
from node_transfer.ode.loop_state import StepSettings
from node_transfer.ode.solution import Solution
from node_transfer.ode.step_size import Factors
from node_transfer.ode.tableaus import DOPRI5
from node_transfer.ode.trajectory import Trajectory

_Counts = collections.namedtuple(
    "_Counts",
    (
        "num_ode_fn_evaluations",
        "num_jacobian_evaluations",
        "num_matrix_factorizations",
        "status",
    ),
)


class _Diagnostics(_Counts, tfp.math.ode.Diagnostics):
    """What TFP's results report of a solve."""

    __slots__ = ()


class DormandPrince(tfp.math.ode.DormandPrince):
    """The Dormand-Prince method, order 5(4), in place of TFP's own.

    An adapter for code that is written to TFP's interface: the steps are those of
    `odeint(..., method="dopri5")`, taken by the same loop. It does what the class it
    extends does: solution times, the steps themselves with `ChosenBySolver`, complex
    states, nested states, the adjoint gradient with another solver, XLA. What differs:

    * A solve that cannot reach its end raises, and does not return where it stopped.
    * It ends exactly on the last time, and on those that lie four steps and more after
      the one before.
    * `first_step_size=None` chooses the first step automatically.
    * The error is controlled in the root-mean-square norm with the exponent 1/5 that
      belongs to it, by a PI controller. (The stock class squares its ratios twice, and
      so controls the 4-norm.) With `batch_ndims`, which the stock class refuses, it is
      the largest such norm of a batch member.
    * `jacobian_fn` and `jacobian_sparsity` are taken and not used, as in the stock class:
      an explicit method needs no Jacobian.

    Args:
        rtol, atol: Relative and absolute tolerance.
        first_step_size: Positive length of the first step, or `None`.
        max_num_steps: Most steps from one output time to the next, rejected ones
            included; `None` for no limit.
        on_failure: `"raise"`, or `"nan"` to return NaN where a solve cannot go on.
        safety_factor, min_step_size_factor, max_step_size_factor: How the step size may
            change, see `tfp.math.ode.DormandPrince`.
        **kwargs: Passed to `tfp.math.ode.DormandPrince`.

    Raises:
        ValueError: Solution times are empty, not finite, before the initial time, or do
            not increase (where their values are known).
        ODESolveError or tf.errors.InvalidArgumentError: See `node_transfer.odeint`.

    Example:

    >>> solver = DormandPrince(rtol=1e-6, atol=1e-6)
    >>> results = solver.solve(lambda t, y: -y, 0.0, tf.ones([1]), solution_times=[1.0])
    >>> print(results.states[0].numpy().round(4))
    [0.3679]

    Reference: Dormand & Prince (1980), doi:10.1016/0771-050X(80)90013-3; Hairer,
    Norsett & Wanner, Solving Ordinary Differential Equations I, section II.4.
    """

    def __init__(
        self,
        rtol=1e-5,
        atol=1e-5,
        first_step_size=None,
        max_num_steps=1000,
        on_failure="raise",
        **kwargs,
    ):
        super().__init__(
            rtol=rtol,
            atol=atol,
            first_step_size=0.0 if first_step_size is None else first_step_size,
            max_num_steps=max_num_steps,
            **kwargs,
        )
        self._on_failure = on_failure

    def _initialize_solver_internal_state(self, ode_fn, initial_time, initial_state):
        """The only state that one solve hands to the next is its first step."""
        del ode_fn, initial_time
        dtype = self._prepare_common_params(initial_state, 0.0).real_dtype
        return tf.cast(self._first_step_size, dtype)

    def _solve(
        self,
        ode_fn,
        initial_time,
        initial_state,
        solution_times,
        jacobian_fn=None,
        jacobian_sparsity=None,
        batch_ndims=None,
        previous_solver_internal_state=None,
    ):
        del jacobian_fn, jacobian_sparsity  # an explicit method needs none
        common = self._prepare_common_params(initial_state, initial_time)
        structure, dtype = common.initial_state, common.real_dtype
        chosen_by_solver = isinstance(solution_times, tfp.math.ode.ChosenBySolver)
        later = solution_times.final_time if chosen_by_solver else solution_times
        # With the hint, numbers in a list keep all their digits in float64.
        later = tf.cast(tf.convert_to_tensor(later, dtype_hint=dtype), dtype)
        if chosen_by_solver:
            later = later[None]
        begins_at_start = _check_times(common.initial_time, later)
        times = tf.concat([common.initial_time[None], later[begins_at_start:]], axis=0)

        def func(t, y, quadrature):
            del quadrature
            dy = ode_fn(t, _complex_state(structure, y))
            dy = tf.nest.map_structure(
                lambda x, like: tf.cast(tf.convert_to_tensor(x), like.dtype),
                dy,
                structure,
            )
            return _real_parts(dy), []

        y0 = _real_parts(structure)
        if times.shape[0] == 1:  # the initial time alone is asked for
            return self._results(structure, times, [x[None] for x in y0], None, dtype)
        first_step = previous_solver_internal_state
        if first_step is None:
            first_step = self._first_step_size
        solution = stepping.integrate(
            self._settings(batch_ndims),
            func,
            y0,
            times,
            first_step=first_step,
            record=chosen_by_solver,
        )
        if chosen_by_solver:
            times, outputs = _steps_of(solution, times[-1])
        else:
            times, outputs = times[1:], solution.outputs
            if begins_at_start:
                times = later
                outputs = [
                    tf.concat([a[None], b], 0) for a, b in zip(y0, outputs, strict=True)
                ]
        return self._results(structure, times, outputs, solution, dtype)

    def _settings(self, batch_ndims: int | None) -> StepSettings:
        return StepSettings(
            DOPRI5,
            self._rtol,
            self._atol,
            max_num_steps=self._max_num_steps,
            on_failure=self._on_failure,
            factors=Factors(
                self._safety_factor,
                self._min_step_size_factor,
                self._max_step_size_factor,
            ),
            norm=_largest_of_batch(batch_ndims) if batch_ndims else None,
        )

    def _results(self, structure, times, outputs, solution: Solution | None, dtype):
        zero = tf.constant(0)
        diagnostics = _Diagnostics(
            num_ode_fn_evaluations=zero if solution is None else solution.nfe,
            num_jacobian_evaluations=zero,
            num_matrix_factorizations=zero,
            status=zero if solution is None else solution.status,
        )
        step = tf.zeros([], dtype) if solution is None else solution.suited_step
        return tfp.math.ode.Results(
            times=times,
            states=_complex_state(structure, outputs),
            diagnostics=diagnostics,
            solver_internal_state=step,
        )


def _check_times(initial_time, later: tf.Tensor) -> int:
    """Returns 1 where the first solution time is the initial one, else 0.

    Raises:
        ValueError: See `DormandPrince`.
    """
    if later.shape.rank != 1 or later.shape[0] == 0:
        raise ValueError(
            f"solution_times has shape {later.shape}: pass a 1-D sequence of one or more "
            "times, or ChosenBySolver(final_time)."
        )
    start, times = tf.get_static_value(initial_time), tf.get_static_value(later)
    if start is None or times is None:
        return 0
    change = np.diff(times)
    if not (np.all(np.isfinite(times)) and np.all(change > 0) and times[0] >= start):
        raise ValueError(
            f"solution_times is {times.tolist()} and initial_time {start}: pass finite "
            "times that increase, none before the initial one."
        )
    return int(times[0] == start)


def _real_parts(state) -> list[tf.Tensor]:
    """The components of a state; of a complex one the real and the imaginary part."""
    parts = []
    for x in tf.nest.flatten(state):
        parts += [tf.math.real(x), tf.math.imag(x)] if x.dtype.is_complex else [x]
    return parts


def _complex_state(structure, parts: list[tf.Tensor]):
    """The state, structured as the initial one, of which these are the real parts."""
    rest, state = list(parts), []
    for like in tf.nest.flatten(structure):
        x = rest.pop(0)
        state.append(tf.complex(x, rest.pop(0)) if like.dtype.is_complex else x)
    return tf.nest.pack_sequence_as(structure, state)


def _steps_of(solution: Solution, final_time):
    """The ends of the steps that a solve took, and the states there."""
    trajectory = cast(Trajectory, solution.trajectory).stacked(solution.accepted)
    times = tf.concat([trajectory.grid[1:, 0], final_time[None]], axis=0)
    states = [
        tf.concat([starts[1:], end[None]], axis=0)
        for starts, end in zip(trajectory.states, solution.y, strict=True)
    ]
    return times, states


def _largest_of_batch(batch_ndims: int):
    """The norm that is the largest root mean square of a batch member."""

    def norm(ratios: list) -> tf.Tensor:
        sums, count = [], 0.0
        for x in ratios:
            axes = tf.range(batch_ndims, tf.rank(x))
            sums.append(tf.reduce_sum(tf.square(x), axis=axes))
            count += tf.cast(tf.reduce_prod(tf.shape(x)[batch_ndims:]), x.dtype)
        return tf.sqrt(tf.reduce_max(tf.add_n(sums)) / tf.maximum(count, 1.0))

    return norm
