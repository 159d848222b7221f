"""The statistics, on curves whose answers are worked out by hand."""

import math

import numpy as np
import pytest

from node_transfer.analysis import stability

SAW = [0.5, 0.7, 0.6, 0.8, 0.7]


def test_mean_absolute_change_of_a_saw():
    assert stability.mean_absolute_change(SAW) == pytest.approx(
        (0.2 + 0.1 + 0.2 + 0.1) / 4
    )


def test_mean_absolute_change_of_one_epoch_is_not_a_number():
    assert math.isnan(stability.mean_absolute_change([0.5]))


def test_a_curve_that_only_rises_does_not_stray_from_its_running_median():
    assert stability.deviation_from_running_median([0.1, 0.5, 0.6, 0.9, 0.91]) == 0


def test_deviation_from_running_median_of_a_saw():
    # Medians at t = 2, 3, 4: of (.5 .7 .6) .6, of all five .7, of (.6 .8 .7) .7.
    expected = math.sqrt((0.1**2 + 0.1**2 + 0.1**2) / 3)
    assert stability.deviation_from_running_median(SAW) == pytest.approx(expected)


def test_deviation_from_running_median_of_one_spike_in_a_flat_curve():
    flat = [0.5] * 7
    flat[3] = 0.9
    expected = math.sqrt(0.4**2 / 5)  # t = 2 ... 6
    assert stability.deviation_from_running_median(flat) == pytest.approx(expected)


def test_deviation_from_running_median_of_two_epochs_is_not_a_number():
    assert math.isnan(stability.deviation_from_running_median([0.5, 0.6]))


def test_deepest_setback_is_below_the_best_so_far():
    assert stability.deepest_setback([0.5, 0.9, 0.8, 0.7, 0.95]) == pytest.approx(0.2)
    assert stability.deepest_setback([0.1, 0.2, 0.3]) == 0


def test_deepest_setback_of_a_loss_is_a_rise():
    assert stability.deepest_setback([1.0, 0.4, 0.9, 0.3], loss=True) == pytest.approx(
        0.5
    )
    assert stability.deepest_setback([1.0, 0.5, 0.3], loss=True) == 0


def test_setbacks_over_one_point_are_from_the_epoch_before():
    curve = [0.50, 0.495, 0.48, 0.6, 0.55]  # drops of 0.5, 1.5 and 5 points
    assert stability.setbacks_over_one_point(curve) == 2
    assert stability.setbacks_over_one_point([1.0, 1.2, 1.205, 0.9], loss=True) == 1


def test_exactly_one_point_is_not_more_than_one():
    assert stability.setbacks_over_one_point([0.80, 0.79]) == 0
    assert stability.setbacks_over_one_point(np.float32([0.8042, 0.7942])) == 0
    assert stability.setbacks_over_one_point([0.8042, 0.7940]) == 1


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_curve_that_is_not_finite_has_no_statistic(bad):
    for statistic in stability.STATISTICS:
        assert not math.isfinite(statistic.compute([1.0, 0.9, bad, 0.8, 0.7], True))


def test_epochs_and_seconds_to_reach_count_the_epoch_that_reaches():
    curve, seconds = [0.5, 0.7, 0.7, 0.8], [10, 20, 30, 40]
    assert stability.epochs_to_reach(curve, 0.7) == 2
    assert stability.seconds_to_reach(curve, seconds, 0.7) == 30
    assert stability.epochs_to_reach(curve, 0.81) is None
    assert stability.seconds_to_reach(curve, seconds, 0.81) is None


def test_every_statistic_is_defined_in_one_sentence_with_its_formula():
    for statistic in stability.STATISTICS:
        assert "x_" in statistic.definition and "." not in statistic.definition.replace(
            "...", ""
        ).replace("0.01", "")
        assert statistic.compute(SAW, False) >= 0
