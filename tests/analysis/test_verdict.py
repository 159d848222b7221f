"""The verdict follows from the numbers: three worlds, three verdicts."""

import pytest

from node_transfer.analysis.paired import Difference
from node_transfer.analysis.runs import read_sweep
from node_transfer.analysis.verdict import (
    FAILS,
    HOLDS,
    UNTOLD,
    combine,
    decide,
    verdict,
)
from tests.analysis.made import write_run, write_sweep


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
    assert findings[0].sentence.startswith("Fewer epochs: holds over 3 seeds, with the ")
    assert (
        "after 1.0 ± 0.0 epochs; the baseline after 8.0 ± 0.0 epochs"
        in findings[0].sentence
    )
    assert "difference -7.0 [-7.5, -6.5]: holds" in findings[0].sentence


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
        assert "(one run)" in finding.sentence
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


def test_a_model_whose_runs_failed_leaves_the_verdict_open(tmp_path):
    names = ("baseline", "node_rk", "more_adam")
    findings = outcomes(tmp_path, {name: CLAIM_TRUE[name] for name in names})
    assert [f.outcome for f in findings] == ["holds in part"] * 3
    assert "NODE-adjoint and the baseline have no seed in common" in findings[0].sentence


def test_where_neither_reaches_the_accuracy_it_cannot_be_told(tmp_path):
    low = {**CLAIM_TRUE, **dict.fromkeys(("node_rk", "more_adam"), lambda s: [0.1] * 8)}
    low |= dict.fromkeys(("node_adjoint", "more_sgd"), lambda s: [0.1] * 8)
    write_sweep(tmp_path, low)
    part = verdict(read_sweep(tmp_path))[2].parts[0]
    assert part.endswith("in no run; More of the same (Adam) in no run (cannot be told)")


def test_only_the_seeds_that_both_models_have_are_told_of(tmp_path):
    write_sweep(tmp_path, {**CLAIM_TRUE, "more_sgd": CLAIM_TRUE["baseline"]}, seeds=(0,))
    write_run(tmp_path, "node_rk", 1, [0.1] * 7 + [0.9], init_from="x")
    finding = verdict(read_sweep(tmp_path))[0]
    assert "from one run of each model" in finding.sentence
    assert "NODE-RK reached the baseline's best validation accuracy after 1.0 epochs" in (
        finding.sentence
    )


def test_an_unsteady_loss_is_seen_beside_a_steady_accuracy(tmp_path):
    write_sweep(tmp_path, CLAIM_TRUE)
    for seed in range(3):
        path = tmp_path / f"seed-{seed}" / "node_rk" / "history.csv"
        lines = path.read_text().splitlines()
        column = lines[0].split(",").index("val_loss")
        for t in range(1, len(lines)):
            cells = lines[t].split(",")
            cells[column] = str(1 + (t % 2) * (1 + 0.05 * seed))
            lines[t] = ",".join(cells)
        path.write_text("\n".join(lines) + "\n")
    finding = verdict(read_sweep(tmp_path))[1]
    assert finding.outcome == "mixed"
    assert [part.endswith("fails)") for part in finding.parts] == [
        False, False, True, False,
    ]  # fmt: skip


def test_a_loss_that_is_not_a_number_tells_nothing(tmp_path):
    write_sweep(tmp_path, CLAIM_TRUE)
    path = tmp_path / "seed-0" / "node_rk" / "history.csv"
    lines = path.read_text().splitlines()
    cells = lines[3].split(",")
    cells[lines[0].split(",").index("val_loss")] = "nan"
    lines[3] = ",".join(cells)
    path.write_text("\n".join(lines) + "\n")
    finding = verdict(read_sweep(tmp_path))[1]
    assert finding.outcome == "holds in part"
    assert "(in 2 of 3)" in finding.parts[2]
    assert finding.parts[2].endswith("(cannot be told)")


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
        (-0.5, 0.5, 6, UNTOLD),
        (-2, -1, 2, UNTOLD),
    ],
)
def test_the_rule_for_one_difference(low, high, n, expected):
    assert decide(Difference((low + high) / 2, low, high, n)) == expected
    assert decide(None) == UNTOLD


def test_equal_counts_of_epochs_are_no_gain():
    assert decide(Difference(0, -0.5, 0.5, 3), resolution=1) == FAILS
    assert decide(Difference(-0.5, -1.0, 0.0, 3), resolution=1) == UNTOLD
    assert decide(Difference(-1, -1.5, -0.5, 3), resolution=1) == HOLDS


def test_parts_that_differ_hold_or_fail_in_part():
    assert combine([HOLDS, FAILS, UNTOLD]) == "mixed"
    assert combine([HOLDS, UNTOLD]) == "holds in part"
    assert combine([FAILS, UNTOLD]) == "fails in part"
    assert combine([FAILS, FAILS]) == FAILS
    assert combine([UNTOLD]) == UNTOLD
