"""A tableau is checked when it is made, against the theory and SciPy's coefficients."""

import dataclasses
import subprocess
import sys

import numpy as np
import pytest
import scipy.integrate
import tensorflow as tf
from scipy.integrate._ivp import dop853_coefficients as dop853

from node_transfer import ButcherTableau, odeint
from node_transfer.ode.order_conditions import density, rooted_trees
from node_transfer.ode.tableaus import DOPRI5, HEUN, TABLEAUS


def lower_rows(a):
    return tuple(tuple(row[:i]) for i, row in enumerate(np.asarray(a)))


def dop853_of_order(order):
    n = dop853.N_STAGES
    return ButcherTableau(
        "dop853", order, dop853.C[:n], lower_rows(dop853.A[:n, :n]), dop853.B, None,
        "Hairer, Norsett & Wanner, as in SciPy",
    )  # fmt: skip


def test_numbers_of_rooted_trees_are_those_of_cayley():
    numbers = [len(rooted_trees(order)) for order in range(1, 9)]
    assert numbers == [1, 1, 2, 4, 9, 20, 48, 115]  # OEIS A000081


def test_densities_of_the_trees_of_four_nodes_are_those_of_the_textbook():
    # Hairer, Norsett & Wanner, table II.2.1: gamma of t41, t42, t43, t44.
    assert sorted(density(tree) for tree in rooted_trees(4)) == [4, 8, 12, 24]


def test_method_of_order_eight_is_accepted_and_is_not_of_order_nine():
    assert dop853_of_order(8).num_stages == 12
    with pytest.raises(ValueError, match="condition of order 9"):
        dop853_of_order(9)


def test_dopri5_is_that_of_scipy():
    scipy_tableau = scipy.integrate.RK45
    assert np.allclose(DOPRI5.c[:-1], scipy_tableau.C, rtol=1e-15)
    assert np.allclose(DOPRI5.b[:-1], scipy_tableau.B, rtol=1e-15)
    assert np.allclose(np.abs(DOPRI5.error), np.abs(scipy_tableau.E), rtol=1e-13)


@pytest.mark.parametrize("name", TABLEAUS)
def test_method_is_of_no_higher_order_than_it_says(name):
    tableau = TABLEAUS[name]
    with pytest.raises(ValueError, match=f"not of order {tableau.order + 1}"):
        dataclasses.replace(tableau, order=tableau.order + 1)


@pytest.mark.parametrize("name", TABLEAUS)
def test_a_wrong_digit_in_any_weight_is_found(name):
    tableau = TABLEAUS[name]
    for i in range(tableau.num_stages):
        b = list(tableau.b)
        b[i] += 1e-7
        with pytest.raises(ValueError, match="gives .* and not"):
            dataclasses.replace(tableau, b=b)


@pytest.mark.parametrize("name", TABLEAUS)
def test_a_wrong_digit_in_any_stage_weight_is_found(name):
    tableau = TABLEAUS[name]
    for i, row in enumerate(tableau.a):
        for j in range(len(row)):
            changed = [list(row) for row in tableau.a]
            changed[i][j] += 1e-7
            with pytest.raises(ValueError, match=f"row {i} of a sums to"):
                dataclasses.replace(tableau, a=changed)


def test_interpolant_changes_nothing_of_a_method_on_a_fixed_grid():
    interpolant = ((1.0, -1.0), (0.0, 1.0))
    with_one = dataclasses.replace(TABLEAUS["midpoint"], interpolant=interpolant)
    for method in (with_one, TABLEAUS["midpoint"]):
        _, info = odeint(lambda t, y: -y, tf.ones([1]), [0, 1, 2, 3], method=method,
                         options={"num_steps": 10}, full_output=True)  # fmt: skip
        assert int(info.nfe) == 60


def test_tableau_is_made_again_from_its_dictionary():
    for tableau in TABLEAUS.values():
        assert ButcherTableau(**tableau.as_dict()) == tableau


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"order": 0}, "order is 0, and must be a positive integer"),
        ({"order": 2.0}, "order is 2.0"),
        ({"c": ()}, "c is empty"),
        ({"c": (0, 1, 1)}, "a has 2 entries and c has 3"),
        ({"b": (1,)}, "b has 1 entries and c has 2"),
        ({"a": ((), (1, 0))}, "row 1 of a has 2 entries, and must have 1"),
        ({"a": ((0,), (1,))}, "row 0 of a has 1 entries, and must have 0"),
        ({"c": (0, 0.9)}, r"row 1 of a sums to 1 and c\[1\] is 0.9"),
        ({"c": (0, float("nan"))}, r"c\[1\] is nan"),
        ({"c": (0, "one")}, "sequences of numbers"),
        ({"a": (1, 1)}, "sequences of numbers"),
        ({"b": (0.25, 0.75)}, "a condition of order 2 gives 0.75 and not 0.5"),
        ({"error": (0.5,)}, "error has 1 entries and c has 2"),
        ({"error": (0, 0)}, "pass error=None"),
        ({"error": (0.5, -0.25)}, "weights error sum to 0.25"),
    ],
)
def test_what_is_no_method_is_refused_with_its_number(changes, complaint):
    with pytest.raises(ValueError, match=complaint):
        dataclasses.replace(HEUN, **changes)


def test_error_estimate_of_too_low_an_order_is_refused():
    error = (1 / 6, -1 / 6, 0, 0, 0, 0, 0)  # its partner is of order 1 alone
    with pytest.raises(ValueError, match="embedded one .* not of order 4"):
        dataclasses.replace(DOPRI5, error=error)


def test_names_of_methods_and_gradients_are_read_without_tensorflow():
    code = (
        "import sys; from node_transfer.ode.methods import GRADIENTS, METHODS; "
        "print(*METHODS, *GRADIENTS); assert 'tensorflow' not in sys.modules"
    )
    output = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    assert {"dopri5", "bdf", "adjoint"} <= set(output.split())
