"""A run on two devices, in a process of its own."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from node_transfer.runs.config import NODE_RK
from node_transfer.runs.directory import RunDirectory
from node_transfer.training.experiment import run_experiment
from node_transfer.training.saved_model import evaluate_saved
from tests.own_process import in_own_process
from tests.training.made import quick


@pytest.mark.slow
def test_epochs_are_recorded_under_two_replicas(tmp_path):
    in_own_process(check_recording_under_two_replicas, tmp_path)


def check_recording_under_two_replicas(tmp_path):
    from node_transfer import DenseDynamics, ODELayer, TransferClassifier
    from node_transfer.training import evaluation
    from node_transfer.training.callbacks import RecordEpoch, SeedEpoch

    images = np.random.default_rng(0).normal(size=(16, 8, 8, 3)).astype("float32")
    run, rows = RunDirectory(tmp_path), []
    with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
        inputs = keras.Input((8, 8, 3))
        features = keras.layers.Conv2D(4, 3)(keras.layers.Dropout(0.5)(inputs))
        block = ODELayer(DenseDynamics(4))
        model = TransferClassifier(keras.Model(inputs, features), 3, block)
        model.compile("adam", evaluation.loss(), metrics=["accuracy"])
    callbacks = [SeedEpoch(0), RecordEpoch(run, "mine", rows)]
    model.fit(images, np.arange(16) % 3, epochs=2, callbacks=callbacks, verbose=0)
    assert run.checkpoints.newest().epochs_done == 2
    assert [row["learning_rate"] for row in run.read_history()] == pytest.approx(
        [1e-3] * 2
    )


@pytest.mark.slow
def test_mirrored_strategy_trains_a_whole_experiment(tmp_path):
    config = quick(
        NODE_RK, tmp_path / "run", epochs=1, train_examples=64, strategy="mirrored"
    )
    in_own_process(run_experiment, config)
    run = RunDirectory(tmp_path / "run")
    assert run.read_config()["device"]["replicas"] == 2
    assert evaluate_saved(str(run.path))["loss"] == run.read_metrics()["test"]["loss"]
