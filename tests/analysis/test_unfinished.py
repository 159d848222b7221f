"""Runs that go on, and runs that diverged: shown as what they are, and not judged."""

import json

import pytest

from node_transfer.analysis.report import write_report
from node_transfer.analysis.runs import read_sweep
from node_transfer.errors import UserError
from tests.analysis.made import write_run
from tests.slowly import slow_after


def unfinish(path, epochs):
    """Makes a run that was written by hand one that is to have so many epochs."""
    (path / "metrics.json").unlink()
    config = json.loads((path / "config.json").read_text())
    config["experiment"]["epochs"] = epochs
    (path / "config.json").write_text(json.dumps(config))


def what_is_judged(folder) -> list[bytes]:
    names = ("tables/table_1.csv", "tables/controls.csv", "claims.md")
    return [(folder / name).read_bytes() for name in names]


def test_an_unfinished_run_is_named_and_drawn_and_judges_nothing(tmp_path):
    write_run(tmp_path, "baseline", 0, [0.7])
    write_report(tmp_path)
    judged = what_is_judged(tmp_path)
    unfinish(write_run(tmp_path, "node_rk", 0, [0.7, 0.8]), 100)
    sweep = read_sweep(tmp_path)
    assert sweep.names == ["baseline"]
    (run,) = sweep.unfinished_runs
    assert (run.path, run.epochs, run.planned) == ("seed-0/node_rk", 2, 100)
    write_report(tmp_path)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "seed-0/node_rk: not finished, 2 of 100 epochs" in page
    assert "NODE-RK: unfinished, 2 of 100 epochs" in page
    unfinish(write_run(tmp_path, "more_adam", 0, [0.7]), 100)
    write_report(tmp_path)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "2 of 100 epochs; without the block unfinished, 1 of 100 epochs" in page
    assert judged == what_is_judged(tmp_path)


def test_runs_none_of_which_is_finished_are_drawn_and_nothing_else(tmp_path):
    unfinish(write_run(tmp_path, "baseline", 0, [0.7, 0.8]), 200)
    unfinish(write_run(tmp_path, "residual", 0, [0.7]), 100)  # has no row of its own
    printed = write_report(tmp_path)
    assert "seed-0/baseline: not finished, 2 of 200 epochs." in printed
    assert "seed-0/residual: not finished, 1 of 100 epochs." in printed
    assert {path.name for path in tmp_path.iterdir()} == {"seed-0", "figures"}
    drawn = {path.name for path in (tmp_path / "figures").iterdir()}
    assert drawn == {"training_curves.png", "training_curves.svg"}
    with pytest.raises(UserError, match="has no finished run"):
        read_sweep(tmp_path)


@pytest.mark.parametrize(
    "content", slow_after(1, ["epoch,accu", "", "epoch,loss\n1,0.5\n", None])
)
def test_a_history_of_an_unfinished_run_that_cannot_be_read_is_no_curve(
    tmp_path, content
):
    write_run(tmp_path, "baseline", 0, [0.7])
    path = write_run(tmp_path, "node_rk", 0, [0.7])
    unfinish(path, 100)
    history = path / "history.csv"
    history.unlink() if content is None else history.write_text(content)
    (run,) = read_sweep(tmp_path).unfinished_runs
    assert run.epochs == 0
    write_report(tmp_path)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "seed-0/node_rk: not finished, 0 of 100 epochs" in page
    assert "NODE-RK: " not in page


def diverge(folder, name, seed, what):
    """Makes a run that was written by hand one whose training diverged."""
    path = write_run(folder, name, seed, [0.7])
    (path / "metrics.json").rename(path / "diverged.json")
    (path / "diverged.json").write_text(json.dumps({"what": what}))


def test_a_run_that_diverged_is_shown_as_one_and_not_as_missing(tmp_path):
    diverge(tmp_path, "baseline", 0, "at step 3 of epoch 1 the loss was nan")
    with pytest.raises(UserError, match="no finished run.*seed-0/baseline diverged: at"):
        read_sweep(tmp_path)
    for seed in (1, 2):
        write_run(tmp_path, "baseline", seed, [0.7])
    diverge(tmp_path, "node_rk", 2, "in epoch 4 the loss was 1e+23")
    record = [{"model": "node_rk", "seed": 2, "command": "x", "failed": "exit code 2"}]
    (tmp_path / "sweep.json").write_text(json.dumps({"runs": record}))
    sweep = read_sweep(tmp_path)
    assert sweep.unfinished == {} and sweep.seeds == [1, 2]
    printed = write_report(tmp_path)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Diverged: seed-2/node_rk, in epoch 4 the loss was 1e+23." in printed
    assert "<li>seed-2/node_rk: in epoch 4 the loss was 1e+23</li>" in page
    assert "Runs that are missing" not in page
    assert "NODE-RK: diverged after 1 of 200 epochs" in page
    assert (
        "Diverged, so that nothing is judged by it: seed-0/baseline (at step 3 of epoch "
        "1 the loss was nan), seed-2/node_rk (in epoch 4 the loss was 1e+23)."
    ) in (tmp_path / "claims.md").read_text(encoding="utf-8")
    (baseline, rk) = (tmp_path / "tables" / "table_1.csv").read_text().splitlines()[1:]
    assert "(n=2), 1 diverged |" in baseline
    assert ",1 diverged | 98.5 %," in rk
