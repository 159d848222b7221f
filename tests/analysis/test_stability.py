"""The counts of a curve, on curves whose answers are worked out by hand."""

import math

import numpy as np
import pytest

from node_transfer.analysis import stability


def test_setbacks_over_one_point_are_from_the_epoch_before():
    curve = [0.50, 0.495, 0.48, 0.6, 0.55]  # drops of 0.5, 1.5 and 5 points
    assert stability.setbacks_over_one_point(curve) == 2
    assert stability.setbacks_over_one_point([1.0, 1.2, 1.205, 0.9], loss=True) == 1


def test_exactly_one_point_is_not_more_than_one():
    assert stability.setbacks_over_one_point([0.80, 0.79]) == 0
    assert stability.setbacks_over_one_point(np.float32([0.8042, 0.7942])) == 0
    assert stability.setbacks_over_one_point([0.8042, 0.7940]) == 1


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_curve_that_is_not_finite_has_no_count(bad):
    curve = [1.0, 0.9, bad, 0.8, 0.7]
    assert math.isnan(stability.setbacks_over_one_point(curve, loss=True))


def test_epochs_and_seconds_to_reach_count_the_epoch_that_reaches():
    curve, seconds = [0.5, 0.7, 0.7, 0.8], [10, 20, 30, 40]
    assert stability.epochs_to_reach(curve, 0.7) == 2
    assert stability.seconds_to_reach(curve, seconds, 0.7) == 30
    assert stability.epochs_to_reach(curve, 0.81) is None
    assert stability.seconds_to_reach(curve, seconds, 0.81) is None
