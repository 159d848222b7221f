"""The entry point: solve an initial value problem, differentiably."""

import dataclasses
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from node_transfer.ode import (
    adjoint,
    arguments,
    backprop,
    failure,
    stepping,
    tfp_methods,
)
from node_transfer.ode.dormand_prince import DormandPrince
from node_transfer.ode.tableaus import TABLEAUS
from node_transfer.ode.vjp import Sources


class ODEInfo(NamedTuple):
    """What a forward solve cost. Scalar tensors.

    Attributes:
        nfe: Evaluations of f.
        accepted, rejected: Steps.
        step_size: The length, in units of t, that the next such solve had best start
            with: pass it as `options["first_step"]`.
        rejected_step_size: The least length that the error of a rejected step called
            right; very large if none was rejected.
    """

    nfe: tf.Tensor
    accepted: tf.Tensor
    rejected: tf.Tensor
    step_size: tf.Tensor
    rejected_step_size: tf.Tensor


class BackwardInfo(NamedTuple):
    """What a gradient cost. Scalar tensors.

    Attributes:
        nfe: Evaluations of f, each with its vector-Jacobian product.
        step_size, rejected_step_size: As in `ODEInfo`, of the adjoint's solve, for
            `options["adjoint_first_step"]`.
    """

    nfe: tf.Tensor
    step_size: tf.Tensor
    rejected_step_size: tf.Tensor


def odeint(
    func: Callable,
    y0,
    t,
    *,
    rtol: float = 1e-5,
    atol: float = 1e-5,
    method: str = "dopri5",
    gradient: str = "backprop",
    options: dict | None = None,
    full_output: bool = False,
):
    """Solves `dy/dt = func(t, y)` from `y(t[0]) = y0`, differentiably.

    Gradients reach `y0`, the times `t` (where it is a tensor or variable; not for TFP's
    own methods), every trainable variable that `func` reads, and
    `options["constants"]`. They are first derivatives: differentiating them again raises
    `NotImplementedError`.

    Args:
        func: `func(t, y, **constants)` returns dy/dt, structured and shaped like `y`;
            `t` is a scalar tensor of `y`'s dtype.
        y0: Initial state: a tensor, or a nested structure of tensors of one floating
            dtype. Half precision is solved in float32 and returned in half precision.
        t: Times, 1-D, two or more, strictly increasing or strictly decreasing. The
            solver steps exactly onto each; each one after the first costs a step.
        rtol, atol: Tolerances: the root mean square of `error / (atol + rtol |y|)` over
            the whole state, estimated, is at most 1 in each step.
        method: `"dopri5"`, `"tsit5"`, `"bosh3"` choose their steps; `"euler"`,
            `"midpoint"`, `"heun"`, `"rk4"` take `options["num_steps"]` equal steps;
            `"bdf"`, TensorFlow Probability's, is for stiff problems of few dimensions;
            `"dopri5_tfp"` is its Dormand-Prince as it comes, for comparison.
        gradient: `"backprop"`: the exact gradient of the steps taken; memory grows by
            one state a step. `"adjoint"`: Chen et al. (2018); constant memory, exact up
            to the tolerance. (So in a `tf.function`, as in `fit`; eagerly, TensorFlow's
            tape keeps what it sees of the forward solve as well.) Both evaluate `func`
            again at the same states: it must be deterministic, so no dropout in it.
        options: See `arguments.SolverOptions`.
        full_output: Whether to return `(states, ODEInfo)`.

    Returns:
        The states at `t`, structured like `y0`, each stacked on a new first axis, so
        that `states[0] == y0`.

    Raises:
        ValueError: An argument is not as described.
        ODESolveError: The solve could not reach its end: too many steps, step size
            underflow, or non-finite values. Inside a `tf.function` this is a
            `tf.errors.InvalidArgumentError` with the same message.

    Reference: Chen, Rubanova, Bettencourt & Duvenaud (2018), Neural Ordinary
    Differential Equations, arXiv:1806.07366.
    """
    y0 = tf.nest.map_structure(tf.convert_to_tensor, y0)
    outputs, info = solve(func, y0, t, rtol, atol, method, gradient, options)
    states = tf.nest.map_structure(
        lambda first, rest: tf.concat([first[None], rest], axis=0), y0, outputs
    )
    return (states, info) if full_output else states


