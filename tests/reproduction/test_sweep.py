"""Whole sweeps, as a user starts, breaks and restarts them."""

import csv
import json
import os
import subprocess
import sys
import time

import pytest

from node_transfer.analysis.runs import read_sweep
from node_transfer.cli.program import run_arguments
from node_transfer.errors import UserError
from node_transfer.reproduction.plan import plan
from node_transfer.reproduction.sweep import Program, run_sweep
from node_transfer.runs.directory import RunDirectory
from tests.analysis.made import write_run
from tests.conftest import PROJECT
from tests.slowly import slow_after

RECORD = {"command": "node-transfer reproduce", "preset": "cpu", "note": None}
PROGRAM = Program(("node-transfer",), ("node-transfer",), run_arguments)


def reproduce(*flags, **options):
    return subprocess.run(
        [sys.executable, "experiments/reproduce.py", *flags],
        cwd=PROJECT, capture_output=True, text=True, **options,
    )  # fmt: skip


def finish(run, folder) -> None:
    """Writes what a finished run of this config leaves."""
    path = write_run(
        folder, run.model, run.seed, [0.5, 0.6], init_from=run.config.init_from
    )
    config = json.loads((path / "config.json").read_text())
    config["experiment"] |= {
        key: value
        for key, value in vars(run.config).items()
        if value is not None or key not in config["experiment"]
    }
    if run.start is None:
        config["experiment"]["weights"] = run.config.weights or "auto"
    (path / "config.json").write_text(json.dumps(config))


def test_a_failed_run_is_reported_and_does_not_stop_the_others(tmp_path):
    """Seed 1's baseline would be made in a folder of others; seed 0 is finished."""
    out = tmp_path / "sweep"
    flags = [
        "--preset=quickstart", "--seeds=1,0", "--models=baseline,node_rk",
        f"--output_dir={out}",
    ]  # fmt: skip
    for run in plan("quickstart", [0], str(out), {}, ["baseline", "node_rk"]):
        finish(run, out)
    (out / "seed-1" / "baseline").mkdir(parents=True)
    (out / "seed-1" / "baseline" / "thesis.tex").write_text("mine")
    done = reproduce(*flags)
    assert done.returncode == 2
    assert "FAILED: baseline, seed 1" in done.stderr
    assert "is not empty and not a run" in done.stderr
    assert (
        "FAILED: node_rk, seed 1: not made, since baseline, seed 1, which it"
        in done.stderr
    )
    assert "Traceback" not in done.stderr
    assert "Run 4 of 4: node_rk, seed 0: test accuracy 80.0%" in done.stdout
    assert "2 of the runs failed" in done.stderr.splitlines()[-1]
    record = json.loads((out / "sweep.json").read_text())
    failed = [run["model"] for run in record["runs"] if "failed" in run]
    assert failed == ["baseline", "node_rk"]
    assert "Table I. Performance" in done.stdout
    assert "is not empty and not a run" in (out / "report.html").read_text()


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"weights": "no/such.h5"}, "There is no weights file 'no/such.h5'"),
        ({"dataset": "folder:no/such"}, "There is no folder 'no/such'"),
        ({"dataset": "folder:{}"}, "is inside the folder of images"),
    ],
)
def test_what_no_run_can_be_made_of_is_told_before_the_first(
    changes, complaint, tmp_path
):
    changes = {name: value.format(tmp_path) for name, value in changes.items()}
    out = tmp_path / "sweep"
    runs = plan("cpu", [0, 1], str(out), changes, ["baseline", "node_rk"])
    with pytest.raises(UserError, match=complaint):
        run_sweep(runs, str(out), RECORD, PROGRAM)
    assert not out.exists()


def test_a_finished_run_of_other_flags_is_in_the_way(tmp_path):
    [run] = plan("cpu", [0], str(tmp_path), {"weights": "imagenet"}, ["baseline"])
    finish(run, tmp_path)
    [other] = plan("paper", [0], str(tmp_path), {}, ["baseline"])
    with pytest.raises(UserError, match="finished run with epochs = 10, not 200"):
        run_sweep([other], str(tmp_path), RECORD, PROGRAM)
    assert not (tmp_path / "sweep.json").exists()


