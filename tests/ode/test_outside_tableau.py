"""A method from outside the package: a tableau, by name or as it is, is all it takes."""

import numpy as np
import pytest
import tensorflow as tf

from node_transfer import odeint
from node_transfer.ode.methods import GRADIENTS, METHODS, GradientMethod
from node_transfer.ode.tableaus import TABLEAUS
from tests.ode.outside import FEHLBERG45, KUTTA3
from tests.ode.problems import PROBLEMS
from tests.slowly import slow_after

PROBLEM = PROBLEMS["lotka_volterra"]
METHOD_OPTIONS = [(FEHLBERG45, {}), (KUTTA3, {"num_steps": 100})]


@pytest.fixture
def registered(monkeypatch):
    for tableau in (FEHLBERG45, KUTTA3):
        monkeypatch.setitem(TABLEAUS, tableau.name, tableau)


def solve(method, t=(0.0, 1.0), **kwargs):
    y0 = tf.constant(PROBLEM.y0, tf.float64)

    @tf.function
    def solve_from(y0):
        return odeint(PROBLEM.f, y0, t, method=method, full_output=True, **kwargs)

    return solve_from(y0)


@pytest.mark.parametrize(("tableau", "options"), METHOD_OPTIONS)
def test_tableau_that_is_passed_solves(tableau, options):
    states, info = solve(tableau, options=options, rtol=1e-6, atol=1e-6)
    assert np.allclose(states[-1], PROBLEM.solution(t1=1.0), rtol=1e-4)
    if tableau is FEHLBERG45:
        assert int(info.nfe) == 2 + 6 * int(info.accepted + info.rejected)


@pytest.mark.parametrize(("tableau", "options"), METHOD_OPTIONS)
def test_tableau_that_is_added_has_a_name(registered, tableau, options):
    by_name, _ = solve(tableau.name, options=options)
    passed, _ = solve(tableau, options=options)
    assert np.array_equal(by_name, passed)


def test_tableau_converges_at_its_order():
    errors = []
    for steps in (64, 128):
        states, _ = solve(KUTTA3, options={"num_steps": steps})
        errors.append(np.max(np.abs(states[-1] - PROBLEM.solution(t1=1.0))))
    assert np.log2(errors[0] / errors[1]) == pytest.approx(KUTTA3.order, abs=0.2)


@pytest.mark.parametrize("gradient", slow_after(1, ["adjoint", "backprop"]))
@pytest.mark.parametrize(("tableau", "options"), METHOD_OPTIONS)
def test_tableau_has_both_gradients(tableau, options, gradient):
    y0 = tf.constant(PROBLEM.y0, tf.float64)

    @tf.function
    def bar(y0):
        with tf.GradientTape() as tape:
            tape.watch(y0)
            y = odeint(
                PROBLEM.f, y0, [0.0, 1.0], method=tableau, gradient=gradient,
                options=options, rtol=1e-8, atol=1e-8,
            )[-1]  # fmt: skip
        return tape.gradient(y, y0)

    step, shift = 1e-4, np.array([1.0, -0.5])
    high, low = (PROBLEM.solution(t1=1.0, y0=y0 + s * step * shift) for s in (1, -1))
    expected = np.sum(high - low) / (2 * step)
    assert np.sum(bar(y0) * shift) == pytest.approx(expected, rel=1e-3)


def test_name_is_known_from_the_moment_it_is_added(registered):
    assert "fehlberg45" in METHODS
    with pytest.raises(ValueError, match="choose one of .*, fehlberg45, kutta3"):
        solve("rk5")


def test_name_that_was_not_added_is_unknown():
    with pytest.raises(ValueError, match="Unknown method 'fehlberg45'"):
        solve("fehlberg45")


@pytest.mark.parametrize(
    ("tableau", "options", "complaint"),
    [
        (KUTTA3, {}, "method='kutta3' runs on a fixed grid"),
        (FEHLBERG45, {"num_steps": 4}, "method='fehlberg45' chooses its own steps"),
    ],
)
def test_tableau_says_what_options_it_needs(tableau, options, complaint):
    with pytest.raises(ValueError, match=complaint):
        solve(tableau, options=options)


def test_gradient_method_from_outside_is_a_row_too(monkeypatch):
    row = GradientMethod("tests.ode.outside_gradient", records_steps=False)
    monkeypatch.setitem(GRADIENTS, "outside", row)
    y0 = tf.constant([1.0, 2.0])
    with tf.GradientTape() as tape:
        tape.watch(y0)
        y = odeint(
            lambda t, y: -y, y0, [0.0, 1.0], method="euler", gradient="outside",
            options={"num_steps": 1},
        )[-1]  # fmt: skip
    assert np.array_equal(tape.gradient(y, y0), [3.0, 3.0])
