"""What is written from run directories: tables, numbers, figures, and the report."""

import csv
import json
import re
import shutil
import subprocess
import sys

import pytest

from node_transfer.analysis.report import all_tables, write_report
from node_transfer.analysis.runs import gather, read_run, read_sweep
from node_transfer.errors import UserError
from tests.analysis.made import CLAIM_TRUE, COLD, COMMITTED, write_run
from tests.conftest import PROJECT


def table(folder, name):
    return next(t for t in all_tables(read_sweep(folder)) if t.name == name)


def test_cells_have_mean_deviation_number_of_runs_and_the_papers_value(tmp_path):
    for seed, test in enumerate((0.80, 0.82, 0.84)):
        write_run(tmp_path, "baseline", seed, [0.7, 0.8], test=test, seconds=60)
    assert table(tmp_path, "table_1").rows[0] == (
        "EfficientNetB0",
        "81.00 ± 0.00 % (n=3) | 98.7 %",  # the running one of the last epoch
        "82.00 ± 2.00 % (n=3)",
        "82.00 ± 2.00 % (n=3) | 84.5 %",
        "82.00 ± 2.00 % (n=3) | 81.0 %",
    )
    assert table(tmp_path, "table_2").rows[0] == (
        "EfficientNetB0",
        "2 (n=3) | 200",
        "2.0 ± 0.0 min (n=3) | 4.5 hours",
        "60.0 ± 0.0 (n=3) | 81.0",
    )


def test_table_3_has_the_tolerances(sweep_folder):
    assert table(sweep_folder, "table_3").rows[0] == (
        "Proposed Model(RK)",
        "1e-05 (n=3) | 1e-05",
        "1e-05 (n=3) | 1e-05",
    )


def test_runs_of_one_model_that_differ_are_not_averaged(tmp_path):
    write_run(tmp_path, "baseline", 0, [0.7])
    path = write_run(tmp_path, "baseline", 1, [0.7]) / "config.json"
    path.write_text(path.read_text().replace("EfficientNetB0", "EfficientNetV2B0"))
    with pytest.raises(UserError, match="backbone = 'EfficientNetB0'.*cannot be avera"):
        read_sweep(tmp_path)


def test_runs_on_different_images_are_not_compared(tmp_path):
    for name, digest in [("baseline", "a"), ("node_rk", "b"), ("node_rk_cold", None)]:
        path = write_run(tmp_path, name, 0, [0.7]) / "config.json"
        config = json.loads(path.read_text())
        config["data"]["checksum"] = {"sha256": digest} if digest else None
        path.write_text(json.dumps(config))
    with pytest.raises(UserError, match="'seed-0/baseline' and 'seed-0/node_rk' are on "):
        read_sweep(tmp_path)
    path.parent.with_name("node_rk").rename(tmp_path / "elsewhere")
    assert read_sweep(tmp_path).names == ["baseline", "node_rk_cold"]


def test_a_run_is_the_model_that_its_folder_is_named_after(tmp_path):
    paths = [write_run(tmp_path, name, 0, [0.7]) for name in ("baseline", "more_adam")]
    assert gather(paths).names == ["baseline", "more_adam"]
    with pytest.raises(UserError, match="are both baseline with seed 0"):
        gather([paths[0], paths[0]])
    with pytest.raises(UserError, match="no readable config.json"):
        gather([tmp_path / "nothing"])


def test_a_run_that_the_table_has_no_row_for_is_refused(tmp_path):
    path = write_run(tmp_path, "node_tsit5", 0, [0.7])
    with pytest.raises(UserError, match="run of 'node_tsit5', .* pass runs of baseline,"):
        gather([path])
    other = write_run(tmp_path, "residual", 0, [0.7])
    with pytest.raises(UserError, match="'residual', .* runs of node_rk, baseline"):
        gather([other], ["node_rk", "baseline"])


@pytest.mark.parametrize("paths", [[], [""]])
def test_no_run_makes_no_table(paths):
    with pytest.raises(UserError, match="no run to read: pass the directories"):
        gather(paths)