def test_a_finished_run_older_than_a_field_is_kept_and_averaged(tmp_path):
    runs = plan("cpu", [0, 1], str(tmp_path), {}, ["baseline"])
    for run in runs:
        finish(run, tmp_path)
    path = runs[0].directory.path / "config.json"
    record = json.loads(path.read_text())
    del record["experiment"]["augment"]
    path.write_text(json.dumps(record))
    assert run_sweep(runs, str(tmp_path), RECORD, PROGRAM) == {}
    assert read_sweep(tmp_path).seeds == [0, 1]
    record["experiment"]["augment"] = True
    path.write_text(json.dumps(record))
    with pytest.raises(UserError, match="augment = True and .* False, so they cannot"):
        read_sweep(tmp_path)


@pytest.mark.parametrize("models", [["baseline"], ["node_rk"]])
def test_a_finished_baseline_of_another_network_is_in_the_way(models, tmp_path):
    v2 = {"backbone": "EfficientNetV2B0", "weights": "none"}
    [run] = plan("cpu", [0], str(tmp_path), v2, ["baseline"])
    finish(run, tmp_path)
    runs = plan("cpu", [0], str(tmp_path), {"weights": "none"}, models)
    with pytest.raises(UserError, match="backbone = 'EfficientNetV2B0', not 'Effic"):
        run_sweep(runs, str(tmp_path), RECORD, PROGRAM)


def test_a_folder_that_cannot_be_used_is_a_failed_run(tmp_path):
    """Seed 0's folder is a file; seed 1 is finished already."""
    (tmp_path / "seed-0").write_text("in the way")
    runs = plan("cpu", [0, 1], str(tmp_path), {}, ["baseline"])
    finish(runs[1], tmp_path)
    failures = run_sweep(
        runs, str(tmp_path), RECORD, PROGRAM, lambda error: f"Told: {error}"
    )
    assert list(failures) == ["baseline, seed 0"]
    assert f"Told: {str(tmp_path)!r}"[:-1] in failures["baseline, seed 0"]
    assert "cannot be made" in failures["baseline, seed 0"]


def test_two_sweeps_cannot_share_a_folder(tmp_path):
    runs = plan("cpu", [0], str(tmp_path / "out"), {}, ["baseline"])
    at_work = pytest.raises(UserError, match="at work in")
    with RunDirectory(tmp_path / "out").locked(), at_work:
        run_sweep(runs, str(tmp_path / "out"), RECORD, PROGRAM)


def test_a_later_sweep_keeps_what_an_earlier_one_recorded(tmp_path):
    for seed, note in ((0, "A note."), (1, None)):
        runs = plan("cpu", [seed], str(tmp_path), {}, ["baseline"])
        finish(runs[0], tmp_path)
        assert run_sweep(runs, str(tmp_path), {**RECORD, "note": note}, PROGRAM) == {}
    record = json.loads((tmp_path / "sweep.json").read_text())
    assert record["commands"] == [RECORD["command"]]
    assert [run["seed"] for run in record["runs"]] == [0, 1]
    assert record["note"] == "A note."


def test_entries_that_were_changed_by_hand_are_left_out(tmp_path):
    changed = {"runs": [{"model": "baseline"}, "x"], "commands": 5}
    (tmp_path / "sweep.json").write_text(json.dumps(changed))
    runs = plan("cpu", [0], str(tmp_path), {}, ["baseline"])
    finish(runs[0], tmp_path)
    assert run_sweep(runs, str(tmp_path), RECORD, PROGRAM) == {}
    record = json.loads((tmp_path / "sweep.json").read_text())
    assert record["commands"] == [RECORD["command"]]
    assert [run["model"] for run in record["runs"]] == ["baseline"]


def test_going_on_with_an_old_sweep_keeps_what_made_it(tmp_path):
    """Seed 0 is finished and recorded, seed 1 finished and not recorded."""
    runs = plan("cpu", [0, 1], str(tmp_path), {}, ["baseline"])
    for run in runs:
        finish(run, tmp_path)
    old = {
        "commands": ["python experiments/reproduce.py --seeds=0,1 '--note=a b'"],
        "runs": [
            {"model": "baseline", "seed": 0, "command": "python experiments/old.py"}
        ],
    }
    (tmp_path / "sweep.json").write_text(json.dumps(old))
    for flags in ("--seeds=0,1 '--note=a b'", "--seeds=0", "--seeds=0"):
        command = f"node-transfer reproduce {flags}"
        assert run_sweep(runs, tmp_path, {**RECORD, "command": command}, PROGRAM) == {}
    record = json.loads((tmp_path / "sweep.json").read_text())
    assert record["commands"] == [*old["commands"], "node-transfer reproduce --seeds=0"]
    first, second = record["runs"]
    assert first == old["runs"][0]
    assert second["command"].startswith("node-transfer train baseline ")


