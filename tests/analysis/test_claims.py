"""The claims follow from the numbers: several worlds, several outcomes."""

import csv
import json
import math
import re

import numpy as np
import pytest
from scipy import stats

from node_transfer.analysis import claim_evidence, claims, claims_page
from node_transfer.analysis.claim_words import (
    FAILS,
    HOLDS,
    NOT_BY_THE_BLOCK,
    NOT_YET_BY_THE_BLOCK,
    REMARK,
    Part,
    judge,
)
from node_transfer.analysis.inference import EQUIVALENT, HIGHER, LOWER, UNTOLD
from node_transfer.analysis.runs import read_sweep
from tests.analysis.made import (
    CLAIM_FALSE,
    CLAIM_TRUE,
    CONTROL_AS_GOOD,
    bumpy,
    early,
    write_run,
    write_sweep,
)
from tests.conftest import PROJECT

SHORT = PROJECT / "results" / "cifar10-short"
BENCHMARKS = PROJECT / "benchmarks" / "results"


def judged(folder, curves, seeds=(0, 1, 2)):
    write_sweep(folder, curves, seeds)
    evidence = claims.evidence_of([read_sweep(folder)])
    return {one.claim.number: one for one in claims.judge_all(evidence)}


@pytest.mark.parametrize(
    ("tested", "control", "expected"),
    [
        (LOWER, LOWER, HOLDS),
        (LOWER, None, HOLDS),
        (LOWER, EQUIVALENT, NOT_BY_THE_BLOCK),
        (LOWER, HIGHER, NOT_BY_THE_BLOCK),
        (LOWER, UNTOLD, NOT_YET_BY_THE_BLOCK),
        (EQUIVALENT, LOWER, FAILS),
        (HIGHER, LOWER, FAILS),
        (UNTOLD, LOWER, UNTOLD),
    ],
)
def test_a_part_is_judged_by_the_rule_of_the_protocol(tested, control, expected):
    assert judge(LOWER, tested, control) == expected


def test_parts_make_one_phrase():
    def combined(*outcomes, readings=("", "", "")):
        pairs = zip(outcomes, readings, strict=False)
        return claims.combine([Part("", r, "", "", "", o, "") for o, r in pairs])

    assert combined() == combined(UNTOLD, NOT_YET_BY_THE_BLOCK, REMARK) == UNTOLD
    assert combined(HOLDS, HOLDS) == combined(HOLDS, REMARK) == HOLDS
    assert combined(HOLDS, UNTOLD) == "holds, in part"
    assert combined(HOLDS, NOT_YET_BY_THE_BLOCK) == "holds, in part"
    assert combined(HOLDS, FAILS, FAILS) == "mixed: holds 1, fails 2"
    readings = ("cold", "warm", "cold")
    assert combined(FAILS, UNTOLD, FAILS, readings=readings) == "fails, in part (cold)"
    assert combined(FAILS, FAILS, readings=readings) == "fails (cold and warm)"
    mixed = combined(HOLDS, FAILS, FAILS, readings=readings)
    assert mixed == "mixed: holds 1 (cold), fails 2 (cold and warm)"


def test_the_sentence_says_which_part_and_which_reading():
    outcomes = ["fails, in part (cold)", "fails, in part", UNTOLD, "holds (warm)"]
    judged = [
        claims.Judged(claims.CLAIMS[i], (), outcome) for i, outcome in enumerate(outcomes)
    ]
    _, said = claims_page.sentences(claims.Evidence(), judged)
    assert said == (
        "By all comparisons, most of which are secondary and not adjusted for their "
        "number, of the paper's 4 claims 1 holds (4 warm), 2 fail in part (1 cold, 2), 1 "
        "cannot be told yet (3)."
    )


def test_where_the_claim_is_true_it_says_so(tmp_path):
    outcomes = judged(tmp_path, CLAIM_TRUE)
    assert outcomes[1].outcome == outcomes[5].outcome == f"{HOLDS} (warm)"
    part = outcomes[1].parts[0]
    assert part.reading == "warm"
    assert part.as_tested == (
        "1, 1, 1 against the 12 that the baseline was given; with the start's epochs 13, "
        "13, 13: lower"
    )
    assert part.against_control == "More of the same (Adam) 10, 10, 10: lower"


def test_where_the_control_does_as_well_the_block_has_not_done_it(tmp_path):
    outcomes = judged(tmp_path, CONTROL_AS_GOOD)
    assert outcomes[1].outcome == f"{NOT_BY_THE_BLOCK} (warm)"
    assert outcomes[2].outcome == f"{NOT_BY_THE_BLOCK} (warm)"


def test_where_the_claim_is_false_it_says_so(tmp_path):
    outcomes = judged(tmp_path, CLAIM_FALSE)
    assert outcomes[1].outcome == f"{FAILS} (warm)"
    assert "not in 12, not in 12, not in 12" in outcomes[1].parts[0].as_tested


