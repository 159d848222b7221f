"""A solve that cannot go on says where it was and what to try."""

import numpy as np
import pytest
import tensorflow as tf

from node_transfer import ODESolveError, odeint

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


@pytest.mark.parametrize("gradient", ["backprop", "adjoint"])
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
        ({"method": "rk4"}, "num_steps is None"),
        ({"method": "bdf"}, "adjoint gradient only"),
        ({"f": lambda t, y: y[:1]}, r"shape \(1,\) for a state of shape \(2,\)"),
        ({"f": lambda t, y: (y, y)}, "structure"),
    ],
)
def test_wrong_argument_is_named_with_its_value(kwargs, complaint):
    with pytest.raises(ValueError, match=complaint):
        solve(**kwargs)


@pytest.mark.parametrize("t", [[0.0], [0.0, 0.0], [0.0, 1.0, 0.5], 0.0])
def test_times_must_be_monotone(t):
    with pytest.raises(ValueError, match="t (is|has shape)"):
        odeint(lambda t, y: y, tf.ones([2]), t)


@pytest.mark.parametrize(
    "y0", [tf.constant([1, 2]), (tf.ones([2]), tf.ones([2], "float64"))]
)
def test_state_must_be_floating_and_of_one_dtype(y0):
    with pytest.raises(ValueError, match="y0 has dtype"):
        odeint(lambda t, y: y, y0, [0.0, 1.0])
