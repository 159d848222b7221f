"""A solve that cannot go on says where it was and what to try."""

import numpy as np
import pytest
import tensorflow as tf

from node_transfer import ODESolveError, odeint
from tests.slowly import slow_after

DETAILS = [
    "at t = ",
    "step size ",
    "evaluations of f",
    "rtol = 1e-05, atol = 1e-05",
    "Try a looser",
]


def blow_up(t, y):
    return y**2  # 1 / (1 - t): no solution beyond t = 1


def solve(f=blow_up, graph=False, **kwargs):
    def call():
        return odeint(f, tf.ones([2]), [0.0, 2.0], **kwargs)

    return (tf.function(call) if graph else call)()


@pytest.mark.parametrize("gradient", slow_after(1, ["backprop", "adjoint"]))
def test_underflow_raises_with_the_place_and_a_remedy(gradient):
    with pytest.raises(ODESolveError) as raised:
        solve(gradient=gradient, options={"max_num_steps": 10000})
    for detail in [*DETAILS, "underflow"]:
        assert detail in str(raised.value)


def test_too_many_steps_raises():
    with pytest.raises(ODESolveError, match="maximum number of steps"):
        solve(lambda t, y: tf.sin(500 * t) * y, options={"max_num_steps": 20})


def test_last_allowed_step_may_be_the_one_that_arrives():
    y, info = odeint(lambda t, y: -y, tf.ones([2]), [0.0, 1.0], full_output=True)
    tries = int(info.accepted + info.rejected)
    again = odeint(
        lambda t, y: -y, tf.ones([2]), [0.0, 1.0], options={"max_num_steps": tries}
    )
    assert np.array_equal(y, again)
    with pytest.raises(ODESolveError):
        odeint(
            lambda t, y: -y, tf.ones([2]), [0.0, 1.0],
            options={"max_num_steps": tries - 1},
        )  # fmt: skip


@pytest.mark.parametrize("method", ["dopri5", "rk4"])
def test_non_finite_derivative_raises(method):
    options = {"num_steps": 4} if method == "rk4" else {}
    with pytest.raises(ODESolveError, match="non-finite"):
        solve(lambda t, y: y * float("nan"), method=method, options=options)


def test_graph_raises_the_same_sentence():
    with pytest.raises(tf.errors.InvalidArgumentError) as raised:
        solve(graph=True, options={"max_num_steps": 10000})
    for detail in [*DETAILS, "underflow"]:
        assert detail in str(raised.value)


@pytest.mark.parametrize("graph", [False, True])
def test_nan_can_be_asked_for_instead(graph):
    y = solve(graph=graph, options={"on_failure": "nan", "max_num_steps": 50})
    assert np.all(np.isnan(y[-1]))


def test_a_failure_before_the_first_output_is_nan_where_the_batch_is_unknown():
    @tf.function(input_signature=[tf.TensorSpec([None, 2])])
    def solved(y0):
        with tf.GradientTape() as tape:
            tape.watch(y0)
            y = odeint(blow_up, y0, [0.0, 0.5, 2.0], options={"on_failure": "nan"})
            first = y[1]
        return y, tape.gradient(first, y0)

    y, _ = solved(tf.fill([1, 2], 4.0))
    assert np.isnan(y[1:]).all() and (y[0] == 4).numpy().all()
    y, bar = solved(tf.fill([3, 2], 1.0))
    assert np.allclose(y[1], 2, rtol=1e-4) and np.isnan(y[2]).all()
    y, bar = solved(tf.fill([3, 2], 0.1))
    assert np.allclose(bar, 1 / 0.95**2, rtol=1e-4)  # y = 1 / (1 / y0 - t)


def test_an_infinite_state_is_a_failure_and_a_large_one_is_none():
    def grow(t, y):
        return 1e38 * tf.tanh(y)

    for options in ({}, {"per_sample": True}):
        with pytest.raises(ODESolveError, match="non-finite"):
            odeint(grow, tf.fill([2, 1], 3e38), [0.0, 1.0], options=options)
    large = tf.fill([8], 1e38)  # whose sum is infinite
    for method, options in (("euler", {"num_steps": 2}), ("dopri5", {})):
        y = odeint(lambda t, y: 0 * y, large, [0.0, 1.0], method=method, options=options)
        assert np.array_equal(y[-1], large)


@pytest.mark.parametrize(
    ("gradient", "steps"),
    slow_after(2, [("backprop", 50), ("adjoint", 1), ("backprop", 1), ("adjoint", 50)]),
)
def test_gradient_of_a_failed_solve_is_nan_too(gradient, steps):
    rate, y0 = tf.Variable(1.0), tf.ones([2])
    with tf.GradientTape() as tape:
        tape.watch(y0)
        y = odeint(
            lambda t, y: rate * y**2, y0, [0.0, 2.0], gradient=gradient,
            options={"on_failure": "nan", "max_num_steps": steps},
        )[-1]  # fmt: skip
        loss = tf.reduce_sum(y)
    for bar in tape.gradient(loss, [y0, rate]):
        assert np.all(np.isnan(bar))


