"""Callbacks that a user brings to a run: when they are told, and what they may do."""

import shlex

import keras
import pytest

from node_transfer.errors import UserError
from node_transfer.runs.config import BASELINE
from node_transfer.runs.directory import RunDirectory
from node_transfer.training import experiment
from node_transfer.training.experiment import run_experiment
from tests.training.made import quick, same_numbers


def tiny(input_shape):
    """A backbone that is traced in a moment."""
    images = keras.Input(input_shape)
    x = keras.layers.Rescaling(1 / 255)(images)
    x = keras.layers.Conv2D(4, 5, strides=4, activation="relu")(x)
    return keras.Model(images, x, name="tiny")


def two_stages(path, **changes):
    """An epoch of the final layer, then two of all."""
    return quick(
        BASELINE, path, backbone=f"{__name__}:tiny", weights="auto", epochs=3,
        head_epochs=1, train_examples=64, **changes,
    )  # fmt: skip


class Watcher(keras.callbacks.Callback):
    """Notes what it is told, and what the run has recorded by then."""

    def __init__(self, run: RunDirectory):
        super().__init__()
        self._run = run
        self.told = []

    def on_train_begin(self, logs=None):
        self.told.append("begin")

    def on_epoch_begin(self, epoch, logs=None):
        self.told.append(epoch)

    def on_train_batch_end(self, batch, logs=None):
        assert logs["loss"] > 0

    def on_epoch_end(self, epoch, logs=None):
        assert logs["val_accuracy"] >= 0 and self.params["epochs"] == 3
        assert self._run.checkpoints.epochs_done == epoch
        logs["of_its_own"] = "not a number"  # as some do

    def on_train_end(self, logs=None):
        self.told.append(f"end, {sorted(logs)[0]}")


class Failing(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        if epoch == 1:
            raise RuntimeError("no space on the tracking server")


class Stopping(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        self.model.stop_training = True


@pytest.fixture(scope="module")
def watched(tmp_path_factory):
    """A finished run, its watcher, and what it printed."""
    config = two_stages(tmp_path_factory.mktemp("runs") / "my run")
    watcher = Watcher(RunDirectory(config.output_dir))
    return run_experiment(config, verbose=0, callbacks=[watcher]), watcher


def test_they_are_told_of_one_training_before_an_epoch_is_recorded(watched):
    run, watcher = watched
    assert watcher.told == ["begin", 0, 1, 2, "end, accuracy"]
    assert "of_its_own" not in run.read_history()[0]
    assert run.read_config()["callbacks"] == [f"{__name__}.Watcher"]


@pytest.mark.slow
def test_a_run_goes_on_after_one_has_failed_and_epochs_are_numbered_on(
    watched, tmp_path, capsys
):
    config = two_stages(tmp_path / "a run")
    with pytest.raises(RuntimeError, match="tracking server"):
        run_experiment(config, verbose=0, callbacks=[Failing()])
    run = RunDirectory(config.output_dir)
    assert run.checkpoints.epochs_done == 1
    (line,) = [x for x in capsys.readouterr().out.splitlines() if "To watch: " in x]
    command = shlex.split(line.removeprefix("To watch: "))
    assert command == ["tensorboard", f"--logdir={run.tensorboard_path}"]
    watcher = Watcher(run)
    same_numbers(run_experiment(config, verbose=0, callbacks=[watcher]), watched[0])
    assert watcher.told == ["begin", 1, 2, "end, accuracy"]
    (continued,) = run.read_config()["continued"]
    assert continued["callbacks"] == [f"{__name__}.Watcher"]


def test_one_may_stop_a_training_for_good_in_its_first_stage(tmp_path, monkeypatch):
    config = two_stages(tmp_path / "run", patience=2)  # which is not over yet
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(experiment, "save_model", interrupted)
        run_experiment(config, verbose=0, callbacks=[Stopping()])
    run = run_experiment(config, verbose=0)  # though nothing stops it now
    assert run.finished and len(run.read_history()) == run.read_metrics()["epochs"] == 1


def interrupted(*arguments):
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("callbacks", "complaint"),
    [
        (Stopping(), "callbacks is one callback: pass a list"),
        ([Stopping], "callbacks has <class .*Stopping'>: pass objects"),
        (["tensorboard"], "callbacks has 'tensorboard': pass objects"),
        (
            [keras.callbacks.BackupAndRestore("x")],
            "callbacks has a BackupAndRestore, whi",
        ),
    ],
)
def test_what_is_no_callback_of_a_run_is_refused_before_it(
    callbacks, complaint, tmp_path
):
    with pytest.raises(UserError, match=complaint):
        run_experiment(two_stages(tmp_path / "run"), callbacks=callbacks)
    assert not (tmp_path / "run").exists()
