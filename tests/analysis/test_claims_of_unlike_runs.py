"""What the pages say of runs that are not what a reader would take them for."""

import json

import numpy as np
import pytest

from node_transfer.analysis import claims, claims_page, measures, protocol, provenance
from node_transfer.analysis.control_tables import epochs_table
from node_transfer.analysis.report import write_report
from node_transfer.analysis.runs import read_sweep
from node_transfer.errors import UserError
from tests.analysis.made import write_run
from tests.analysis.test_claim_remarks import change


def warm(folder, name, seed, curve, file="a" * 64, **start):
    path = write_run(folder, name, seed, curve, init_from="baseline")
    change(path, weights={"file_sha256": file}, start=start)
    return path


@pytest.mark.parametrize("recorded", ["a", "b", None])
def test_a_block_from_another_baseline_is_told_without_its_control(recorded, tmp_path):
    path = write_run(tmp_path, "baseline", 0, [0.8] * 3)
    if recorded:
        change(path, "metrics.json", model_sha256=recorded * 64)
    warm(tmp_path, "node_adjoint", 0, [0.7] * 3, val_loss=0.31, val_accuracy=0.8)
    said = " ".join(provenance.other_starts(read_sweep(tmp_path)))
    assert said.startswith({"a": "", "b": "Not started", None: "Whether they"}[recorded])
    assert said == "" or said.endswith(": node_adjoint of seed 0.")
    assert ("(validation loss 0.310 for 0.300)" in said) == (recorded == "b")
    if recorded is None:  # the control, from the same file, tells it
        warm(tmp_path, "more_sgd", 0, [0.7] * 3, val_loss=0.3, val_accuracy=0.8)
        assert provenance.other_starts(read_sweep(tmp_path)) == []


def test_what_is_the_blocks_stands_beside_what_is_not(tmp_path):
    """Both lose ten points to the baseline by their rate."""
    rng = np.random.default_rng(0)
    for name, share in (("baseline", 0.8), ("node_adjoint", 0.68), ("more_sgd", 0.7)):
        path = write_run(tmp_path, name, 0, [0.7] * 3, told_right=rng.random(999) < share)
        change(path, "config.json")
    parts = claims.judge_all(claims.evidence_of([read_sweep(tmp_path)]))[11].parts
    (beside,) = (part for part in parts if part.outcome == claims.REMARK)
    assert beside.models == "NODE-adjoint - More of the same (SGD)"
    accuracies = [
        100 * measures.accuracy(read_sweep(tmp_path), name)[0]
        for name in ("node_adjoint", "more_sgd")
    ]
    assert "{:.2f} - {:.2f} %".format(*accuracies) in beside.as_tested
    assert "McNemar p" in beside.as_tested and "(P3)" in beside.quantity


def test_epochs_with_those_of_the_start_that_are_none_count_both(tmp_path):
    write_run(tmp_path, "baseline", 0, [0.5] * 3 + [0.8] * 4)
    for name in ("node_adjoint", "more_sgd"):
        warm(tmp_path, name, 0, [0.5] * 5, val_loss=0.3)
    parts = claims.judge_all(claims.evidence_of([read_sweep(tmp_path)]))[0].parts
    told = next(part.as_tested for part in parts if part.models == "NODE-adjoint")
    assert told.startswith(
        "not in 5 against the 7 that the baseline was given; with the start's epochs not "
        "in 12: "
    )


def test_the_first_epoch_is_less_the_runs_own_start(tmp_path):
    write_run(tmp_path, "baseline", 0, [0.80] * 3)
    warm(tmp_path, "node_adjoint", 0, [0.75] * 3, val_loss=0.3, val_accuracy=0.83)
    write_run(tmp_path, "more_sgd", 0, [0.75] * 3, init_from="baseline")
    sweep = read_sweep(tmp_path)
    assert measures.first_change(sweep, "node_adjoint") == {0: pytest.approx(-0.08)}
    assert measures.first_change(sweep, "more_sgd") == {0: pytest.approx(-0.05)}
    assert "| -8.0 " in epochs_table(sweep).markdown()


def test_seeds_are_in_the_order_of_numbers(tmp_path):
    for seed in (10, 3, 4):
        write_run(tmp_path, "baseline", seed, [0.8] * 3)
    assert list(read_sweep(tmp_path).of("baseline")) == [3, 4, 10]


@pytest.mark.parametrize("date", ["2026-11-20T00:00:00+00:00", "2026-12-01"])
def test_runs_that_were_seen_before_the_rules_have_no_declared_comparison(date, tmp_path):
    for name in ("baseline", "node_rk_cold"):
        change(write_run(tmp_path, name, 0, [0.8] * 5), date=date)
    sweep = read_sweep(tmp_path)
    before = date < protocol.DATE
    assert (protocol.declared(sweep, protocol.test_accuracy) == {}) == before
    write_report(tmp_path)
    page = (tmp_path / "report.html").read_text()
    assert ("which is younger than runs that it is applied to here" in page) == before
    assert ("which is older than the runs that it judges" in page) != before


def test_the_report_has_the_sentences_of_the_claims_page(tmp_path):
    for name, commit in (("baseline", "a"), ("node_rk_cold", "b")):
        path = write_run(tmp_path, name, 0, [0.8] * 5)
        change(path, project={"commit": commit * 40, "clean": True})
    (said,) = claims_page.of_the_runs(claims.evidence_of([read_sweep(tmp_path)]))
    write_report(tmp_path)
    assert said.startswith("Made by different commits")
    assert said in (tmp_path / "report.html").read_text()
    assert said in (tmp_path / "claims.md").read_text()


SWEPT = {
    "rtol": 1e-5, "accuracy": 0.8, "changed": 0, "nfe": 20, "images": 10_000,
    "dataset": "cifar10", "split": "test",
}  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "judged"),
    [({}, True), ({"split": "validation"}, False), ({"dataset": "folder:other"}, False),
     ({"images": 500}, False)],
)  # fmt: skip
def test_tolerance_is_judged_on_the_runs_own_test_images(changes, judged, tmp_path):
    path = write_run(tmp_path, "node_rk_cold", 0, [0.8] * 3)
    rows = [{**SWEPT, "rtol": rtol, **changes} for rtol in (None, 1e-5, 1e-3)]
    (path / "solver_sweep").mkdir()
    record = path / "solver_sweep" / "solver_sweep.json"
    record.write_text(json.dumps(rows))
    evidence = claims.evidence_of([read_sweep(tmp_path)])
    assert bool(claims.judge_all(evidence)[7].parts) == judged
    for row in rows:
        del row["nfe"]
    record.write_text(json.dumps(rows))
    with pytest.raises(UserError, match="is no record of sweep-tolerance .*'nfe'"):
        claims.judge_all(evidence)


@pytest.mark.parametrize("content", ["[1", "{}", '{"rows": [{"steps": 3}]}', "3"])
def test_a_damaged_benchmark_is_one_sentence(content, tmp_path):
    (tmp_path / "memory.json").write_text(content)
    with pytest.raises(UserError, match="memory.json' is no record of a benchmark"):
        claims.judge_all(claims.Evidence(benchmarks=tmp_path))


def test_a_history_without_rates_is_one_sentence(tmp_path):
    path = write_run(tmp_path, "baseline", 0, [0.8] * 3)
    lines = (path / "history.csv").read_text().replace("learning_rate", "rate")
    (path / "history.csv").write_text(lines)
    with pytest.raises(UserError, match="has no learning_rate in its history.csv"):
        read_sweep(tmp_path)
