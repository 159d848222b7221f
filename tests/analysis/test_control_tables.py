"""The tables of what the paper lacks, on runs made by hand."""

from node_transfer.analysis.report import all_tables
from node_transfer.analysis.runs import read_sweep
from tests.analysis.made import write_run


def table(folder, name):
    return next(t for t in all_tables(read_sweep(folder)) if t.name == name)


def test_a_control_is_compared_within_its_seed(tmp_path):
    for seed, test in ((0, 0.80), (1, 0.70)):
        write_run(tmp_path, "baseline", seed, [0.7, 0.8], test=test)
        write_run(tmp_path, "node_rk", seed, [0.8], test=test + 0.01, init_from="b")
    row = table(tmp_path, "controls").rows[0]
    assert row[:3] == (
        "NODE-RK - Baseline",
        "1 | 2",
        "+1.00 points [+1.00, +1.00], n = 2",
    )
    assert row[3] == "-"  # no predictions
    assert row[4:] == ("0.00 [0.00, 0.00]", "-1.0 [-1.0, -1.0], n = 2")


def test_runs_that_never_reach_the_accuracy_are_counted(tmp_path):
    for seed, last in ((0, 0.9), (1, 0.1)):
        write_run(tmp_path, "baseline", seed, [0.7, 0.8])
        write_run(tmp_path, "node_rk", seed, [0.5, last], init_from="b")
    row = table(tmp_path, "epochs").rows[1]
    assert row[4] == "2.0 (in 1 of 2)"
    assert row[5] == "4.0 (in 1 of 2)"


def test_what_the_first_epoch_costs_is_told_of_warm_starts(tmp_path):
    write_run(tmp_path, "baseline", 0, [0.7, 0.8])
    write_run(tmp_path, "node_rk", 0, [0.75, 0.8], init_from="b")
    cold, warm = table(tmp_path, "epochs").rows
    assert (cold[3], warm[3]) == ("-", "-5.0 (n=1)")


def test_roughness_is_over_the_epochs_that_fill_the_window(tmp_path):
    write_run(tmp_path, "baseline", 0, [0.1, 0.2] + 4 * [0.5, 0.7])
    write_run(tmp_path, "node_rk_cold", 0, [0.1, 0.2] + 4 * [0.5, 0.6])
    write_run(tmp_path, "node_adjoint_cold", 0, [0.1, 0.2])
    rows = {row[:2]: row for row in table(tmp_path, "stability").rows}
    expected = f"{100 * 0.4 / 6**0.5:.2f} (n=1)"
    assert rows["Baseline", "Validation accuracy"][3:] == (
        expected, "-", "-", "20.00 (n=1)", "3.0 (n=1)",
    )  # fmt: skip
    ratios = table(tmp_path, "stability_differences").rows
    assert [row[:3] for row in ratios][0] == (
        "NODE-RK, cold / Baseline", "Validation accuracy", "0.50 (one run)",
    )  # fmt: skip
    assert not any("adjoint" in row[0] for row in ratios)