def test_two_seeds_decide_nothing(tmp_path):
    outcomes = judged(tmp_path, CLAIM_TRUE, seeds=(0, 1))
    assert {outcomes[n].outcome for n in (1, 2, 3, 5)} == {UNTOLD}
    assert outcomes[1].parts[0].as_tested.endswith("in 2 runs")


def test_a_cold_start_is_compared_with_the_baseline_itself(tmp_path):
    curves = {
        "baseline": lambda s: bumpy(0.8, 0.05, s),
        "node_rk_cold": lambda s: early(0.8, 0.001, s),
    }
    part = judged(tmp_path, curves)[1].parts[0]
    assert (part.reading, part.outcome) == ("cold", HOLDS)
    assert part.against_control == "Baseline 10, 10, 10: lower (P2)"


@pytest.mark.parametrize(("often", "expected"), [(4, HOLDS), (25, FAILS)])
def test_a_baseline_is_unstable_where_one_epoch_in_ten_falls(often, expected, tmp_path):
    curve = [0.8 - (0.02 if t % often == 0 else 0) for t in range(120)]
    for seed in (0, 1, 2):
        write_run(tmp_path, "baseline", seed, curve)
    evidence = claims.evidence_of([read_sweep(tmp_path)])
    assert evidence.short is None
    fluctuation = claims.judge_all(evidence)[3]
    assert [part.outcome for part in fluctuation.parts] == [expected] * 2
    assert claim_evidence.share_of_falls(curve, (11, 50)) == (
        sum(t % often == 0 for t in range(10, 50)) / 40
    )


def test_long_runs_have_windows_of_their_own_and_say_what_their_epochs_tell(tmp_path):
    rng = np.random.default_rng(0)
    curves = {
        "baseline": 0.7 + rng.normal(0, 0.01, 120),
        "node_rk_cold": 0.7 + rng.normal(0, 0.004, 110),
    }
    right = {name: rng.random(1000) < 0.8 for name in curves}
    for name, curve in curves.items():
        write_run(tmp_path, name, 0, list(curve), told_right=right[name])
    evidence = claims.evidence_of([read_sweep(tmp_path)])
    outcomes = {one.claim.number: one for one in claims.judge_all(evidence)}

    parts = {part.quantity: part for part in outcomes[5].parts}
    assert len(parts) == 8  # four curves, two windows
    for first, last in ((11, 50), (61, 100)):
        part = parts[f"roughness, validation accuracy, epochs {first} to {last}"]
        bends = [np.diff(x[first - 1 : last], 2) for x in curves.values()]
        ratio = np.sqrt(np.mean(bends[1] ** 2) / np.mean(bends[0] ** 2))
        found = re.fullmatch(
            r"([\d.]+) / ([\d.]+) = ([\d.]+) \[([\d.]+), ([\d.]+); nine in ten\] by "
            r"these two runs' epochs: in one run",
            part.as_tested,
        )
        ours, theirs, told, low, high = map(float, found.groups())
        assert ours == pytest.approx(np.sqrt(np.mean(bends[1] ** 2) / 6), rel=0.05)
        assert theirs == pytest.approx(np.sqrt(np.mean(bends[0] ** 2) / 6), rel=0.05)
        assert told == round(ratio, 2)
        assert 0.2 < low < told < high < 1
        assert part.outcome == UNTOLD
    only = [np.sum(a & ~b) for a, b in (right.values(), list(right.values())[::-1])]
    p = stats.binomtest(int(only[0]), int(sum(only))).pvalue
    (part,) = outcomes[12].parts
    assert f"(one run) (McNemar p {p:.2g}): in one run" in part.as_tested
    percents = [f"{100 * right[name].mean():.2f}" for name in list(curves)[::-1]]
    assert part.as_tested.startswith(" - ".join(percents) + " %: ")
    first, _ = claims_page.sentences(evidence, list(outcomes.values()))
    assert "are of short runs, over seeds, and not of these" in first


def write_solved_otherwise(path, accuracies, changed):
    rows = [{"solver": "as trained", "rtol": 1e-5}] + [
        {"solver": f"{t:.0e}", "rtol": t} for t in (1e-7, 1e-5, 1e-2, 1.0)
    ]
    rows.append({"solver": "without the block", "rtol": None})
    for row, accuracy, n in zip(rows, accuracies, changed, strict=True):
        row |= {"accuracy": accuracy, "changed": n, "nfe": 20.0, "images": 10_000}
    (path / "solver_sweep").mkdir()
    (path / "solver_sweep" / "solver_sweep.json").write_text(json.dumps(rows))