def test_a_run_that_is_made_again_is_recorded_with_what_makes_it_now(tmp_path):
    old = {"model": "baseline", "seed": 0, "command": "old"}
    (tmp_path / "sweep.json").write_text(json.dumps({"runs": [old]}))
    runs = plan("cpu", [0], str(tmp_path), {}, ["baseline"])
    missing = Program((str(tmp_path / "no-such-program"),), ("mine",), run_arguments)
    assert list(run_sweep(runs, str(tmp_path), RECORD, missing)) == ["baseline, seed 0"]
    (entry,) = json.loads((tmp_path / "sweep.json").read_text())["runs"]
    assert entry["command"].startswith("mine train baseline ")


def test_a_run_that_diverged_is_not_made_again(tmp_path):
    runs = plan("cpu", [0], str(tmp_path), {}, ["baseline"])
    finish(runs[0], tmp_path)
    (runs[0].directory.path / "metrics.json").unlink()
    runs[0].directory.write_divergence({"what": "in epoch 2 the loss was nan"})
    missing = Program((str(tmp_path / "no-such-program"),), ("mine",), run_arguments)
    (reason,) = run_sweep(runs, str(tmp_path), RECORD, missing).values()
    assert "it diverged (in epoch 2 the loss was nan), and would again" in reason


@pytest.mark.parametrize(
    ("flag", "sentence"),
    slow_after(
        2,
        [
            ("--seeds=a", "pass whole numbers"),
            ("--models=resnet", "no model of the preset"),
            ("--preset=gpu", "should be one of"),
            ("--report_only", "has no finished run"),
            ("--seeds=1,1", "none of them twice"),
            ("--seeds=-1", "pass whole numbers"),
        ],
    ),
)
def test_bad_flags_end_in_one_sentence_and_write_nothing(flag, sentence, tmp_path):
    done = reproduce(flag, f"--output_dir={tmp_path / 'out'}")
    assert done.returncode in (1, 2)
    assert sentence in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


def wait_for(condition, seconds=1800):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)


def results(folder):
    """Everything that a sweep made but the seconds."""
    found = {}
    for name in ("table_1", "table_3", "stability", "controls"):
        found[name] = (folder / "tables" / f"{name}.md").read_text()
    for path in sorted(folder.glob("seed-*/*/history.csv")):
        with path.open() as file:
            rows = list(csv.DictReader(file))
        key = str(path.relative_to(folder))
        found[key] = [{k: v for k, v in row.items() if k != "seconds"} for row in rows]
    return found


@pytest.mark.slow
def test_a_sweep_killed_at_any_point_ends_with_the_same_tables(tmp_path):
    flags = ["--preset=quickstart", "--weights=none", "--seeds=0"]
    whole = tmp_path / "whole"
    assert reproduce(*flags, f"--output_dir={whole}").returncode == 0
    killed = tmp_path / "killed"
    seed = killed / "seed-0"
    moments = [
        lambda: (killed / "sweep.json").exists(),  # before the first epoch
        lambda: len(RunDirectory(seed / "baseline").read_history()) >= 3,
        lambda: (seed / "baseline" / "metrics.json").exists(),  # between two runs
        lambda: RunDirectory(seed / "node_rk").checkpoints.epochs_done >= 1,
        lambda: (seed / "node_adjoint" / "config.json").exists(),
        lambda: (killed / "tables").exists(),  # while the report is being written
    ]
    for moment in moments:
        process = subprocess.Popen(
            [sys.executable, "experiments/reproduce.py", *flags,
             f"--output_dir={killed}"],
            cwd=PROJECT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        wait_for(moment)
        process.kill()
        process.wait()
        time.sleep(1)
        if sys.platform == "linux":  # the run's own process ends with the sweep's
            assert not training_processes(killed)
    assert reproduce(*flags, f"--output_dir={killed}").returncode == 0
    assert results(killed) == results(whole)


def training_processes(folder) -> list[str]:
    """Command lines of running processes that name a folder."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                command = file.read().decode(errors="replace")
        except OSError:
            continue
        if str(folder) in command:
            found.append(command)
    return found