@tf.autograph.experimental.do_not_convert
def solve(func, y0, t, rtol, atol, method, gradient, options):
    """`odeint` without its first state: returns `(states at t[1:], ODEInfo)`."""
    options = arguments.check_arguments(rtol, atol, method, gradient, options)
    structure = y0
    flat_y0 = tf.nest.flatten(y0)
    out_dtype, dtype = arguments.state_dtypes(flat_y0)
    flat_y0 = [tf.cast(y, dtype) for y in flat_y0]
    times_wanted = any(arguments.is_tensor(x) for x in tf.nest.flatten(t))
    times = arguments.check_times(t, dtype)
    constants = options.constants or {}
    constants = tf.nest.map_structure(tf.convert_to_tensor, constants)
    flat_constants = tf.nest.flatten(constants)

    def rhs(t, y, flat_constants):
        dy = func(
            t,
            tf.nest.pack_sequence_as(structure, y),
            **tf.nest.pack_sequence_as(constants, flat_constants),
        )
        return arguments.check_derivative(dy, structure, y)

    if method in tfp_methods.METHODS:
        guarded = _first_gradient_only(*flat_y0, *flat_constants)
        states, nfe = tfp_methods.solve(
            method,
            rhs,
            guarded[: len(flat_y0)],
            times,
            guarded[len(flat_y0) :],
            rtol,
            atol,
            gradient,
            options,
        )
        unknown = tf.constant(-1)  # these solvers do not report their steps
        no_size = tf.zeros([], dtype)
        info = ODEInfo(nfe, unknown, unknown, no_size, no_size)
    else:
        settings = stepping.StepSettings(
            TABLEAUS[method],
            rtol,
            atol,
            options.max_num_steps,
            options.num_steps,
            options.on_failure,
        )
        states, info = _differentiable_solve(
            settings, rhs, flat_y0, times, flat_constants, times_wanted, gradient, options
        )
    states = [tf.cast(y, out_dtype) for y in states]
    return tf.nest.pack_sequence_as(structure, states), info


def _differentiable_solve(
    settings, rhs, y0, times, constants, times_wanted, gradient, options
):
    """Integrates, with the gradient asked for in place of TensorFlow's own."""
    num_components = len(y0)
    by_steps = gradient == "backprop"
    info = None

    @tf.custom_gradient
    def integrate(times, *tensors):
        nonlocal info
        y0, constants = tensors[:num_components], tensors[num_components:]

        solution = _integrator(settings)(
            lambda t, y, quadrature: (rhs(t, y, constants), []),
            list(y0),
            times,
            initial_step=options.first_step,
            record=by_steps,
        )
        info = ODEInfo(
            solution.nfe,
            solution.accepted,
            solution.rejected,
            solution.suited,
            solution.suited_rejected,
        )

        def backward(*output_bars, variables=()):
            sources = Sources(tuple(constants), tuple(variables), times_wanted)
            output_bars = [tf.convert_to_tensor(bar) for bar in output_bars]
            if by_steps:
                y_bar, bars, time_bars, nfe = backprop.gradient(
                    settings.tableau, rhs, times, solution, output_bars, sources
                )
                sizes = solution.suited, solution.suited_rejected
            else:
                y_bar, bars, time_bars, nfe, *sizes = adjoint.gradient(
                    dataclasses.replace(
                        settings,
                        rtol=_first_given(options.adjoint_rtol, settings.rtol),
                        atol=_first_given(options.adjoint_atol, settings.atol),
                    ),
                    rhs,
                    times,
                    [
                        tf.concat([first[None], rest], axis=0)
                        for first, rest in zip(y0, solution.outputs, strict=True)
                    ],
                    output_bars,
                    sources,
                    options.adjoint_first_step,
                )
            if options.on_backward is not None:
                options.on_backward(BackwardInfo(nfe, *sizes))
            if time_bars is None:
                time_bars = tf.zeros_like(times)
            bars = [time_bars, *y_bar, *bars]
            if settings.on_failure == "nan":  # the state is NaN, so its gradient is too
                reached = tf.equal(solution.status, failure.RUNNING)
                bars = [
                    tf.where(reached, bar, tf.cast(np.nan, bar.dtype)) for bar in bars
                ]
            bars = _first_derivative_only(*bars)
            num_tensors = 1 + len(tensors)
            if variables:
                return bars[:num_tensors], list(bars[num_tensors:])
            return bars

        return tuple(solution.outputs), backward

    return list(integrate(times, *y0, *constants)), info


@tf.custom_gradient
def _first_gradient_only(*tensors):
    """Passes tensors through; their gradients refuse to be differentiated."""

    def backward(*bars):
        return _first_derivative_only(*bars)

    return tuple(tf.identity(x) for x in tensors), backward


@tf.custom_gradient
def _first_derivative_only(*bars):
    """Passes gradients through, and refuses to be differentiated."""

    def backward(*unused):
        raise NotImplementedError(
            "Second derivatives of odeint are not implemented: the gradient of a solve "
            "cannot be differentiated again. For a gradient penalty or a Hessian, "
            "differentiate a loop of Runge-Kutta steps of your own."
        )

    return tuple(tf.identity(bar) for bar in bars), backward


def _integrator(settings: stepping.StepSettings):
    """The integrator of a method: for dopri5 that of our `DormandPrince`."""
    if settings.tableau.name == "dopri5":
        return DormandPrince(
            settings.rtol,
            settings.atol,
            max_num_steps=settings.max_num_steps,
            on_failure=settings.on_failure,
        ).integrate
    return lambda *args, **kwargs: stepping.integrate(settings, *args, **kwargs)


def _first_given(value, default):
    return default if value is None else value
