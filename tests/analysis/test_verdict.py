"""The verdict follows from the numbers: three worlds, three verdicts."""

import pytest

from node_transfer.analysis.paired import Difference
from node_transfer.analysis.runs import read_sweep
from node_transfer.analysis.verdict import (
    FAILS,
    HOLDS,
    IN_PART,
    UNTOLD,
    combine,
    decide,
    verdict,
)
from tests.analysis.made import write_sweep


def bumpy(level, size, seed):
    """A curve that rises to `level` in its last epoch and swings by `size` before."""
    size = size * (1 + 0.05 * seed)
    return [level - 0.1 + (size if t % 2 else 0.0) for t in range(7)] + [level]


def early(level, size, seed):
    """A curve that is at `level` from its first epoch on and swings above it."""
    return [level + (size * (1 + 0.05 * seed) if t % 2 else 0.0) for t in range(8)]


def outcomes(folder, curves, seeds=(0, 1, 2)):
    write_sweep(folder, curves, seeds)
    return verdict(read_sweep(folder))


CLAIM_TRUE = {
    "baseline": lambda s: bumpy(0.8, 0.05, s),
    "node_rk": lambda s: early(0.8, 0.001, s),
    "node_adjoint": lambda s: early(0.8, 0.002, s),
    "more_adam": lambda s: bumpy(0.8, 0.05, s),
    "more_sgd": lambda s: bumpy(0.8, 0.05, s),
}
CLAIM_FALSE = {
    "baseline": lambda s: early(0.8, 0.001, s),
    "node_rk": lambda s: bumpy(0.81, 0.05, s),
    "node_adjoint": lambda s: bumpy(0.81, 0.05, s),
    "more_adam": lambda s: early(0.8015, 0.001, s),
    "more_sgd": lambda s: early(0.8015, 0.001, s),
}


def test_where_the_claim_holds_it_says_so(tmp_path):
    findings = outcomes(tmp_path, CLAIM_TRUE)
    assert [f.outcome for f in findings] == [HOLDS] * 3
    assert findings[0].sentence.startswith("Fewer epochs: holds over 3 seeds. ")
    assert (
        "after 1.0 ± 0.0 epochs, the baseline after 8.0 ± 0.0 epochs"
        in findings[0].sentence
    )
    assert "difference -7.0 [-7.0, -7.0]: holds" in findings[0].sentence


def test_where_the_claim_fails_it_says_so(tmp_path):
    findings = outcomes(tmp_path, CLAIM_FALSE)
    assert [f.outcome for f in findings] == [FAILS] * 3


def test_what_the_warm_start_does_by_itself_is_not_the_blocks_doing(tmp_path):
    warm = {**CLAIM_TRUE, "more_adam": CLAIM_TRUE["node_rk"]}
    warm["more_sgd"] = CLAIM_TRUE["node_adjoint"]
    findings = outcomes(tmp_path, warm)
    assert [f.outcome for f in findings] == [HOLDS, HOLDS, FAILS]


def test_seeds_that_disagree_cannot_tell(tmp_path):
    mixed = {
        name: (lambda s, a=CLAIM_TRUE[name], b=CLAIM_FALSE[name]: (a, b)[s % 2](s))
        for name in CLAIM_TRUE
    }
    findings = outcomes(tmp_path, mixed, seeds=(0, 1, 2, 3))
    assert [f.outcome for f in findings] == [UNTOLD] * 3


def test_one_run_cannot_tell_and_says_so(tmp_path):
    findings = outcomes(tmp_path, CLAIM_TRUE, seeds=(0,))
    assert [f.outcome for f in findings] == [UNTOLD] * 3
    for finding in findings:
        assert "cannot be told from one run of each model" in finding.sentence
        assert "[" not in finding.sentence  # no interval


def test_a_model_that_never_reaches_the_accuracy_fails(tmp_path):
    never = {**CLAIM_TRUE, "node_rk": lambda s: [0.5] * 8}
    never["node_adjoint"] = never["node_rk"]
    findings = outcomes(tmp_path, never)
    assert findings[0].outcome == FAILS
    assert (
        "NODE-RK reached the baseline's best validation accuracy in no run"
        in findings[0].sentence
    )


def test_without_controls_the_blocks_doing_is_not_tested(tmp_path):
    names = ("baseline", "node_rk", "node_adjoint")
    findings = outcomes(tmp_path, {name: CLAIM_TRUE[name] for name in names})
    assert [f.outcome for f in findings] == [HOLDS, HOLDS, UNTOLD]
    assert findings[2].sentence.endswith("since no run tests it.")


@pytest.mark.parametrize(
    ("low", "high", "n", "expected"),
    [
        (-2, -1, 3, HOLDS),
        (1, 2, 3, FAILS),
        (0, 0, 3, FAILS),
        (-1, 1, 3, UNTOLD),
        (-2, -1, 2, UNTOLD),
    ],
)
def test_the_rule_for_one_difference(low, high, n, expected):
    assert decide(Difference((low + high) / 2, low, high, n)) == expected
    assert decide(None) == UNTOLD


def test_parts_that_differ_hold_in_part_at_most():
    assert combine([HOLDS, FAILS]) == IN_PART
    assert combine([HOLDS, UNTOLD]) == IN_PART
    assert combine([FAILS, UNTOLD]) == UNTOLD
    assert combine([FAILS, FAILS]) == FAILS
