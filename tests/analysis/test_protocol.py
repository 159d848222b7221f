"""The declared comparisons, against the same made by hand from the numbers written."""

import math

import numpy as np
import pytest
from scipy import stats

from node_transfer.analysis import (
    claim_words,
    claims,
    claims_page,
    inference,
    protocol,
)
from node_transfer.analysis.inference import EQUIVALENT, HIGHER, LOWER, UNTOLD
from node_transfer.analysis.report import all_tables
from node_transfer.analysis.runs import read_sweep
from tests.analysis.made import write_run

SEEDS = (3, 4, 5)
IMAGES = 1000


def told_right(accuracy, seed):
    """As many of the images told right as the accuracy says, others for each seed."""
    right = np.arange(IMAGES) < round(accuracy * IMAGES)
    return np.random.default_rng(seed).permutation(right)


def sweep_of(folder, accuracies, curves):
    """A sweep of models: for each a list of accuracies and one of curves, by seed."""
    for name in accuracies:
        for i, seed in enumerate(SEEDS):
            right = told_right(accuracies[name][i], seed + 10 * (name != "baseline"))
            write_run(folder, name, seed, curves[name][i], told_right=right)
    return read_sweep(folder)


FLAT = [[0.5, 0.7, 0.8, 0.8, 0.8]] * 3


def test_test_accuracy_has_the_noise_of_seeds_and_of_images(tmp_path):
    ours, theirs = [0.80, 0.83, 0.81], [0.79, 0.80, 0.80]
    names = {"node_rk_cold": ours, "baseline": theirs}
    sweep = sweep_of(tmp_path, names, dict.fromkeys(names, FLAT))
    result = protocol.test_accuracy(sweep, "node_rk_cold", "baseline")
    x = np.subtract(ours, theirs)
    assert result.comparison.differences == pytest.approx(x)
    assert result.comparison.p == pytest.approx(stats.ttest_rel(ours, theirs).pvalue)
    gains = np.mean(
        [
            told_right(a, seed + 10).astype(float) - told_right(b, seed)
            for a, b, seed in zip(ours, theirs, SEEDS, strict=True)
        ],
        axis=0,
    )
    seeds = stats.t.ppf(0.975, 2) * stats.sem(x)
    half = np.hypot(seeds, stats.norm.ppf(0.975) * stats.sem(gains))
    assert result.comparison.high - result.comparison.mean == pytest.approx(half)
    only_ours, only_theirs, _ = result.mcnemar[4]
    assert only_ours - only_theirs == round(IMAGES * (ours[1] - theirs[1]))


def test_epochs_are_to_the_level_of_the_baseline_of_the_same_seed(tmp_path):
    theirs = [[0.5, 0.7, 0.8, 0.79, 0.8]] * 3
    ours = [[0.6, 0.8, 0.8, 0.8, 0.8], [0.8] * 5, [0.6, 0.8, 0.7, 0.9, 0.9]]
    names = {"node_rk_cold": [0.8] * 3, "baseline": [0.8] * 3}
    sweep = sweep_of(tmp_path, names, {"node_rk_cold": ours, "baseline": theirs})
    result = protocol.epochs_to_baselines_level(sweep, "node_rk_cold", "baseline")
    assert result.comparison.differences == (2 - 3, 1 - 3, 2 - 3)
    assert result.seeds == SEEDS


@pytest.mark.parametrize(
    ("reached", "expected"),
    [([False, False, False], HIGHER), ([True, False, False], UNTOLD)],
)
def test_a_level_that_is_not_reached_is_told_by_counting(reached, expected, tmp_path):
    ours = [[0.9] * 5 if yes else [0.4] * 5 for yes in reached]
    names = {"node_rk_cold": [0.8] * 3, "baseline": [0.8] * 3}
    sweep = sweep_of(tmp_path, names, {"node_rk_cold": ours, "baseline": FLAT})
    result = protocol.epochs_to_baselines_level(sweep, "node_rk_cold", "baseline")
    assert result.outcome == expected
    back = protocol.epochs_to_baselines_level(sweep, "baseline", "node_rk_cold")
    assert back.outcome == {HIGHER: LOWER, UNTOLD: UNTOLD}[expected]