def test_table_1_of_runs_that_lie_anywhere(tmp_path):
    path = write_run(tmp_path, "node_rk", 0, [0.5], test=0.125)
    done = subprocess.run(
        [sys.executable, "experiments/table_1.py", f"--runs={path}"],
        cwd=PROJECT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    row = next(line for line in done.stdout.splitlines() if "Proposed" in line)
    cells = [cell.strip() for cell in row.split(" | ")]
    assert cells[1:4] == ["51.00 % (n=1)", "98.5 %", "12.50 % (n=1)"]
    assert "The paper's: EfficientNetB0" in done.stdout.replace("\n", " ")


def test_a_run_whose_loss_was_never_a_number_is_reported_on(tmp_path):
    path = write_run(tmp_path, "baseline", 0, [0.7, 0.8]) / "history.csv"
    text = path.read_text().splitlines()
    rows = [line.split(",") for line in text]
    for column in (2, 4):
        for row in rows[1:]:
            row[column] = "nan"
    path.write_text("\n".join(",".join(row) for row in rows) + "\n")
    write_report(tmp_path)
    stability = (tmp_path / "tables" / "stability.md").read_text(encoding="utf-8")
    loss = next(line for line in stability.splitlines() if "Validation loss" in line)
    assert loss.count("| - ") == 5  # three windows, the drop and the falls


def test_markdown_escapes_the_bar_within_a_cell(sweep_folder):
    lines = (
        (sweep_folder / "tables" / "table_1.md").read_text(encoding="utf-8").splitlines()
    )
    row = next(line for line in lines if "EfficientNetB0" in line)
    assert len(re.findall(r"(?<!\\)\|", row)) == 6
    assert row.count("\\|") == 3


def test_every_number_has_the_path_of_its_run(sweep_folder):
    with (sweep_folder / "numbers.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["path"] for row in rows} == {
        f"seed-{s}/{name}" for s in range(3) for name in {**CLAIM_TRUE, **COLD}
    }
    tests = {
        row["path"]: row["value"] for row in rows if row["quantity"] == "test_accuracy"
    }
    run = read_run(sweep_folder / "seed-1" / "node_rk")
    assert float(tests["seed-1/node_rk"]) == run.metrics["test"]["accuracy"]


def test_every_figure_of_the_paper_is_drawn_twice(sweep_folder):
    stems = {f"figure_{n:02d}" for n in range(1, 13)}
    stems |= {"forest", "training_curves", "validation_curves", "nfe"}
    stems |= {"accuracy_against_seconds"}
    for kind in ("svg", "png"):
        files = {path.stem for path in (sweep_folder / "figures").glob(f"*.{kind}")}
        assert files == stems


def test_a_second_report_has_the_same_bytes(sweep_folder, tmp_path):
    again = tmp_path / "again"
    shutil.copytree(sweep_folder, again)
    for name in ("tables", "figures"):
        shutil.rmtree(again / name)
    write_report(again)
    for path in sorted(sweep_folder.rglob("*")):
        if path.is_file():
            other = again / path.relative_to(sweep_folder)
            assert other.read_bytes() == path.read_bytes(), path


def test_a_folder_without_a_finished_run_is_an_error(tmp_path):
    with pytest.raises(UserError, match="has no finished run"):
        read_sweep(tmp_path)


def test_a_history_of_other_epochs_than_the_metrics_is_an_error(tmp_path):
    path = write_run(tmp_path, "baseline", 0, [0.6, 0.7]) / "history.csv"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:2]))
    with pytest.raises(UserError, match="has 1 epochs in its history.csv and 2 in its"):
        read_sweep(tmp_path)


def test_a_damaged_history_is_an_error_that_names_it(tmp_path):
    path = write_run(tmp_path, "baseline", 0, [0.7]) / "history.csv"
    path.write_text("epoch,val_accuracy\n1,abc\n")
    with pytest.raises(UserError, match="history.csv"):
        read_sweep(tmp_path)
    path.write_text("epoch,seconds,learning_rate,val_accuracy\n1,2,0.1,0.5\n")
    with pytest.raises(UserError, match="no accuracy in its history.csv"):
        read_sweep(tmp_path)


def test_the_report_asks_nothing_of_the_network(sweep_folder):
    page = (sweep_folder / "report.html").read_text(encoding="utf-8")
    assert not re.findall(r"""(?:src|href)=["'](?!data:|#)""", page)
    assert "@import" not in page and "url(" not in page


def test_the_report_has_outcomes_commands_note_and_failures(sweep_folder):
    page = (sweep_folder / "report.html").read_text(encoding="utf-8")
    for text in (
        '1. Fewer epochs: <span class="outcome">mixed: holds 2 (warm), fails 1 (cold)<',
        "python experiments/reproduce.py --preset=cpu",
        "A note &lt;with&gt; a &amp; b.",
        "seed-9/more_sgd: Boom.",
        "seed-8/more_sgd: not begun",
        "tensorflow 2.21.0",
    ):
        assert text in page, text
    assert "Once." not in page  # it is finished now


@pytest.mark.slow
def test_report_only_needs_no_tensorflow(sweep_folder):
    code = (
        "import sys; sys.modules['tensorflow'] = sys.modules['keras'] = None\n"
        f"sys.argv = ['reproduce.py', '--report_only', '--output_dir={sweep_folder}']\n"
        "import runpy; runpy.run_path('experiments/reproduce.py', run_name='__main__')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "Table I. Performance, ours | paper" in done.stdout


def test_the_committed_tables_follow_from_the_committed_runs(tmp_path):
    for path in COMMITTED.glob("seed-*/*/*"):
        if path.name in ("config.json", "history.csv", "metrics.json"):
            copy = tmp_path / path.relative_to(COMMITTED)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, copy)
    write_report(tmp_path)
    for name in ("numbers.csv", "claims.md"):
        assert (tmp_path / name).read_bytes() == (COMMITTED / name).read_bytes()
    made = sorted((tmp_path / "tables").iterdir())
    assert len(made) == 14
    for path in made:
        assert path.read_bytes() == (COMMITTED / "tables" / path.name).read_bytes()


def test_readme_says_what_the_committed_tables_say():
    readme = (PROJECT / "README.md").read_text(encoding="utf-8")
    table_1 = (COMMITTED / "tables" / "table_1.md").read_text(encoding="utf-8")
    assert table_1.split("\n\n")[1] in readme