@pytest.mark.parametrize(("seeds", "expected"), [((3, 4, 5), HOLDS), ((3, 4), UNTOLD)])
def test_the_tolerance_is_judged_by_what_was_measured(seeds, expected, tmp_path):
    for seed in seeds:
        path = write_run(tmp_path, "node_rk_cold", seed, [0.8])
        write_run(tmp_path, "baseline", seed, [0.8])
        loose = 0.7 + seed * 1e-4
        accuracies = [0.8, 0.8001, 0.8, 0.8002, loose, 0.6]
        write_solved_otherwise(path, accuracies, [0, 1, 0, 16, 1100, 2500])
    evidence = claims.evidence_of([read_sweep(tmp_path)])
    near, far = claims.judge_all(evidence)[7].parts
    assert near.outcome == (FAILS if expected == HOLDS else UNTOLD)  # no trade-off
    assert far.outcome == expected
    assert far.models == "NODE-RK, cold, tolerance 1e+00 - 1e-05"
    if expected == HOLDS:
        # 1,100 of 10,000 predictions: an interval of 1.96 sqrt(0.11 / 10,000) and more.
        assert "-9.96 points [-10.6" in far.as_tested
        assert "+0.02 points [-0.06, +0.10], n = 3: equivalent" in near.as_tested


def test_the_block_has_the_parameters_that_are_counted():
    from node_transfer import DenseDynamics, ODELayer, TransferClassifier, build_backbone

    backbone = build_backbone("EfficientNetV2B0", weights="none", image_size=32)
    without = TransferClassifier(backbone, 10)
    block = ODELayer(DenseDynamics(128))
    block.build((None, 1280))
    fewer, more = claim_evidence.parameters()
    count = sum(math.prod(v.shape) for v in block.trainable_variables)
    assert fewer.as_tested.startswith(f"{count:,} against {1280 * 1280 + 1280:,} ")
    assert without.count_params() == claim_evidence.WITHOUT_BLOCK
    assert more.as_tested.startswith(f"{without.count_params() + count:,} against ")


def test_the_committed_page_is_what_the_command_makes():
    both = SHORT, PROJECT / "results" / "cifar10-long"
    folders = [p for p in both if any(p.glob("seed-*/*/metrics.json"))]
    evidence = claims.evidence_of([read_sweep(f) for f in folders], BENCHMARKS)
    judged = claims.judge_all(evidence)
    page = claims_page.markdown(evidence, judged, "[protocol.md](protocol.md)")
    assert page == (PROJECT / "docs" / "claims.md").read_text(encoding="utf-8")
    readme = (PROJECT / "README.md").read_text(encoding="utf-8")
    for sentence in claims_page.sentences(evidence, judged):
        assert sentence in " ".join(readme.split())


def accuracies_by_hand(name):
    """Seed to whether each test image was told right, from the files alone."""
    found = {}
    for path in sorted(SHORT.glob(f"seed-*/{name}/metrics.json")):
        with np.load(path.with_name("predictions.npz")) as file:
            right = file["predicted"] == file["label"]
        assert right.mean() == pytest.approx(
            json.loads(path.read_text())["test"]["accuracy"]
        )
        found[int(path.parts[-3].removeprefix("seed-"))] = right
    return found


def test_a_second_implementation_gives_the_numbers_of_the_page():
    page = (PROJECT / "docs" / "claims.md").read_text(encoding="utf-8")
    names = {"NODE-RK, cold": "node_rk_cold", "NODE-adjoint, cold": "node_adjoint_cold"}
    seen = 0
    for label, name in names.items():
        left, right = accuracies_by_hand(name), accuracies_by_hand("baseline")
        seeds = sorted(left.keys() & right.keys())
        x = 100 * np.array([left[s].mean() - right[s].mean() for s in seeds])
        row = re.search(
            rf"\| {label} - Baseline \| cold \| test accuracy[^|]*\| ([^|]*)", page
        )
        assert row[1].startswith(f"{x.mean():+.2f} points")
        if len(seeds) > 1:
            images = np.mean([100.0 * left[s] - 100.0 * right[s] for s in seeds], axis=0)
            half = math.hypot(
                stats.t.ppf(0.975, len(x) - 1) * stats.sem(x),
                stats.norm.ppf(0.975) * stats.sem(images),
            )
            assert f"[{x.mean() - half:+.2f}, {x.mean() + half:+.2f}]" in row[1]
        seen += len(seeds)
    assert seen


def test_a_second_implementation_counts_the_epochs_of_the_page():
    page = (PROJECT / "docs" / "claims.md").read_text(encoding="utf-8")

    def curves(name):
        found = {}
        for path in sorted(SHORT.glob(f"seed-*/{name}/metrics.json")):
            with path.with_name("history.csv").open() as file:
                rows = list(csv.DictReader(file))
            seed = int(path.parts[-3].removeprefix("seed-"))
            found[seed] = np.array([float(row["val_accuracy"]) for row in rows])
        return found

    ours, baselines = curves("node_rk_cold"), curves("baseline")
    counted = []
    for seed in sorted(ours.keys() & baselines.keys()):
        target = np.median(baselines[seed][-max(3, len(baselines[seed]) // 4) :])
        there = np.flatnonzero(ours[seed] >= target)
        counted.append(str(there[0] + 1) if len(there) else "not in 10")
    assert f"| {', '.join(counted)} against the 10 that the baseline was given" in page
