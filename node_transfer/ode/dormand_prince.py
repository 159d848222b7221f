"""Our Dormand-Prince steps behind TensorFlow Probability's interface."""

import collections

import tensorflow as tf
import tensorflow_probability as tfp

from node_transfer.ode import stepping
from node_transfer.ode.loop_state import StepSettings
from node_transfer.ode.tableaus import DOPRI5

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
    """The Dormand-Prince method, order 5(4), with steps that end where asked.

    An adapter for code that is written to TFP's interface: the steps are those of
    `odeint(..., method="dopri5")`, taken by the same loop. What differs from
    the class it extends:

    * It ends exactly on every requested time, without overshoot or interpolation. The
      result is as exact as the steps are; each output time costs at least one step.
    * `first_step_size=None` chooses the first step automatically.
    * The error is controlled in the root-mean-square norm with the exponent 1/5 that
      belongs to it, by a PI controller. (The stock class squares its ratios twice, and
      so controls the 4-norm.)

    `solve` keeps the interface, and the adjoint gradient, of the class it extends.

    Args:
        rtol, atol: Relative and absolute tolerance.
        first_step_size: Positive length of the first step, or `None`.
        max_num_steps: Most steps of one solve, rejected ones included.
        on_failure: `"raise"`, or `"nan"` to return NaN where a solve cannot go on.
        **kwargs: Passed to `tfp.math.ode.DormandPrince`.

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
        del jacobian_fn, jacobian_sparsity, batch_ndims  # of no use here
        if isinstance(solution_times, tfp.math.ode.ChosenBySolver):
            raise NotImplementedError(
                "This solver steps onto the times it is given: pass solution_times as a "
                "1-D tensor, or use tfp.math.ode.DormandPrince for ChosenBySolver."
            )
        common = self._prepare_common_params(initial_state, initial_time)
        structure, dtype = common.initial_state, common.real_dtype
        # With the hint, numbers in a list keep all their digits in float64.
        later = tf.cast(tf.convert_to_tensor(solution_times, dtype_hint=dtype), dtype)
        times = tf.concat([[common.initial_time], later], axis=0)

        def func(t, y, quadrature):
            del quadrature
            dy = ode_fn(t, tf.nest.pack_sequence_as(structure, y))
            return tf.nest.flatten(tf.nest.map_structure(tf.convert_to_tensor, dy)), []

        first_step = previous_solver_internal_state
        if first_step is None:
            first_step = self._first_step_size
        settings = StepSettings(
            DOPRI5,
            self._rtol,
            self._atol,
            max_num_steps=self._max_num_steps,
            on_failure=self._on_failure,
        )
        solution = stepping.integrate(
            settings, func, tf.nest.flatten(structure), times, first_step=first_step
        )
        diagnostics = _Diagnostics(
            num_ode_fn_evaluations=solution.nfe,
            num_jacobian_evaluations=0,
            num_matrix_factorizations=0,
            status=0,
        )
        return tfp.math.ode.Results(
            times=times[1:],
            states=tf.nest.pack_sequence_as(structure, solution.outputs),
            diagnostics=diagnostics,
            solver_internal_state=solution.suited_step,
        )
