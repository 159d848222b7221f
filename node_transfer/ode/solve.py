"""A problem and a solver become states, with the gradient asked for."""

import dataclasses
import functools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from node_transfer.ode import (
    closures,
    control_flow,
    failure,
    jumps,
    low_rank,
    methods,
    per_sample,
    stepping,
    tfp_methods,
)
from node_transfer.ode.gradient import Gradient, SolvedProblem
from node_transfer.ode.problem import Problem
from node_transfer.ode.solution import Solution
from node_transfer.ode.solver import Solver
from node_transfer.ode.vjp import Sources


class ODEInfo(NamedTuple):
    """What a forward solve cost. Scalar tensors.

    Attributes:
        nfe: Evaluations of f.
        accepted, rejected: Steps.
        suited_step: The least length, in units of t, that the error of an accepted step
            called just right: what the next such solve had best have as its
            `options["first_step"]`.
        suited_rejected_step: The same of the rejected steps; very large if there were
            none.
        status: 0 where the solve reached its end, else an index into `failure.REASONS`;
            -1 where the method does not tell.
    """

    nfe: tf.Tensor
    accepted: tf.Tensor
    rejected: tf.Tensor
    suited_step: tf.Tensor
    suited_rejected_step: tf.Tensor
    status: tf.Tensor

    @classmethod
    def of(cls, solution: Solution) -> "ODEInfo":
        return cls(*(getattr(solution, name) for name in cls._fields))

    @classmethod
    def of_all(cls, infos: list["ODEInfo"]) -> "ODEInfo":
        """That of a solve in parts; its status is that of the first part that failed."""
        status = infos[-1].status
        for info in reversed(infos[:-1]):
            status = tf.where(tf.equal(info.status, failure.RUNNING), status, info.status)
        sums = (tf.add_n([i[k] for i in infos]) for k in range(3))
        least = (tf.reduce_min(tf.stack([i[k] for i in infos])) for k in (3, 4))
        return cls(*[*sums, *least, status])


class BackwardInfo(NamedTuple):
    """What a gradient cost. Scalar tensors.

    Attributes:
        nfe: Evaluations of f, each with its vector-Jacobian product.
        suited_step, suited_rejected_step: As in `ODEInfo`, of the adjoint's solve, for
            `options["adjoint_first_step"]`.
    """

    nfe: tf.Tensor
    suited_step: tf.Tensor
    suited_rejected_step: tf.Tensor

    @classmethod
    def of_all(cls, infos: list["BackwardInfo"]) -> "BackwardInfo":
        """That of a gradient in parts."""
        nfe, *steps = (tf.stack(column) for column in zip(*infos, strict=True))
        return cls(tf.reduce_sum(nfe), *map(tf.reduce_min, steps))


@tf.autograph.experimental.do_not_convert
def solve(func: Callable, y0, t, solver: Solver, constants: dict | None = None):
    """`odeint` without its first state: returns `(states at t[1:], ODEInfo)`.

    A `LowRankFunction` is for a solver that `low_rank.is_worthwhile` says can take it.

    Raises:
        ValueError, ODESolveError: See `odeint`.
    """
    problem = Problem.of(func, y0, t, constants)
    if solver.options.per_sample and problem.time_gradient:
        raise ValueError(
            "per_sample is True and t is a tensor, whose gradient it does not have: pass "
            "t as numbers."
        )
    if problem.low_rank is not None and problem.time_gradient:
        raise ValueError(
            "func is a LowRankFunction and t is a tensor, whose gradient it does not "
            "have: pass t as numbers."
        )
    if solver.options.norm is not None:
        solver = solver.with_norm_of(y0)
    if problem.times.shape[0] == 1:
        states, info = _nothing_to_solve(problem)
    elif solver.tableau is None:
        states, info = _solve_by_tfp(solver, problem)
    elif solver.options.jump_times:
        states, info = _solve_with_jumps(solver, problem)
    else:
        states, info = _solve_by_steps(solver, problem)
    out_dtype = tf.nest.flatten(y0)[0].dtype
    states = [tf.cast(y, out_dtype) for y in states]
    return tf.nest.pack_sequence_as(y0, states), info


def _nothing_to_solve(problem: Problem):
    """The states at no time after the initial one."""
    zero, no_step = tf.constant(0), tf.zeros([], problem.times.dtype)
    info = ODEInfo(zero, zero, zero, no_step, no_step, status=zero)
    return [y[None][:0] for y in problem.y0], info


def _solve_with_jumps(solver: Solver, problem: Problem):
    """Solves from jump to jump, by a solve for each part."""
    y, kept, infos = problem.y0, [], []
    backward: list[BackwardInfo] = []
    for k, part in enumerate(jumps.parts(problem, solver.options.jump_times)):
        of_part = _reporting_once(solver, backward, is_first=k == 0)
        outputs, info = _solve_by_steps(of_part, part.problem_from(y))
        y = [x[-1] for x in outputs]
        kept.append([x[: part.num_outputs] for x in outputs])
        infos.append(info)
    states = [tf.concat(parts, axis=0) for parts in zip(*kept, strict=True)]
    return states, ODEInfo.of_all(infos)


