"""Roughness on curves whose noise is known."""

import math

import numpy as np
import pytest

from node_transfer.analysis.roughness import (
    WINDOWS,
    deepest_drop,
    epochs_to_level,
    level,
    roughness,
    squares,
)

T = np.arange(1, 121)
LATE = WINDOWS["late"]


@pytest.mark.parametrize("slope", [0, 0.01, 5])
def test_straight_climb_has_none_whatever_its_slope(slope):
    assert roughness(slope * T, LATE) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("trend", [0 * T, 3 * T, -20 * T, np.sqrt(T)])
def test_noise_scores_its_standard_deviation_whatever_it_lies_on(trend):
    rng = np.random.default_rng(0)
    found = [roughness(trend + 2 * rng.standard_normal(120), LATE) for _ in range(400)]
    assert np.sqrt(np.mean(np.square(found))) == pytest.approx(2, rel=0.03)


@pytest.mark.parametrize("window", WINDOWS.values(), ids=list(WINDOWS))
def test_noise_scores_the_same_in_every_window(window):
    rng = np.random.default_rng(1)
    found = [roughness(rng.standard_normal(120), window) for _ in range(4000)]
    assert np.sqrt(np.mean(np.square(found))) == pytest.approx(1, rel=0.03)


def test_spike_of_one_epoch_counts_with_its_whole_size():
    x = np.zeros(120)
    x[79] = -6.0
    # The second differences are -6, 12, -6: squares 36, 144, 36 over 6, of 38 triples.
    assert roughness(x, LATE) == pytest.approx(math.sqrt(36 / 38))


def test_values_outside_the_window_do_not_count():
    x = np.where((T < 61) | (T > 100), 1000.0 * (-1.0) ** T, 0)
    assert roughness(x, LATE) == 0


def test_step_where_the_rate_falls_is_no_noise():
    x = np.where(T > 80, 0.9, 0.8)
    rates = np.where(T > 80, 0.01, 0.1)
    assert roughness(x, LATE) > 0.005
    assert roughness(x, LATE, rates) == pytest.approx(0, abs=1e-12)
    assert len(squares(x, LATE, rates)) == 36


def test_curve_that_does_not_fill_its_window_is_not_judged():
    assert math.isnan(roughness(np.zeros(99), LATE))
    assert math.isnan(roughness(np.full(120, np.nan), LATE))


def test_deepest_drop_counts_the_start():
    assert deepest_drop([0.6, 0.7, 0.8], start=0.82) == pytest.approx(0.22)
    assert deepest_drop([0.6, 0.7, 0.8], start=0.1) == 0
    assert deepest_drop([0.9, 0.5], start=0.6, loss=True) == pytest.approx(0.3)


def test_level_is_the_median_of_the_last_quarter_and_of_three_epochs_at_least():
    assert level(np.arange(200)) == 174.5
    assert level([9, 1, 2, 3]) == 2
    assert level([4, 6]) == 5


def test_epochs_to_a_level_are_counted_from_one():
    assert epochs_to_level([0.1, 0.5, 0.4], 0.5) == 2
    assert epochs_to_level([0.9, 0.5, 0.4], 0.5, loss=True) == 2
    assert epochs_to_level([0.1], 0.5) == math.inf
