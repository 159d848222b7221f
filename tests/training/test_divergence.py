"""Trainings that blow up: stopped within the epoch, told, and never repeated unasked."""

import dataclasses
import json
import math
import shutil

import keras
import numpy as np
import pytest

from node_transfer.errors import UserError
from node_transfer.runs.config import BASELINE, NODE_RK
from node_transfer.runs.directory import RunDirectory
from node_transfer.training.divergence import DivergenceError, StopAtDivergence
from node_transfer.training.experiment import run_experiment
from node_transfer.training.optimizers import make_optimizer
from tests.training.made import quick

HUGE = {"learning_rate": 1e30, "epochs": 50, "train_examples": 128}


@pytest.fixture(scope="module")
def diverged(tmp_path_factory):
    """A run whose weights are no numbers after its first steps, and what it said."""
    config = quick(BASELINE, tmp_path_factory.mktemp("runs") / "run", **HUGE)
    with pytest.raises(UserError) as raised:
        run_experiment(config, verbose=0)
    return config, RunDirectory(config.output_dir), str(raised.value)


def test_a_loss_that_is_no_number_stops_the_run_at_its_step(diverged):
    _, run, sentence = diverged
    assert "The training diverged: at step" in sentence and "of epoch 1" in sentence
    assert "lower learning_rate= or clip_norm=1.0" in sentence
    assert "0 whole epochs are kept" in sentence
    assert not run.finished
    assert "of epoch 1 the loss was" in run.diverged
    assert not run.history_path.exists()
    begun = run.read_config()
    assert begun["start"] and begun["weights"]["kind"] == "random"
    asked = begun["experiment"]
    assert (asked["backbone"], asked["image_size"]) == ("EfficientNetB0", 32)
    record = json.loads((run.path / "diverged.json").read_text())
    assert record["epochs_kept"] == 0 and record["what"] == run.diverged


def test_the_same_command_does_not_repeat_a_divergence(diverged):
    config, run, _ = diverged
    before = sorted((p.name, p.stat().st_mtime_ns) for p in run.path.iterdir())
    for again in (config, dataclasses.replace(config, learning_rate=1e-3)):
        with pytest.raises(
            UserError, match=r"diverged \(at step .*overwrite=True with a"
        ):
            run_experiment(again, verbose=0)
    assert before == sorted((p.name, p.stat().st_mtime_ns) for p in run.path.iterdir())


@pytest.mark.slow
def test_epochs_before_a_divergence_are_kept(tmp_path, monkeypatch):
    """The rate is multiplied after the second epoch."""

    def explode(self, epoch, logs=None):
        if epoch == 2:
            self.model.optimizer.learning_rate = 1e30

    monkeypatch.setattr(keras.callbacks.TensorBoard, "on_epoch_begin", explode)
    config = quick(BASELINE, tmp_path / "run", epochs=5, train_examples=64)
    with pytest.raises(UserError, match="of epoch 3 .*2 whole epochs are kept"):
        run_experiment(config, verbose=0)
    run = RunDirectory(config.output_dir)
    assert [row["epoch"] for row in run.read_history()] == [1, 2]
    state = run.checkpoints.newest()
    assert state.epochs_done == 2
    assert all(np.isfinite(array).all() for array in state.arrays)


@pytest.mark.slow
def test_a_run_that_diverged_is_begun_anew(diverged, tmp_path):
    config, earlier, _ = diverged
    run = RunDirectory(shutil.copytree(earlier.path, tmp_path / "run"))
    assert run.diverged
    anew = dataclasses.replace(
        config, output_dir=str(run.path), overwrite=True, learning_rate=1e-3,
        clip_norm=1.0, epochs=1,
    )  # fmt: skip
    run_experiment(anew, verbose=0)
    assert run.finished and run.diverged is None
    assert not (run.path / "diverged.json").exists()


@pytest.mark.slow
def test_a_solve_that_fails_is_recorded_as_a_divergence(tmp_path):
    config = quick(
        NODE_RK, tmp_path / "run", epochs=3, train_examples=64, learning_rate=1e6
    )
    with pytest.raises(UserError, match="diverged|The ODE solve failed"):
        run_experiment(config, verbose=0)
    run = RunDirectory(config.output_dir)
    assert "epoch 1" in run.diverged
    with pytest.raises(UserError, match="holds a run that diverged"):
        run_experiment(config, verbose=0)


def told_at(callback, method, *arguments):
    with pytest.raises(DivergenceError) as raised:
        getattr(callback, method)(*arguments)
    return str(raised.value)


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_every_loss_is_watched(loss):
    watch = StopAtDivergence()
    watch.on_epoch_begin(4)
    watch.on_train_batch_begin(6)
    watch.on_train_batch_end(6, {"loss": 2.3})
    told = told_at(watch, "on_train_batch_end", 6, {"loss": loss})
    assert told == f"at step 7 of epoch 5 the loss was {loss}"
    watch.on_test_begin()
    told = told_at(watch, "on_epoch_end", 4, {"loss": 2.3, "val_loss": loss})
    assert told == f"in the validation after epoch 5 the loss was {loss}"
    watch.on_epoch_end(4, {"loss": 1e5, "val_loss": 1e9})
    told = told_at(watch, "on_epoch_end", 4, {"loss": 1e23, "val_loss": 2.3})
    assert told == "in epoch 5 the loss was 1e+23"


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_clip_norm_scales_all_gradients_together(optimizer):
    config = dataclasses.replace(
        BASELINE, optimizer=optimizer, learning_rate=1.0, clip_norm=0.5
    )
    made = make_optimizer(config, steps_per_epoch=1, epochs=range(config.epochs))
    assert made.global_clipnorm == 0.5
    if optimizer == "sgd":  # whose first step is the rate times the gradient
        weights = [keras.Variable(np.zeros(2)), keras.Variable(np.zeros(1))]
        gradients = [np.array([3.0, 0.0]), np.array([4.0])]
        made.apply_gradients(zip(map(keras.ops.array, gradients), weights, strict=True))
        step = np.concatenate([weight.numpy() for weight in weights])
        assert step == pytest.approx([-0.3, 0.0, -0.4])
