"""Run directories: what they keep, and what they refuse."""

import dataclasses
import json
import signal
import subprocess
import sys

import numpy as np
import pytest

from node_transfer.errors import UserError
from node_transfer.runs.admission import check_free
from node_transfer.runs.config import BASELINE, NODE_RK, ExperimentConfig
from node_transfer.runs.directory import RunDirectory
from tests.conftest import PROJECT


@pytest.fixture
def config(tmp_path):
    return ExperimentConfig("trial", "none", output_dir=str(tmp_path / "run"))


def test_finished_run_is_never_overwritten_unless_asked(config):
    run = RunDirectory(config.output_dir)
    run.prepare(config, {"note": 1})
    run.write_metrics({"test": {}})
    with pytest.raises(UserError, match="holds a finished run: pass overwrite=True"):
        run.prepare(config, {"note": 2})
    assert run.read_config()["note"] == 1
    keep = run.path / "notes.txt"
    keep.write_text("mine")
    run.prepare(dataclasses.replace(config, overwrite=True), {"note": 2})
    assert run.read_config()["note"] == 2
    assert not run.finished
    assert keep.read_text() == "mine"


def test_unfinished_run_goes_on_only_with_the_same_config(config):
    run = RunDirectory(config.output_dir)
    run.prepare(config, {})
    run.prepare(dataclasses.replace(config, data_dir="/elsewhere"), {})
    with pytest.raises(UserError, match="unfinished run with seed = 0, not 1"):
        run.prepare(dataclasses.replace(config, seed=1), {})


def test_folder_that_is_no_run_is_left_alone(config, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.tex").write_text("years of work")
    run = RunDirectory(config.output_dir)
    with pytest.raises(UserError, match="not empty and not a run"):
        run.prepare(config, {})


def test_output_directory_that_cannot_be_made_is_one_sentence(config, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be made|is a file"):
        RunDirectory(tmp_path / "file").prepare(config, {})
    with pytest.raises(UserError, match="cannot be made"):
        RunDirectory(tmp_path / "file" / "run").prepare(config, {})


def test_history_reads_back_as_written(config):
    run = RunDirectory(config.output_dir)
    run.prepare(config, {})
    rows = [{"epoch": 1, "loss": 0.1 + 0.2}, {"epoch": 2, "loss": float("nan")}]
    run.write_history(rows)
    again = run.read_history()
    assert again[0] == rows[0]
    assert np.isnan(again[1]["loss"])


def test_two_processes_cannot_train_one_run(tmp_path):
    run = RunDirectory(tmp_path / "run")
    code = (
        "import sys\n"
        "from node_transfer.runs.directory import RunDirectory\n"
        f"with RunDirectory({str(run.path)!r}).locked():\n"
        "    print('held', flush=True); sys.stdin.read()\n"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", code], cwd=PROJECT, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert other.stdout.readline() == "held\n"
    with pytest.raises(UserError, match="Another process is at work"), run.locked():
        pass
    other.send_signal(signal.SIGKILL)
    other.wait()
    with run.locked():
        pass
    deep = RunDirectory(tmp_path / "a" / "b")
    with deep.locked():
        assert deep.path.is_dir()
    assert not (tmp_path / "a").exists()  # nothing came of it


def test_what_a_kill_leaves_of_a_config_is_not_in_the_way(tmp_path):
    run = RunDirectory(tmp_path)
    (tmp_path / "partial-config.json").write_text("{")
    check_free(run, BASELINE)
    run.prepare(BASELINE, {})
    assert run.read_experiment() == BASELINE
    assert not (tmp_path / "partial-config.json").exists()


def edit_experiment(run, **changes):
    """Changes the record of a run by hand; `None` takes a field out."""
    path = run.path / "config.json"
    record = json.loads(path.read_text())
    record["experiment"] |= changes
    for name, value in changes.items():
        if value is None:
            del record["experiment"][name]
    path.write_text(json.dumps(record))


def test_a_run_recorded_before_a_field_was_there_goes_on(config):
    run = RunDirectory(config.output_dir)
    run.prepare(config, {"note": 1})
    edit_experiment(run, augment=None, mixed_precision=None)
    run.prepare(config, {"note": 2})
    assert run.read_config()["note"] == 1  # the record of the run that goes on
    with pytest.raises(UserError, match="unfinished run with augment = False, not True"):
        run.prepare(dataclasses.replace(config, augment=True), {})


def test_a_field_that_is_not_known_is_never_ignored(config):
    run = RunDirectory(config.output_dir)
    run.prepare(config, {})
    edit_experiment(run, warm_up_epochs=3)
    with pytest.raises(UserError, match="config.json' .*'warm_up_epochs', which this ve"):
        run.prepare(config, {})


def test_a_start_may_be_written_in_several_ways(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = dataclasses.replace(NODE_RK, init_from="runs/b", output_dir="runs/a")
    run = RunDirectory("runs/a")
    run.prepare(config, {})
    absolute = str(tmp_path / "runs" / "." / "b")
    assert run.difference(dataclasses.replace(config, init_from=absolute)) is None
    other = dataclasses.replace(config, init_from="runs/c")
    assert run.difference(other) == "init_from = 'runs/b', not 'runs/c'"


def test_weights_may_be_written_in_several_ways(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = dataclasses.replace(BASELINE, weights="files/w.h5", output_dir="runs/a")
    run = RunDirectory("runs/a")
    run.prepare(config, {})
    absolute = str(tmp_path / "files" / "w.h5")
    assert run.difference(dataclasses.replace(config, weights=absolute)) is None
    assert "not 'none'" in run.difference(dataclasses.replace(config, weights="none"))


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("{", "is not JSON"),
        ("[1]", "does not hold a record"),
        ("{}", "does not describe an experiment"),
        ('{"experiment": {"block": "none"}}', "no field 'experiment'"),
        ('{"experiment": {"experiment": "x", "block": "maze"}}', "block is 'maze'"),
        (
            '{"experiment": {"experiment": "x", "block": "none", "epochs": "ten"}}',
            "epochs is 'ten': pass an integer",
        ),
    ],
)
def test_a_damaged_config_is_one_sentence(content, complaint, tmp_path):
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(UserError, match=f"config.json.*{complaint}"):
        RunDirectory(tmp_path).read_experiment()


@pytest.mark.parametrize("text", ["epoch,loss\n1,abc\n", "epoch,loss\n1\n", "loss\n1\n"])
def test_a_damaged_history_is_one_sentence(text, tmp_path):
    (tmp_path / "history.csv").write_text(text)
    with pytest.raises(UserError, match=r"history\.csv.*overwrite=True"):
        RunDirectory(tmp_path).read_history()
