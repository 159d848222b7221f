"""The ODE block."""

import copy
from collections.abc import Callable, Sequence

import keras
import tensorflow as tf

from node_transfer.layers import call_context, sharing
from node_transfer.layers.calling import Convention
from node_transfer.layers.context import ContextSpec, is_shape
from node_transfer.layers.fixed_dynamics import FixedDynamics
from node_transfer.layers.function_dynamics import as_layer
from node_transfer.layers.regularization import Penalty, mean_over
from node_transfer.layers.solver_layer import SolverLayer, with_norm_of_first
from node_transfer.layers.times import Times
from node_transfer.layers.trial import Trial, widen
from node_transfer.ode import low_rank
from node_transfer.ode.butcher_tableau import ButcherTableau
from node_transfer.ode.samples import time_of_each
from node_transfer.ode.solve import solve
from node_transfer.ode.solver import SolverOptions
from node_transfer.ode.tensors import check_dense


@keras.saving.register_keras_serializable(package="node_transfer")
class ODELayer(SolverLayer):
    """A layer whose output is the solution h(t1) of dh/dt = f(t, h), h(t0) = inputs.

    The ODE is solved in float32 or wider, whatever the mixed-precision policy: dynamics
    with a half-precision policy are given the wider one.

    Within one solve, and in its gradient, f is one fixed function: `training`, a mask of
    the inputs and the rest of Keras's call context hold in every evaluation, and what
    the dynamics keep beside their trained weights stands still. So dropout has one mask
    for a whole solve, and batch normalisation the statistics of each state that it is
    given. Where evaluations have changed such a state (a seed, a moving statistic, the
    vector of a spectral normalisation), one more evaluation, at `(t1, h(t1))`, moves it
    on, as a call of the dynamics does in Keras; it is counted. A warning names the
    layers concerned when the dynamics are built.

    The layer counts the evaluations of f that a solve takes, in its attribute `nfe`.
    `fit` shows them as `nfe_forward` and `nfe_backward`, means over the batches of an
    epoch; those of a model's second ODE layer end in `_1`. `evaluate` does not return
    them: read `layer.nfe.forward` after it. `predict` does not count: a call with
    `training=False` writes no variable. Such a call in a function that no gradient tape
    is in is the solver's steps alone, so that its model can be exported; differentiated
    from outside all the same, it has TensorFlow's gradient of them, `"autodiff"`.

    `set_solver` changes `rtol`, `atol`, `method`, `gradient` and `options`, several at a
    time; assigned to, each changes by itself.

    Args:
        dynamics: What gives dh/dt, shaped like h: a Keras layer with `call(self, t, h)`
            or `call(self, h)`, a `keras.Sequential`, a functional model of h or of
            `[t, h]` (whose time is `keras.Input((1,))`), or a function of `(t, h)` or of
            `h`. It must be differentiable and, to be solved well, smooth. A function has
            no weights of its own, and is saved by the name that it is registered by.
        t0, t1: The interval, 0 to 1. `t1 < t0` goes back in time.
        rtol, atol: Tolerances of the solver, see `node_transfer.odeint`.
        method: The solver's method, a name or a `ButcherTableau`, see
            `node_transfer.odeint`.
        gradient: `"backprop"` (exact gradient of the steps taken), `"adjoint"`
            (constant memory), or `"autodiff"`, see `node_transfer.odeint`.
        options: A `SolverOptions`, or a dictionary of its attributes; all but
            `on_backward`.
        remember_step: Whether each training batch starts with the step size that suited
            the one before, kept as a non-trainable weight. It saves evaluations, but
            lets an output depend, within the tolerance, on the batches trained on
            before. Outside training the memory is read and never written.
        nfe_prefix: Put before the names in the logs.
        times: Times whose states are wanted, in place of the last alone: strictly
            increasing or decreasing from t0, which may be the first. `t1` is the last.
        kinetic_energy, jacobian_norm: Weights of a loss that the layer adds in training,
            see `node_transfer.layers.regularization.Penalty`. It makes dynamics easier
            to solve (Finlay et al., 2020).
        **kwargs: Passed to `keras.layers.Layer`.

    Call arguments:
        inputs: The initial state, one tensor, as the dynamics take it.
        context: A tensor, or a nested structure of tensors, that dynamics with an
            argument `context` are given in every evaluation, as in
            `call(self, t, h, context)`: a conditional ODE. Gradients reach it.
        training: As for every Keras layer.
        mask: Keras mask of the inputs; every evaluation's state has it.

    Output shape: that of the inputs; with `times`, `(batch, len(times), ...)`.

    Raises:
        ValueError: An argument is not as described, or the dynamics cannot be called.
        ODESolveError or tf.errors.InvalidArgumentError: See `node_transfer.odeint`.

    Example:

    >>> block = ODELayer(DenseDynamics(hidden_units=64), rtol=1e-3, atol=1e-3)
    >>> model = keras.Sequential([keras.Input([20]), block, keras.layers.Dense(10)])
    >>> model.output_shape
    (None, 10)
    >>> half_a_turn = ODELayer(lambda h: h @ [[0.0, 1.0], [-1.0, 0.0]], t1=np.pi)
    >>> print(half_a_turn(tf.constant([[1.0, 2.0]])).numpy().round(3))
    [[-1. -2.]]

    Reference: Chen, Rubanova, Bettencourt & Duvenaud (2018), Neural Ordinary
    Differential Equations, arXiv:1806.07366.
    """

    def __init__(
        self,
        dynamics: keras.layers.Layer | Callable,
        t0: float = 0.0,
        t1: float | None = None,
        rtol: float = 1e-5,
        atol: float = 1e-5,
        method: str | ButcherTableau = "dopri5",
        gradient: str = "backprop",
        options: SolverOptions | dict | None = None,
        remember_step: bool = True,
        nfe_prefix: str = "",
        times: Sequence[float] | None = None,
        kinetic_energy: float = 0.0,
        jacobian_norm: float = 0.0,
        **kwargs,
    ):
        super().__init__(
            rtol, atol, method, gradient, options, remember_step, nfe_prefix, **kwargs
        )
        self._times = Times.of(t0, t1, times)
        self._penalty = Penalty(kinetic_energy, jacobian_norm)
        self._noise_seed = keras.random.SeedGenerator() if jacobian_norm else None
        self.dynamics = as_layer(dynamics)
        self._convention = Convention.of(self.dynamics)
        self._context_spec = ContextSpec(self.solve_dtype)
        self.supports_masking = True
        widen(self.dynamics, self.solve_dtype)
        sharing.note(self.dynamics, self)

    @property
    def t0(self) -> float:
        return self._times.start

    @property
    def t1(self) -> float:
        return self._times.end

    @property
    def times(self) -> tuple[float, ...] | None:
        return self._times.outputs

    def build(self, inputs_shape, context_shape=None):
        if not is_shape(inputs_shape):
            raise ValueError(
                f"The layer {self.name!r} got inputs of shapes {inputs_shape}: pass one "
                "tensor, the state, and others as context=."
            )
        h = tf.TensorSpec(inputs_shape, self.solve_dtype)
        per_sample = [*inputs_shape[:1], *[1] * (len(inputs_shape) - 1)]
        t_shape = per_sample if self.options.per_sample else []
        t = tf.TensorSpec(t_shape, self.solve_dtype)
        context = self._context_spec.tensor_specs(context_shape)
        self._convention.check_context(self.dynamics, context is not None)
        self._convention.build(self.dynamics, inputs_shape, context_shape)
        widen(self.dynamics, self.solve_dtype)  # layers made in its build, too
        with sharing.widths_told(self.dynamics, self, inputs_shape):
            trial = Trial.of(self.dynamics, self._convention, t, h, context)
        trial.warn(self.dynamics)
        self._assigned = trial.assigned
        self.add_memory()

    def __call__(self, inputs, context=None, **kwargs):
        check_dense(inputs, f"The layer {self.name!r} got")
        if context is None:
            return super().__call__(inputs, **kwargs)
        context = self._context_spec.noted(context)
        return super().__call__(inputs, context=context, **kwargs)

    def call(self, inputs, context=None, training=False, mask=None):
        with call_context.variables_as_they_are():
            return self._solved(inputs, context, training, mask)

    def _solved(self, inputs, context, training, mask):
        self._convention.check_context(self.dynamics, context is not None)
        self._note_place_in_model()
        if mask is None:  # Keras passes it on only where there is no context
            mask = getattr(inputs, "_keras_mask", None)
        h0 = tf.cast(inputs, self.solve_dtype)
        f = FixedDynamics(
            self.dynamics,
            self._convention,
            context=self._context_spec.cast(context),
            mask=mask,
            training=training,
            assigned=self._assigned,
        )
        states, info = self._solve(f, h0, bool(training))
        nfe = info.nfe
        if f.has_moved:
            t1 = tf.constant(self.t1, self.solve_dtype)
            if self.options.per_sample:
                t1 = time_of_each(t1, states[-1])
            f.move_on(t1, states[-1])
            nfe += 1
        self.nfe.update_state(nfe, training=bool(training))
        if training:
            self.learn_from(info)
        return tf.cast(self._asked_for(h0, states), self.compute_dtype)

    def _solve(self, f: FixedDynamics, h0, training: bool):
        """The states at the times after t0; adds the loss of the penalty."""
        grid, solver = self._times.grid, self.solver(training)
        if not (training and self._penalty):
            in_few = f.low_rank(h0.dtype)
            if in_few is not None and low_rank.is_worthwhile(in_few, solver):
                return solve(in_few, h0, grid, solver, in_few.constants)
            return solve(f, h0, grid, solver, f.constants)
        noise = self._penalty.noise(h0, self._noise_seed)
        func = self._penalty.with_loss(f, self._times.direction, noise)
        solver = with_norm_of_first(solver)
        start = self._penalty.start(h0)
        (states, losses), info = solve(func, start, grid, solver, f.constants)
        self.add_loss(mean_over(losses[-1]))
        return states, info

    def _asked_for(self, h0, states):
        """The output, of the states at the times after t0."""
        if self.times is None:
            return states[0]
        if self._times.has_start:
            states = tf.concat([h0[None], states], axis=0)
        axes = range(states.shape.rank)
        sequence = tf.transpose(states, [1, 0, *axes[2:]])
        return tf.ensure_shape(sequence, ODELayer.compute_output_shape(self, h0.shape))

    def _note_place_in_model(self) -> None:
        """Notes which model is being called, and how many ODE layers it called before."""
        call = self.dynamics._get_call_context()
        self.dynamics._maybe_reset_call_context()  # where nothing else is being called
        model = call.entry_layer
        if model in (self, self.dynamics):
            return
        if isinstance(model, keras.Model):
            self._models.add(model)
        earlier = call.get_value("ode_layers", ())
        if self not in earlier:
            call.set_value("ode_layers", (*earlier, self))
        self.nfe.place = call.get_value("ode_layers").index(self)

    def compute_mask(self, inputs, previous_mask):
        return previous_mask if self.times is None else None

    def compute_output_shape(self, inputs_shape, context_shape=None):
        if self.times is None:
            return inputs_shape
        return (inputs_shape[0], len(self.times), *inputs_shape[1:])

    def get_build_config(self):
        config = super().get_build_config()
        return config and {**config, **self._context_spec.as_dict()}

    def build_from_config(self, config):
        self._context_spec.read(config)
        super().build_from_config(config)

    def get_config(self):
        dynamics = keras.saving.serialize_keras_object(self.dynamics)
        dynamics.pop("build_config", None)  # `build` does it, from the state's shape
        if sharing.is_shared(self.dynamics):
            dynamics["shared_object_id"] = id(self.dynamics)
        return {
            **super().get_config(),
            "dynamics": dynamics,
            "t0": self.t0,
            "t1": self.t1,
            "times": self.times and list(self.times),
            "kinetic_energy": self._penalty.kinetic_energy,
            "jacobian_norm": self._penalty.jacobian_norm,
        }

    @classmethod
    def from_config(cls, config):
        sharing.warn_of_copy(config["dynamics"], config.get("name"))
        config = copy.deepcopy(config)  # layers take theirs apart
        dynamics = keras.saving.deserialize_keras_object(config.pop("dynamics"))
        return cls(dynamics, **cls.solver_from(config))
