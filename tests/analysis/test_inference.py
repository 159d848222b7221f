"""The protocol's statistics against second implementations, written from the formulas."""

import itertools
import math

import numpy as np
import pytest
from scipy import special

from node_transfer.analysis import inference
from node_transfer.analysis.inference import (
    EQUIVALENT,
    HIGHER,
    LOWER,
    UNTOLD,
    compare,
    holm,
    image_half_width,
    mcnemar,
    outcome,
    within_run_ratio,
)

DIFFERENCES = [0.31, -0.12, 0.44]


def student_p(values):
    """Two-sided p by the incomplete beta function."""
    n = len(values)
    mean = sum(values) / n
    variance = sum((v - mean) ** 2 for v in values) / (n - 1)
    t_squared = n * mean**2 / variance
    return special.betainc((n - 1) / 2, 0.5, (n - 1) / (n - 1 + t_squared))


def test_p_is_students():
    assert compare(DIFFERENCES).p == pytest.approx(student_p(DIFFERENCES), rel=1e-10)


def test_interval_ends_where_p_would_be_one_in_twenty():
    found = compare(DIFFERENCES)
    for end in (found.low, found.high):
        assert student_p([d - end for d in DIFFERENCES]) == pytest.approx(0.05, rel=1e-9)


def test_image_noise_widens_the_interval_and_never_narrows_it():
    alone, both = compare(DIFFERENCES), compare(DIFFERENCES, image_half_width=0.5)
    half = (both.high - both.low) / 2
    assert half == pytest.approx(math.hypot((alone.high - alone.low) / 2, 0.5))
    equal = compare([0.1, 0.1, 0.1], image_half_width=0.3)
    assert (equal.low, equal.high) == pytest.approx((-0.2, 0.4))


def test_image_half_width_is_that_of_a_bootstrap_over_images():
    rng = np.random.default_rng(0)
    left = [rng.random(2000) < 0.8 for _ in range(3)]
    right = [rng.random(2000) < 0.8 for _ in range(3)]
    gains = np.mean(
        [a.astype(int) - b.astype(int) for a, b in zip(left, right, strict=True)], 0
    )
    means = [gains[rng.integers(0, 2000, 2000)].mean() for _ in range(4000)]
    low, high = np.quantile(means, [0.025, 0.975])
    assert image_half_width(left, right) == pytest.approx((high - low) / 2, rel=0.05)


def test_mcnemar_counts_every_outcome_as_unlikely_as_the_one_seen():
    left = np.array([1] * 9 + [0] * 3 + [1] * 40, bool)
    right = np.array([0] * 9 + [1] * 3 + [1] * 40, bool)
    ways = [math.comb(12, k) for k in range(13)]
    expected = sum(w for w in ways if w <= math.comb(12, 9)) / 2**12
    assert mcnemar(left, right) == (9, 3, pytest.approx(expected, rel=1e-12))


def test_mcnemar_of_equal_classifiers_is_one():
    right = np.array([True, False])
    assert mcnemar(right, right) == (0, 0, 1.0)


def test_holm_is_the_closed_test_of_bonferroni():
    p = [0.01, 0.04, 0.03, 0.2]

    def closed(i):  # the largest Bonferroni p of every set that i is in
        others = [j for j in range(len(p)) if j != i]
        sets = itertools.chain.from_iterable(
            itertools.combinations(others, k) for k in range(len(p))
        )
        return max(min(1, (len(s) + 1) * min(p[i], *(p[j] for j in s), 2)) for s in sets)

    assert holm(p) == pytest.approx([closed(i) for i in range(len(p))])


@pytest.mark.parametrize(
    ("differences", "expected"),
    [
        ([0.1, 0.12, 0.11], EQUIVALENT),
        ([2.0, 2.2, 2.1], HIGHER),
        ([-2.0, -2.2, -2.1], LOWER),
        ([2.0, -2.2, 0.1], UNTOLD),
        ([2.0, 2.1], UNTOLD),
        ([2.0, math.inf, 2.1], UNTOLD),
    ],
)
def test_outcome_follows_the_rule(differences, expected):
    with np.errstate(invalid="ignore"):
        assert outcome(compare(differences), margin=0.5) == expected


def test_primary_is_judged_by_its_adjusted_p():
    found = compare([2.0, 2.9, 1.4])
    assert outcome(found, 0.5) == HIGHER
    assert outcome(found, 0.5, p=4 * found.p) == UNTOLD


def test_interval_holds_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(0)
    held = [
        found.low <= 0 <= found.high
        for found in map(compare, rng.standard_normal((2000, 3)))
    ]
    assert np.mean(held) == pytest.approx(0.95, abs=0.015)


def test_ratio_within_runs_is_that_of_the_roots_and_its_interval_is_around_it():
    rng = np.random.default_rng(0)
    left, right = 4 * rng.chisquare(1, 60), rng.chisquare(1, 60)
    ratio, low, high = within_run_ratio(left, right)
    assert ratio == pytest.approx(math.sqrt(np.mean(left) / np.mean(right)))
    assert low < ratio < high
    assert low < 2 < high


def test_ratio_of_curves_too_short_for_blocks_is_not_a_number():
    short = np.ones(2 * inference.BLOCK_EPOCHS - 1)
    assert all(map(math.isnan, within_run_ratio(short, np.ones(50))))