def test_roughness_is_compared_as_a_ratio(tmp_path):
    t = np.arange(10)
    zigzag = np.where(t % 2, 1.0, -1.0)
    ours = [0.5 + 0.02 * t + 0.02 * zigzag] * 3
    theirs = [0.5 + 0.01 * zigzag, 0.5 + 0.02 * zigzag, 0.5 + 0.04 * zigzag]
    names = {"node_rk_cold": [0.8] * 3, "baseline": [0.8] * 3}
    sweep = sweep_of(tmp_path, names, {"node_rk_cold": ours, "baseline": theirs})
    result = protocol.log_roughness(
        sweep, "node_rk_cold", "baseline", "val_accuracy", "short"
    )
    expected = [math.log(2), 0, -math.log(2)]
    assert result.comparison.differences == pytest.approx(expected, abs=1e-9)


def test_all_declared_comparisons_count_in_the_adjustment(tmp_path):
    ours, theirs = [0.90, 0.91, 0.902], [0.80, 0.80, 0.80]
    names = {"node_rk_cold": ours, "baseline": theirs}
    sweep = sweep_of(tmp_path, names, dict.fromkeys(names, FLAT))
    made = protocol.primaries(sweep)
    assert list(made) == ["P1", "P2", "P3", "P4"]
    result, adjusted = made["P1"]
    assert adjusted == pytest.approx(4 * stats.ttest_rel(ours, theirs).pvalue)
    assert result.outcome == HIGHER
    assert made["P2"][0].outcome == EQUIVALENT
    for name in ("P3", "P4"):
        assert made[name][0].comparison is None
        assert made[name] == (made[name][0], 1.0)
        assert made[name][0].outcome == inference.UNTOLD


def test_runs_without_predictions_are_compared_over_seeds_alone(tmp_path):
    for name, tests in (("node_rk_cold", (0.8, 0.81, 0.82)), ("baseline", (0.8,) * 3)):
        for seed, test in zip(SEEDS, tests, strict=True):
            write_run(tmp_path, name, seed, FLAT[0], test=test)
    result = protocol.test_accuracy(read_sweep(tmp_path), "node_rk_cold", "baseline")
    assert result.mcnemar == {}
    half = stats.t.ppf(0.975, 2) * 0.01 / math.sqrt(3)
    assert result.comparison.high - result.comparison.mean == pytest.approx(half)


@pytest.mark.parametrize(
    ("differences", "expected"),
    [
        ([-0.002, -0.003, 0.06], {5: -0.0025}),
        ([0.06, 0.002, 0.003], {}),  # large, and of the others' sign
        ([-0.004, 0.003, 0.002], {4: -0.001, 5: -0.0005}),
        ([0.01, -0.001, -0.002], {3: -0.0015}),
        ([0.01, -0.02], {}),
    ],
)
def test_the_seeds_that_decide_a_sign_are_named(differences, expected):
    seeds = SEEDS[: len(differences)]
    result = protocol.Result("a", "b", inference.compare(differences), UNTOLD, {}, seeds)
    found = dict(protocol.deciding_seeds(result))
    assert found == {seed: pytest.approx(mean) for seed, mean in expected.items()}
    for seed, mean in expected.items():
        assert f", {100 * mean:+.2f} without seed {seed}" in claim_words.points(result)
        assert f", {math.exp(mean):.2f} without seed {seed}" in claim_words.factor(result)


def test_sentence_and_page_name_the_seed_that_decides(tmp_path):
    names = {"node_rk_cold": [0.79, 0.79, 0.85], "baseline": [0.80, 0.795, 0.79]}
    curves = {
        "node_rk_cold": [[0.5, 0.8], [0.5, 0.8], [0.8, 0.8]],
        "baseline": [[0.7, 0.6, 0.8, 0.8], [0.8] * 4, [0.7, 0.6, 0.7, 0.8]],
    }
    sweep = sweep_of(tmp_path, names, curves)
    evidence = claims.evidence_of([sweep])
    judged = claims.judge_all(evidence)
    first, _ = claims_page.sentences(evidence, judged)
    assert "n = 3, -0.75 without seed 5)" in first
    page = claims_page.markdown(evidence, judged)
    assert page.count("n = 3, -0.75 without seed 5") == 2  # P1's, and claim 12's row
    (table,) = (t for t in all_tables(sweep) if t.name == "controls")
    assert "-0.75 without seed 5" in table.csv()


def test_no_seeds_decide_nothing():
    assert protocol.deciding_seeds(protocol.Result("a", "b", None, UNTOLD, {}, ())) == []
