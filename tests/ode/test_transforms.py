"""What TensorFlow's own transforms make of a solve: XLA, vectorized_map, derivatives."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from node_transfer import odeint
from tests.slowly import slow_after

RNG = np.random.default_rng(5)
KERNEL = tf.constant(0.5 * RNG.normal(size=(3, 3)))
Y0 = tf.constant(RNG.normal(size=(4, 3)))
RK4 = {"method": "rk4", "options": {"num_steps": 5}}
DOPRI5 = {"method": "dopri5", "options": {"max_num_steps": 20}}


def f(t, y, kernel=KERNEL):
    return tf.tanh(y @ kernel + t)


def last(y0, kernel=KERNEL, **kwargs):
    return odeint(f, y0, [0.0, 1.0], constants={"kernel": kernel}, **kwargs)[-1]


def loss_and_gradients(y0, kernel, **kwargs):
    with tf.GradientTape() as tape:
        tape.watch([y0, kernel])
        loss = tf.reduce_sum(last(y0, kernel, **kwargs) ** 2)
    return loss, *tape.gradient(loss, [y0, kernel])


@pytest.mark.parametrize("gradient", slow_after(1, ["backprop", "adjoint", "autodiff"]))
@pytest.mark.parametrize("kwargs", slow_after(1, [DOPRI5, RK4]), ids=["dopri5", "rk4"])
def test_xla_compiles_a_solve_with_its_gradient(kwargs, gradient):
    def compute():
        return loss_and_gradients(Y0, KERNEL, gradient=gradient, **kwargs)

    compiled = tf.function(compute, jit_compile=True)()
    plain = tf.function(compute)()
    for a, b in zip(compiled, plain, strict=True):
        assert np.allclose(a, b, rtol=1e-12, atol=1e-13)


@pytest.mark.slow
@pytest.mark.parametrize(
    "times", slow_after(1, [[0.0, 0.1, 1.0], [0.0, 0.01, 0.02, 1.0]])
)
def test_xla_has_the_gradient_of_states_between_the_ends(times):
    def compute(jit_compile):
        @tf.function(jit_compile=jit_compile)
        def bars():
            with tf.GradientTape() as tape:
                tape.watch([Y0, KERNEL])
                y = odeint(f, Y0, times, constants={"kernel": KERNEL}, rtol=1e-8,
                           atol=1e-8, options={"max_num_steps": 20})  # fmt: skip
                loss = tf.reduce_sum(y[1] ** 2) + tf.reduce_sum(y[-1])
            return tape.gradient(loss, [Y0, KERNEL])

        return bars()

    for a, b in zip(compute(True), compute(False), strict=True):
        assert np.allclose(a, b, rtol=1e-6, atol=1e-7)


def test_xla_with_many_times_steps_onto_each():
    def states():
        return odeint(f, Y0, np.linspace(0, 1, 9), rtol=1e-8, atol=1e-8,
                      options={"max_num_steps": 20})  # fmt: skip

    assert np.allclose(tf.function(states, jit_compile=True)(), states(), atol=1e-7)


def test_xla_without_a_bound_on_the_steps_is_refused():
    @tf.function(jit_compile=True)
    def compute():
        return last(Y0, options={"max_num_steps": None})

    with pytest.raises(ValueError, match="max_num_steps is None.*pass options="):
        compute()


@pytest.mark.parametrize(
    ("gradient", "kwargs"),
    slow_after(1, [("backprop", RK4), ("adjoint", {}), ("adjoint", RK4)]),
)
def test_vectorized_map_solves_each_element(gradient, kwargs):
    starts = tf.constant(RNG.normal(size=(5, 2, 3)))

    def compute(y0):
        return loss_and_gradients(y0, KERNEL, gradient=gradient, **kwargs)[:2]

    @tf.function
    def both():
        return tf.vectorized_map(compute, starts), tf.map_fn(
            compute, starts, fn_output_signature=(tf.float64, tf.float64)
        )

    for a, b in zip(*both(), strict=True):
        assert np.allclose(a, b, rtol=1e-10, atol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("gradient", "graph"),
    [
        *slow_after(1, itertools.product(("backprop", "adjoint"), (True, False))),
        *slow_after(0, [("autodiff", False), ("autodiff", True)]),
    ],
)
def test_batch_jacobian(gradient, graph):
    def compute():
        with tf.GradientTape() as tape:
            tape.watch(Y0)
            y = last(Y0, gradient=gradient, rtol=1e-9, atol=1e-9)
        return tape.batch_jacobian(y, Y0)

    jacobian = (tf.function(compute) if graph else compute)()
    step = 1e-5
    for j in range(3):
        moved = np.zeros(3)
        moved[j] = step
        change = (last(Y0 + moved, rtol=1e-11, atol=1e-11) - last(Y0 - moved, rtol=1e-11,
                  atol=1e-11)) / (2 * step)  # fmt: skip
        assert np.allclose(jacobian[:, :, j], change, atol=1e-6)


@pytest.mark.parametrize(
    ("kwargs", "graph"),
    [
        (RK4, False),
        (RK4, True),
        ({"rtol": 1e3, "atol": 1e3}, False),
        pytest.param({"rtol": 1e3, "atol": 1e3}, True, marks=pytest.mark.slow),
    ],
)
def test_second_derivatives_by_autodiff(kwargs, graph):
    def penalty(y0, kernel):
        with tf.GradientTape() as tape:
            tape.watch(y0)
            loss = tf.reduce_sum(last(y0, kernel, gradient="autodiff", **kwargs) ** 2)
        return tf.reduce_sum(tape.gradient(loss, y0) ** 2)

    def gradient():
        with tf.GradientTape() as tape:
            tape.watch(KERNEL)
            value = penalty(Y0, KERNEL)
        return tape.gradient(value, KERNEL)

    bar = (tf.function(gradient) if graph else gradient)()
    direction, step = RNG.normal(size=(3, 3)), 1e-4
    change = penalty(Y0, KERNEL + step * direction) - penalty(
        Y0, KERNEL - step * direction
    )
    assert np.sum(bar * direction) == pytest.approx(float(change) / (2 * step), rel=1e-6)


@pytest.mark.parametrize(
    "kwargs", slow_after(1, [{}, {"options": {"per_sample": True}}, {"method": "dop853"}])
)
def test_second_derivatives_where_a_step_has_no_error(kwargs):
    """As of a block whose last layer begins as zeros."""
    last_layer = tf.zeros([3, 3], tf.float64)

    def second(weights, **kwargs):
        with tf.GradientTape() as outer:
            outer.watch(weights)
            with tf.GradientTape() as inner:
                inner.watch(Y0)
                y = odeint(
                    lambda t, y: f(t, y) @ weights, Y0, [0.0, 1.0], gradient="autodiff",
                    **kwargs,
                )[-1]  # fmt: skip
                loss = tf.reduce_sum(y[:, 0])
            penalty = tf.reduce_sum(inner.gradient(loss, Y0) ** 2)
        return outer.gradient(penalty, weights)

    bar = tf.function(second)(last_layer, **kwargs)
    assert np.linalg.norm(bar) > 0.1
    assert np.allclose(bar, second(last_layer, **RK4), rtol=1e-3)


@pytest.mark.parametrize(
    ("gradient", "graph"),
    slow_after(1, itertools.product(("backprop", "adjoint"), (True, False))),
)
def test_batch_jacobian_of_states_between_the_ends(gradient, graph):
    def compute(**kwargs):
        with tf.GradientTape() as tape:
            tape.watch(Y0)
            y = odeint(f, Y0, [0.0, 0.1, 1.0], **kwargs)[-1]
        return tape.batch_jacobian(y, Y0)

    jacobian = (tf.function(compute) if graph else compute)(gradient=gradient)
    assert np.allclose(jacobian, compute(gradient="autodiff", **RK4), atol=1e-4)


def test_forward_mode_by_autodiff():
    direction = tf.constant(RNG.normal(size=(4, 3)))
    with tf.autodiff.ForwardAccumulator(Y0, direction) as accumulator:
        y = last(Y0, gradient="autodiff", **RK4)
    step = 1e-5
    change = last(Y0 + step * direction, **RK4) - last(Y0 - step * direction, **RK4)
    assert np.allclose(accumulator.jvp(y), change / (2 * step), atol=1e-8)


def test_autodiff_is_the_gradient_that_backprop_is():
    backprop = loss_and_gradients(Y0, KERNEL, gradient="backprop")
    autodiff = loss_and_gradients(Y0, KERNEL, gradient="autodiff")
    for a, b in zip(backprop, autodiff, strict=True):
        assert np.allclose(a, b, rtol=1e-12)


@pytest.mark.parametrize("gradient", ["backprop", "adjoint"])
def test_second_derivatives_of_other_gradients_say_what_to_pass(gradient):
    with tf.GradientTape() as outer:
        outer.watch(Y0)
        with tf.GradientTape() as inner:
            inner.watch(Y0)
            y = last(Y0, gradient=gradient, **RK4)
        first = inner.gradient(y, Y0)
    with pytest.raises(NotImplementedError, match="gradient='autodiff'"):
        outer.gradient(first, Y0)
