"""The ODE block."""

import dataclasses

import keras
import tensorflow as tf

from node_transfer.ode import step_size
from node_transfer.ode.butcher_tableau import ButcherTableau
from node_transfer.ode.solve import BackwardInfo, ODEInfo, solve
from node_transfer.ode.solver import Solver, SolverOptions, tableau_of


@keras.saving.register_keras_serializable(package="node_transfer")
class ODELayer(keras.layers.Layer):
    """A layer whose output is the solution h(t1) of dh/dt = f(t, h), h(t0) = inputs.

    The ODE is solved in float32 or wider, whatever the mixed-precision policy: dynamics
    with a half-precision policy are given the wider one.

    The layer counts the evaluations of f that a solve takes. `fit` shows them as the
    metrics `nfe_forward` and `nfe_backward`, means over the batches of an epoch.

    `rtol`, `atol`, `method`, `gradient` and `options` are attributes to read;
    `set_solver` changes them.

    Args:
        dynamics: A Keras layer called as `dynamics(t, h)`, which returns dh/dt, shaped
            like h. It must be differentiable and, to be solved well, smooth.
        t0, t1: The interval. `t1 < t0` goes back in time.
        rtol, atol: Tolerances of the solver, see `node_transfer.odeint`.
        method: The solver's method, a name or a `ButcherTableau`, see
            `node_transfer.odeint`.
        gradient: `"backprop"` (exact gradient of the steps taken) or `"adjoint"`
            (constant memory).
        options: A `SolverOptions`, or a dictionary of its attributes; all but
            `on_backward`.
        remember_step: Whether each training batch starts with the step size that suited
            the one before, kept as a non-trainable weight. It saves evaluations, but
            lets an output depend, within the tolerance, on the batches trained on
            before. Outside training the memory is read and never written.
        nfe_prefix: Put before the names of the metrics, to tell two layers apart.
        **kwargs: Passed to `keras.layers.Layer`.

    Input shape: any that the dynamics take.

    Output shape: the same.

    Raises:
        ValueError: An argument is not as described.
        ODESolveError or tf.errors.InvalidArgumentError: See `node_transfer.odeint`.

    Example:

    >>> block = ODELayer(DenseDynamics(hidden_units=64), rtol=1e-3, atol=1e-3)
    >>> model = keras.Sequential([keras.Input([20]), block, keras.layers.Dense(10)])

    Reference: Chen, Rubanova, Bettencourt & Duvenaud (2018), Neural Ordinary
    Differential Equations, arXiv:1806.07366.
    """

    def __init__(
        self,
        dynamics: keras.layers.Layer,
        t0: float = 0.0,
        t1: float = 1.0,
        rtol: float = 1e-5,
        atol: float = 1e-5,
        method: str | ButcherTableau = "dopri5",
        gradient: str = "backprop",
        options: SolverOptions | dict | None = None,
        remember_step: bool = True,
        nfe_prefix: str = "",
        **kwargs,
    ):
        super().__init__(autocast=False, **kwargs)
        if t0 == t1:
            raise ValueError(f"t0 and t1 are both {t0}: the interval is empty.")
        self._solver = _checked_solver(rtol, atol, method, gradient, options)
        self.dynamics = dynamics
        self.t0 = float(t0)
        self.t1 = float(t1)
        self.remember_step = remember_step
        self.nfe_prefix = nfe_prefix
        # XLA cannot compile a loop of unknown length with the memory for its gradient.
        self.supports_jit = False
        self.solve_dtype = "float64" if self.compute_dtype == "float64" else "float32"
        _widen(dynamics, self.solve_dtype)
        self.nfe_forward = keras.metrics.Mean(f"{nfe_prefix}nfe_forward")
        self.nfe_backward = keras.metrics.Mean(f"{nfe_prefix}nfe_backward")

    @property
    def rtol(self) -> float:
        return self._solver.rtol

    @property
    def atol(self) -> float:
        return self._solver.atol

    @property
    def method(self) -> str | ButcherTableau:
        return self._solver.method

    @property
    def gradient(self) -> str:
        return self._solver.gradient

    @property
    def options(self) -> SolverOptions:
        return self._solver.options

    def set_solver(
        self,
        *,
        rtol: float | None = None,
        atol: float | None = None,
        method: str | ButcherTableau | None = None,
        gradient: str | None = None,
        options: SolverOptions | dict | None = None,
    ) -> None:
        """Solves from now on with other settings, with the same weights.

        The step size that the layer remembers is forgotten: it was right for the solver
        before. A model that is compiled already keeps the functions it has made, with
        that solver inside: compile it again, and build every `tf.function` of your own
        that calls the layer anew. (Keras gives a layer no way to do this for you.)

        Args:
            rtol, atol, method, gradient: As in the constructor; `None` leaves it.
            options: In place of all options so far; `None` leaves them, except that
                `num_steps` goes where the method chooses its own steps.

        Raises:
            ValueError: The settings do not go together; nothing is changed then.
        """
        if method is not None and options is None:
            tableau = tableau_of(method)
            if tableau is None or tableau.adaptive:
                options = dataclasses.replace(self.options, num_steps=None)
        changes = {"rtol": rtol, "atol": atol, "method": method, "gradient": gradient}
        changes["options"] = options
        settings = {name: getattr(self, name) for name in changes}
        settings |= {k: v for k, v in changes.items() if v is not None}
        self._solver = _checked_solver(**settings)
        if self.built:
            self.forget_step()

    def build(self, input_shape):
        if not self.dynamics.built:
            self.dynamics.build((), input_shape)
            self.dynamics.built = True
        _widen(self.dynamics, self.solve_dtype)  # layers made in its build, too
        self.first_step = self._memory("first_step")
        self.adjoint_first_step = self._memory("adjoint_first_step")

    def _memory(self, name):
        """`step_size.remember`'s memory, each replica's own; zeros: choose anew."""
        return keras.Variable(
            [0.0, 0.0],
            dtype=self.solve_dtype,
            trainable=False,
            aggregation="only_first_replica",
            synchronization="on_read",
            name=name,
        )

    def forget_step(self) -> None:
        """Empties the memory of step sizes: the next solve chooses its first one."""
        for memory in (self.first_step, self.adjoint_first_step):
            memory.assign([0.0, 0.0])

    def call(self, inputs, training=False):
        # TFP's methods take no first step, and report none.
        own_method = self._solver.tableau is not None
        states, info = solve(
            self.dynamics,
            tf.cast(inputs, self.solve_dtype),
            [self.t0, self.t1],
            self._reporting_solver() if own_method else self._solver,
        )
        self.nfe_forward.update_state(info.nfe)
        if training and self.remember_step and own_method:
            _update(self.first_step, info)
        return tf.cast(states[0], self.compute_dtype)

    def _reporting_solver(self) -> Solver:
        """The solver with the steps remembered, which reports its backward solve."""
        options = {**self.options.given(), "on_backward": self._on_backward}
        if self.remember_step:
            options.setdefault("first_step", self.first_step.value[0])
            options.setdefault("adjoint_first_step", self.adjoint_first_step.value[0])
        return dataclasses.replace(self._solver, options=options)

    def _on_backward(self, backward: BackwardInfo):
        self.nfe_backward.update_state(backward.nfe)
        if self.remember_step and self.gradient == "adjoint":
            _update(self.adjoint_first_step, backward)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        config = super().get_config()
        config.pop("autocast", None)
        custom = isinstance(self.method, ButcherTableau)
        return {
            **config,
            "dynamics": keras.saving.serialize_keras_object(self.dynamics),
            "t0": self.t0,
            "t1": self.t1,
            "rtol": self.rtol,
            "atol": self.atol,
            "method": self.method.as_dict() if custom else self.method,
            "gradient": self.gradient,
            "options": self.options.given() or None,
            "remember_step": self.remember_step,
            "nfe_prefix": self.nfe_prefix,
        }

    @classmethod
    def from_config(cls, config):
        config = dict(config)
        dynamics = keras.saving.deserialize_keras_object(config.pop("dynamics"))
        if isinstance(config.get("method"), dict):
            config["method"] = ButcherTableau(**config["method"])
        return cls(dynamics, **config)


def _checked_solver(rtol, atol, method, gradient, options) -> Solver:
    """The solver of a layer: as that of `odeint`, with tolerances that can be saved."""
    solver = Solver(float(rtol), float(atol), method, gradient, options)
    if solver.options.on_backward is not None:
        raise ValueError("ODELayer has no option on_backward: use odeint for it.")
    return solver


def _update(memory: keras.Variable, info: ODEInfo | BackwardInfo) -> None:
    """Writes what a solve taught about its step size."""
    memory.assign(
        step_size.remember(memory.value, info.suited_step, info.suited_rejected_step)
    )


def _widen(layer: keras.layers.Layer, dtype: str):
    """Gives a layer and those inside it a policy at least as wide as the dtype."""
    size = tf.as_dtype(dtype).size
    for part in layer._flatten_layers():
        if tf.as_dtype(part.compute_dtype).size < size:
            if part.built and part.variable_dtype != dtype:
                raise ValueError(
                    f"The layer {part.name!r} of the dynamics has {part.variable_dtype} "
                    f"weights: build it with dtype={dtype!r}, in which the ODE is solved."
                )
            part.dtype_policy = keras.DTypePolicy(dtype)
