"""A layer that solves: its solver's settings, its memory of step sizes, its counts."""

import dataclasses
import functools
import weakref

import keras
from tensorflow.python.eager import record

from node_transfer.layers import named_functions
from node_transfer.layers.evaluations import EvaluationCounts
from node_transfer.ode import step_size
from node_transfer.ode.butcher_tableau import ButcherTableau
from node_transfer.ode.solve import BackwardInfo, ODEInfo
from node_transfer.ode.solver import Solver, SolverOptions, tableau_of


class _Setting:
    """An attribute that `set_solver` changes, also where it is assigned to."""

    def __set_name__(self, owner, name):
        self._name = name

    def __get__(self, layer, owner=None):
        return self if layer is None else getattr(layer._solver, self._name)

    def __set__(self, layer, value):
        if value is None:
            raise ValueError(f"{self._name} is None: assign what it is to be.")
        layer.set_solver(**{self._name: value})


class SolverLayer(keras.layers.Layer):
    """What `ODELayer` is apart from its ODE.

    Args:
        rtol, atol, method, gradient, options, remember_step, nfe_prefix: See `ODELayer`.
        **kwargs: Passed to `keras.layers.Layer`.
    """

    rtol = _Setting()
    atol = _Setting()
    method = _Setting()
    gradient = _Setting()
    options = _Setting()

    def __init__(
        self, rtol, atol, method, gradient, options, remember_step, nfe_prefix, **kwargs
    ):
        super().__init__(autocast=False, **kwargs)
        self._solver = _checked_solver(rtol, atol, method, gradient, options)
        self.remember_step = remember_step
        self.nfe_prefix = nfe_prefix
        self.supports_jit = _has_bounded_steps(self._solver)
        self.solve_dtype = "float64" if self.compute_dtype == "float64" else "float32"
        self.nfe = EvaluationCounts(nfe_prefix)
        self._models = weakref.WeakSet()  # those that have called the layer

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

        The models that the layer is a part of make their functions anew, so that their
        next `fit`, `evaluate` or `predict` solves so; a `tf.function` of your own keeps
        the solver that it was traced with. The step size that the layer remembers is
        scaled where tolerances alone are changed, and forgotten otherwise: it was right
        for the solver before.

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
        changes = {
            "rtol": rtol, "atol": atol, "method": method, "gradient": gradient,
            "options": options,
        }  # fmt: skip
        settings = {name: getattr(self, name) for name in changes}
        settings |= {k: v for k, v in changes.items() if v is not None}
        before, self._solver = self._solver, _checked_solver(**settings)
        self.supports_jit = _has_bounded_steps(self._solver)
        if self.built:
            self._carry_steps_over(before)
        for model in self._models:
            _trace_anew(model)

    def add_memory(self) -> None:
        """Makes the weights that remember step sizes; a part of `build`."""
        self.first_step = self._memory("first_step")
        self.adjoint_first_step = self._memory("adjoint_first_step")

    def _memory(self, name):
        """`step_size.remember`'s memory, each replica's own; zeros: choose anew."""
        return keras.Variable(
            "zeros",
            shape=(2,),
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

    def _carry_steps_over(self, before: Solver) -> None:
        """Scales the memory of step sizes to the tolerances there are now, or empties it.

        Args:
            before: The solver that filled it.
        """
        now = self._solver
        same = (before.method, before.options) == (now.method, now.options)
        if not same or now.tableau is None or not now.tableau.adaptive:
            self.forget_step()
            return
        for memory, old, new in (
            (self.first_step, before.forward, now.forward),
            (self.adjoint_first_step, before.backward, now.backward),
        ):
            memory.assign(step_size.scaled(memory.value, old, new))

    def solver(self, training: bool) -> Solver:
        """The solver for a call, with the steps remembered.

        In training, and where a tape records, it has the gradient that was asked for,
        and reports its backward solve. Elsewhere it is the steps alone, which a
        SavedModel can hold as it cannot a gradient of our own, and which keep no record
        of themselves; TensorFlow's gradient of them is `gradient="autodiff"`.
        """
        if self._solver.tableau is None:  # TFP's methods take none of these
            return self._solver
        gradient = self.gradient
        if not training and not record.could_possibly_record():
            gradient = "autodiff"
        on_backward = functools.partial(self._on_backward, training=training)
        options = {**self.options.given(), "on_backward": on_backward}
        if self.remember_step:
            options.setdefault("first_step", self.first_step.value[0])
            options.setdefault("adjoint_first_step", self.adjoint_first_step.value[0])
        return dataclasses.replace(self._solver, gradient=gradient, options=options)

    def learn_from(self, info: ODEInfo) -> None:
        """Remembers what a solve in training taught about its step size."""
        if self.remember_step and self._solver.tableau is not None:
            _update(self.first_step, info)

    def _on_backward(self, backward: BackwardInfo, training: bool):
        self.nfe.update_backward(backward.nfe)
        if training and self.remember_step and self.gradient == "adjoint":
            _update(self.adjoint_first_step, backward)

    def get_config(self):
        config = super().get_config()
        config.pop("autocast", None)
        custom = isinstance(self.method, ButcherTableau)
        options = self.options.given()
        if "norm" in options:
            named_functions.check(options["norm"], f"The norm of {self.name!r} is")
        return {
            **config,
            "rtol": self.rtol,
            "atol": self.atol,
            "method": self.method.as_dict() if custom else self.method,
            "gradient": self.gradient,
            "options": keras.saving.serialize_keras_object(options) or None,
            "remember_step": self.remember_step,
            "nfe_prefix": self.nfe_prefix,
        }

    @staticmethod
    def solver_from(config: dict) -> dict:
        """A config of the layer with method and options as the constructor takes them."""
        method, options = config.get("method", "dopri5"), config.get("options")
        if isinstance(method, dict):
            method = ButcherTableau(**method)
        options = keras.saving.deserialize_keras_object(options)
        return {**config, "method": method, "options": options}


def with_norm_of_first(solver: Solver) -> Solver:
    """A solver for `[h, ...]` whose norm is that of the solver for h."""
    norm = solver.options.norm
    if norm is None:
        return solver
    options = dataclasses.replace(solver.options, norm=lambda ratios: norm(ratios[0]))
    return dataclasses.replace(solver, options=options)


def _checked_solver(rtol, atol, method, gradient, options) -> Solver:
    """The solver of a layer: as that of `odeint`, with tolerances that can be saved."""
    solver = Solver(float(rtol), float(atol), method, gradient, options)
    if solver.options.on_backward is not None:
        raise ValueError("ODELayer has no option on_backward: use odeint for it.")
    return solver


def _has_bounded_steps(solver: Solver) -> bool:
    """Whether XLA can set memory aside for the steps of a solve, and not too much.

    It can for a method on a fixed grid, and where `options["max_num_steps"]` was chosen;
    the default is a limit for solves that do not end, and no estimate. It cannot where
    each sample has steps of its own, whose rounds are as many as the slowest one needs.
    """
    if solver.tableau is None or solver.options.per_sample:
        return False
    chosen = solver.options.given().get("max_num_steps")
    return not solver.tableau.adaptive or chosen is not None


def _trace_anew(model: keras.Model) -> None:
    """Has a model make anew what functions it has made, also in the midst of `fit`."""
    if model.jit_compile:
        model.jit_compile = False  # else Keras takes the next for what there is already
        model.jit_compile = True  # and this back where a layer cannot have it
    for kind in ("train", "test", "predict"):
        if getattr(model, f"{kind}_function") is not None:
            getattr(model, f"make_{kind}_function")(force=True)


def _update(memory: keras.Variable, info: ODEInfo | BackwardInfo) -> None:
    """Writes what a solve taught about its step size."""
    memory.assign(
        step_size.remember(memory.value, info.suited_step, info.suited_rejected_step)
    )