def _reporting_once(solver: Solver, backward: list, is_first: bool) -> Solver:
    """A solver for a part, whose gradients are reported as one by the first part's.

    That is the last to be computed, since the others' are what it is computed from.

    Args:
        solver: That of the whole.
        backward: Where the parts leave their `BackwardInfo`.
        is_first: Whether it is for the first part.
    """
    report = solver.options.on_backward
    if report is None:
        return solver

    def note(info: BackwardInfo) -> None:
        backward.append(info)
        if is_first:
            report(BackwardInfo.of_all(backward))
            backward.clear()

    options = dataclasses.replace(solver.options, on_backward=note)
    return dataclasses.replace(solver, options=options)


def _solve_by_steps(solver: Solver, problem: Problem):
    """Integrates, with the gradient asked for in place of TensorFlow's own."""
    num_components = len(problem.y0)
    method = methods.GRADIENTS[solver.gradient]
    if method.module is None:
        solution = _integrate(solver, problem, problem.y0, problem.times)
        info = ODEInfo(*(tf.stop_gradient(x) for x in ODEInfo.of(solution)))
        return solution.outputs, info
    each = solver.options.per_sample
    gradient = _gradient_of(solver, problem)
    a_tape_watches, home = closures.a_tape_watches(), control_flow.graph_being_made()

    @tf.custom_gradient
    def integrate(times, *tensors):
        y0, constants = list(tensors[:num_components]), tensors[num_components:]
        solution = _integrate(solver, problem, y0, times, constants)
        solved = SolvedProblem(problem.rhs, y0, times, solution)

        def backward(*bars, variables=()):
            if not a_tape_watches or control_flow.is_outside(home):
                closures.warn_of_lost(problem, each)
            sources = Sources(tuple(constants), tuple(variables), problem.time_gradient)
            output_bars = [tf.convert_to_tensor(bar) for bar in bars[:num_components]]
            with control_flow.captures_of_whatever_f_reads(home):
                result = gradient(solver, solved, output_bars, sources)
                bars = _bars(solver, solved, result)
            num_tensors = 1 + len(tensors)
            if variables:
                return bars[:num_tensors], list(bars[num_tensors:])
            return bars

        return (*solution.outputs, *ODEInfo.of(solution)), backward

    results = integrate(problem.times, *problem.y0, *problem.constants)
    # Now that what f builds lazily is there.
    closures.refuse_watched(problem, each)
    info = ODEInfo(*(tf.stop_gradient(x) for x in results[num_components:]))
    return list(results[:num_components]), info


def _integrate(solver: Solver, problem: Problem, y0, times, constants=None) -> Solution:
    """The solve itself, with the constants in place of the problem's own."""
    constants = problem.constants if constants is None else constants
    first_step = solver.options.first_step
    record = methods.GRADIENTS[solver.gradient].records_steps
    if problem.low_rank is not None:
        return low_rank.integrate(
            solver.forward,
            problem.low_rank,
            y0,
            times,
            constants,
            first_step=first_step,
            record=record,
        )
    integrate = per_sample.integrate if solver.options.per_sample else stepping.integrate
    return integrate(
        solver.forward,
        lambda t, y, quadrature: (problem.rhs(t, y, constants), []),
        y0,
        times,
        first_step=first_step,
        record=record,
    )


def _gradient_of(solver: Solver, problem: Problem) -> Callable:
    """What differentiates a solve: `gradient(solver, solved, output_bars, sources)`."""
    if problem.low_rank is not None:
        return functools.partial(low_rank.gradient, problem.low_rank)
    if solver.options.per_sample:
        return per_sample.gradient
    return methods.GRADIENTS[solver.gradient].load()


def _bars(solver: Solver, solved: SolvedProblem, result: Gradient) -> tuple:
    """The gradient as TensorFlow wants it: for times, state, tensors and variables."""
    if solver.options.on_backward is not None:
        solver.options.on_backward(
            BackwardInfo(result.nfe, result.suited_step, result.suited_rejected_step)
        )
    time_bars = result.time_bars
    if time_bars is None:
        time_bars = tf.zeros_like(solved.times)
    bars = [time_bars, *result.y0_bar, *result.source_bars]
    if solver.options.on_failure == "nan" and not solver.options.per_sample:
        # The state is NaN, so its gradient is too.
        reached = tf.equal(solved.solution.status, failure.RUNNING)
        bars = [tf.where(reached, bar, tf.cast(np.nan, bar.dtype)) for bar in bars]
    return _first_derivative_only(*bars)


def _solve_by_tfp(solver: Solver, problem: Problem):
    """Solves by a method of TensorFlow Probability's, with its gradient."""
    num_components = len(problem.y0)
    guarded = _first_gradient_only(*problem.y0, *problem.constants)
    problem = dataclasses.replace(
        problem, y0=guarded[:num_components], constants=guarded[num_components:]
    )
    states, nfe = tfp_methods.solve(solver, problem)
    unknown = tf.constant(-1)  # these solvers do not report their steps
    no_step = tf.zeros([], problem.times.dtype)
    return states, ODEInfo(nfe, unknown, unknown, no_step, no_step, status=unknown)


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
            "Second derivatives, and forward-mode ones, of this gradient of odeint are "
            "not implemented. For a gradient penalty, a Hessian or a JVP pass "
            "gradient='autodiff', which TensorFlow differentiates as often as asked. "
            "(Several tapes, or a persistent one, outside of a tf.function that solves "
            "in a loop ask for them, too: take the gradient inside the function.)"
        )

    return tuple(tf.identity(bar) for bar in bars), backward
