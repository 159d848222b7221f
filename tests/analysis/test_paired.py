"""Paired differences, against SciPy's."""

import numpy as np
import pytest
from scipy import stats

from node_transfer.analysis import paired


def test_differences_are_taken_within_a_seed():
    left, right = {0: 5.0, 1: 7.0, 2: 9.0}, {0: 4.0, 1: 5.0, 3: 100.0}
    d = paired.paired_difference(left, right)
    assert (d.mean, d.n) == (1.5, 2)


def test_one_seed_has_no_interval():
    d = paired.paired_difference({0: 5.0}, {0: 4.0})
    assert (d.mean, d.low, d.high, d.n) == (1.0, None, None, 1)


def test_no_seed_in_common_or_a_value_that_is_not_finite_has_no_difference():
    assert paired.paired_difference({0: 5.0}, {1: 4.0}) is None
    assert paired.paired_difference({0: float("inf")}, {0: 4.0}) is None


def test_equal_differences_have_an_interval_of_no_width():
    d = paired.paired_difference({0: 2.0, 1: 3.0}, {0: 1.0, 1: 2.0})
    assert (d.low, d.high) == (1.0, 1.0)


def test_the_interval_is_that_of_students_test():
    left, right = {0: 5.0, 1: 7.0, 2: 9.5}, {0: 4.0, 1: 5.0, 2: 9.0}
    d = paired.paired_difference(left, right)
    x = [1.0, 2.0, 0.5]
    expected = stats.t.interval(0.95, 2, np.mean(x), stats.sem(x))
    assert (d.low, d.high) == pytest.approx(expected)