def test_failing_adjoint_raises_and_says_that_it_was_the_adjoint():
    y0 = tf.ones([2])
    with tf.GradientTape() as tape:
        tape.watch(y0)
        options = {"max_num_steps": 8, "adjoint_rtol": 1e-7, "adjoint_atol": 1e-7}
        y = odeint(
            lambda t, y: -y, y0, [0.0, 3.0], rtol=1e-2, atol=1e-2, gradient="adjoint",
            options=options,
        )[-1]  # fmt: skip
    with pytest.raises(ODESolveError, match="adjoint, backward in time"):
        tape.gradient(y, y0)


@pytest.mark.slow
def test_bdf_that_cannot_go_on_raises():
    with pytest.raises(ODESolveError, match="bdf"):
        solve(method="bdf", gradient="adjoint", options={"max_num_steps": 20})


def test_f_is_not_evaluated_beyond_the_interval():
    def f(t, y):
        return 1e-3 * tf.sqrt(1.0 - t) * tf.ones_like(y)

    y = odeint(f, tf.ones([2]), [0.0, 1.0])[-1]
    assert np.allclose(y, 1.0 + 2e-3 / 3, atol=1e-5)


def test_batch_of_size_zero_is_solved():
    assert odeint(lambda t, y: -y, tf.ones([0, 3]), [0.0, 1.0]).shape == (2, 0, 3)


def test_failed_solve_leaves_the_step_memory_as_it_was():
    from node_transfer.ode import step_size

    memory = tf.constant([0.5, 2.0])
    _, info = odeint(
        blow_up, tf.ones([2]), [0.0, 2.0], full_output=True,
        options={"on_failure": "nan"},
    )  # fmt: skip
    after = step_size.remember(memory, info.suited_step, info.suited_rejected_step)
    assert np.array_equal(after, memory)


@pytest.mark.parametrize(
    ("kwargs", "complaint"),
    [
        ({"method": "rk5"}, "Unknown method 'rk5': choose one of dopri5"),
        ({"gradient": "none"}, "Unknown gradient 'none'"),
        ({"rtol": -1.0}, "rtol is -1.0: pass a positive"),
        ({"atol": float("nan")}, "atol is nan"),
        ({"rtol": 0.0, "atol": 0.0}, "both 0"),
        ({"options": {"firststep": 1}}, "Unknown option 'firststep'"),
        ({"options": {"max_num_steps": 0}}, "max_num_steps is 0"),
        ({"options": {"num_steps": 3}}, "chooses its own steps"),
        ({"method": "rk4", "options": {"num_steps": 0}}, "num_steps is 0"),
        ({"options": {"constants": {}}}, r"pass odeint\(..., constants=...\)"),
        ({"options": {"on_failure": "ignore"}}, "Unknown on_failure 'ignore'"),
        ({"method": "rk4"}, "num_steps is None"),
        ({"method": "bdf"}, "adjoint gradient only"),
        ({"method": "dopri5_tfp", "options": {"first_step": 0.1}}, "no option"),
        ({"options": {"first_step": -0.1}}, "first_step is -0.1"),
        ({"options": {"first_step": "a"}}, "first_step is 'a'"),
        ({"rtol": "1e-3"}, "rtol is '1e-3'"),
        ({"method": "rk4", "options": {"num_steps": 2.5}}, "num_steps is 2.5"),
        ({"method": "rk4", "options": {"num_steps": "3"}}, "num_steps is '3'"),
        ({"options": 5}, "options is 5: pass a SolverOptions"),
        ({"options": {"adjoint_rtol": -1.0}}, "adjoint_rtol is -1.0"),
        ({"f": lambda t, y: y[:1]}, r"shape \(1,\) for a state of shape \(2,\)"),
        ({"f": lambda t, y: (y, y)}, "structure"),
    ],
)
def test_wrong_argument_is_named_with_its_value(kwargs, complaint):
    with pytest.raises(ValueError, match=complaint):
        solve(**kwargs)


@pytest.mark.parametrize("t", [[], [0.0, 1.0, 0.5], [0.0, 1.0, 0.0], 0.0])
def test_times_must_be_monotone(t):
    with pytest.raises(ValueError, match="t (is|has shape)"):
        odeint(lambda t, y: y, tf.ones([2]), t)


@pytest.mark.parametrize(
    "y0", [tf.constant([1, 2]), (tf.ones([2]), tf.ones([2], "float64"))]
)
def test_state_must_be_floating_and_of_one_dtype(y0):
    with pytest.raises(ValueError, match="y0 has dtype"):
        odeint(lambda t, y: y, y0, [0.0, 1.0])


def test_a_ragged_or_sparse_state_is_told():
    ragged = tf.ragged.constant([[1.0, 2.0], [1.0]])
    with pytest.raises(ValueError, match=r"y0 is, or has, a RaggedTensor: .*to_tensor"):
        odeint(lambda t, y: -y, ragged, [0.0, 1.0])
    sparse = tf.sparse.from_dense([[1.0, 0.0]])
    with pytest.raises(ValueError, match=r"a SparseTensor: .*tf.sparse.to_dense\(x\)"):
        odeint(lambda t, y: -y, (tf.ones([2]), sparse), [0.0, 1.0])
