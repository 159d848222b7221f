"""Configs, run directories and schedules, without TensorFlow's help where it has none."""

import dataclasses
import subprocess
import sys

import numpy as np
import pytest

from node_transfer.errors import UserError
from node_transfer.training import config as configs
from node_transfer.training.config import (
    BASELINE,
    NODE_ADJOINT,
    NODE_RK,
    ExperimentConfig,
)
from node_transfer.training.run_directory import RunDirectory


def test_defaults_are_the_papers():
    assert (BASELINE.epochs, NODE_RK.epochs, NODE_ADJOINT.epochs) == (200, 100, 160)
    assert (BASELINE.block, NODE_RK.block, NODE_ADJOINT.block) == ("none", "ode", "ode")
    assert (BASELINE.optimizer, NODE_RK.optimizer) == ("adam", "adam")
    assert NODE_ADJOINT.optimizer == "sgd"
    assert (NODE_RK.rtol, NODE_RK.atol, NODE_RK.gradient) == (1e-5, 1e-5, "backprop")
    assert (NODE_ADJOINT.rtol, NODE_ADJOINT.gradient) == (1e-3, "adjoint")
    assert (NODE_ADJOINT.learning_rate, NODE_ADJOINT.batch_size) == (0.1, 128)
    assert {c.dataset for c in (BASELINE, NODE_RK, NODE_ADJOINT)} == {"cifar10"}


def test_choices_are_those_of_the_solver():
    from node_transfer.ode import methods

    assert set(configs.METHODS) == set(methods.METHODS) - {"bdf"}
    assert tuple(methods.GRADIENTS) == configs.GRADIENTS


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"epochs": 0}, "epochs is 0: pass a positive integer"),
        ({"batch_size": -1}, "batch_size is -1"),
        ({"rtol": -1e-5}, "rtol is -1e-05: pass a positive number"),
        ({"atol": float("nan")}, "atol is nan"),
        ({"learning_rate": 0.0}, "learning_rate is 0.0"),
        ({"validation_fraction": 1.0}, "validation_fraction is 1.0"),
        ({"method": "rk5"}, "method is 'rk5': choose one of dopri5"),
        ({"optimizer": "lion"}, "optimizer is 'lion': choose one of adam, sgd"),
        ({"train_examples": 0}, "train_examples is 0"),
    ],
)
def test_impossible_config_is_refused(change, complaint):
    with pytest.raises(UserError, match=complaint):
        dataclasses.replace(BASELINE, **change)


def test_odenet_schedule_divides_by_ten_at_60_100_and_140_of_160_epochs():
    from node_transfer.training.optimizers import learning_rate

    schedule = learning_rate(NODE_ADJOINT, steps_per_epoch=10)
    rates = [float(schedule(10 * epoch - 5)) for epoch in (1, 60, 61, 100, 101, 140, 141)]
    assert rates == pytest.approx([0.1, 0.1, 0.01, 0.01, 0.001, 0.001, 0.0001])


def test_odenet_schedule_keeps_its_proportions_in_a_short_run():
    from node_transfer.training.optimizers import learning_rate

    short = dataclasses.replace(NODE_ADJOINT, epochs=16)
    schedule = learning_rate(short, steps_per_epoch=10)
    assert float(schedule(59)) == pytest.approx(0.1)
    assert float(schedule(61)) == pytest.approx(0.01)


def test_odenet_rate_is_in_proportion_to_the_batch():
    from node_transfer.training.optimizers import learning_rate

    small = dataclasses.replace(NODE_ADJOINT, batch_size=32)
    assert float(learning_rate(small, steps_per_epoch=10)(0)) == pytest.approx(0.025)


@pytest.fixture
def config(tmp_path):
    return ExperimentConfig("trial", "none", output_dir=str(tmp_path / "run"))


def test_finished_run_is_never_overwritten_unless_asked(config):
    run = RunDirectory(config.output_dir)
    run.prepare(config, {"note": 1})
    run.write_metrics({"test": {}})
    with pytest.raises(UserError, match="holds a finished run: pass --overwrite"):
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


def test_analysis_and_flags_do_not_import_tensorflow():
    code = (
        "import sys, node_transfer, node_transfer.analysis.report, "
        "node_transfer.reproduction.flags, node_transfer.reproduction.sweep, "
        "node_transfer.training.flags, node_transfer.training.command_line; "
        "print([m for m in ('tensorflow', 'keras') if m in sys.modules])"
    )
    output = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    assert output.strip() == "[]"
