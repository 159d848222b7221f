"""Runs that were stopped go on to the same bits, or say why they cannot."""

import dataclasses
import shutil

import numpy as np
import pytest

from node_transfer.errors import UserError
from node_transfer.models.saving import load_model, save_model
from node_transfer.runs.config import BASELINE, NODE_ADJOINT, NODE_RK
from node_transfer.runs.directory import RunDirectory
from node_transfer.training import callbacks
from node_transfer.training.experiment import run_experiment
from tests.own_process import in_own_process
from tests.training.made import quick, same_numbers

SOME = {"epochs": 3, "train_examples": 64}


class Stopped(BaseException):
    """In place of a kill: nothing in the library catches it."""


def stopped_after_an_epoch(config) -> RunDirectory:
    """Goes on with a run for one epoch."""

    class StopAfterIt(callbacks.RecordEpoch):
        def on_epoch_end(self, epoch, logs=None):
            super().on_epoch_end(epoch, logs)
            raise Stopped

    with pytest.MonkeyPatch.context() as patch, pytest.raises(Stopped):
        patch.setattr("node_transfer.training.fitting.RecordEpoch", StopAfterIt)
        run_experiment(config, verbose=0)
    return RunDirectory(config.output_dir)


def check_same_bits(config, folder) -> None:
    """A run, the same again, and the same stopped after every epoch."""
    runs = [dataclasses.replace(config, output_dir=f"{folder}/{i}") for i in range(3)]
    for i in range(config.epochs):
        assert stopped_after_an_epoch(runs[2]).checkpoints.epochs_done == i + 1
    whole, again, resumed = (run_experiment(run, verbose=0) for run in runs)
    weights = load_model(whole.model_path).get_weights()
    for other in (again, resumed):
        same_numbers(whole, other)
        for left, right in zip(
            weights, load_model(other.model_path).get_weights(), strict=True
        ):
            assert np.array_equal(left, right)
    afters = [entry["after_epoch"] for entry in resumed.read_config()["continued"]]
    assert afters == list(range(1, config.epochs + 1))


@pytest.mark.slow
def test_one_config_gives_the_same_bits_however_often_it_is_stopped(tmp_path):
    config = quick(BASELINE, "", epochs=2, train_examples=64)
    check_same_bits(config, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("augment", [False, True])
@pytest.mark.parametrize("defaults", [NODE_RK, NODE_ADJOINT], ids=lambda c: c.experiment)
def test_the_same_bits_with_a_block_and_with_augmentation(defaults, augment, tmp_path):
    config = quick(defaults, "", **SOME, augment=augment, learning_rate=1e-3)
    check_same_bits(config, tmp_path)


def finished_run(path, seed=0):
    """A run to start from."""
    config = quick(BASELINE, path, epochs=1, train_examples=32, seed=seed)
    return run_experiment(config, verbose=0)


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    return finished_run(tmp_path_factory.mktemp("starts") / "start")


@pytest.mark.slow
def test_a_run_does_not_go_on_from_another_start(start, tmp_path):
    """The run that it starts from is trained anew with another seed meanwhile."""
    mine, other = start, finished_run(tmp_path / "other", seed=1)
    shutil.copytree(mine.path, tmp_path / "start")
    warm = quick(
        BASELINE, tmp_path / "warm", epochs=2, train_examples=32, weights=None,
        init_from=str(tmp_path / "start"),
    )  # fmt: skip
    run = stopped_after_an_epoch(warm)
    before = run.checkpoints.newest()
    shutil.rmtree(tmp_path / "start")
    shutil.copytree(other.path, tmp_path / "start")
    with pytest.raises(UserError, match="unfinished run from other weights .file_sha256"):
        run_experiment(warm, verbose=0)
    assert run.checkpoints.newest().history == before.history
    shutil.rmtree(tmp_path / "start")
    shutil.copytree(mine.path, tmp_path / "start")
    assert len(run_experiment(warm, verbose=0).read_history()) == 2


@pytest.mark.slow
def test_a_checkpoint_of_another_run_is_refused_though_it_fits(tmp_path):
    runs = []
    for seed in (0, 1):
        config = quick(BASELINE, tmp_path / str(seed), **SOME, seed=seed)
        runs.append((config, stopped_after_an_epoch(config)))
    (config, run), (_, other) = runs
    for path in run.checkpoints.files():
        path.unlink()
    (theirs,) = other.checkpoints.files()
    shutil.copy(theirs, run.checkpoints.path)
    with pytest.raises(UserError, match="after epoch 1 is not one of this run"):
        run_experiment(config, verbose=0)


@pytest.mark.slow
def test_a_model_that_is_damaged_or_takes_grey_images_is_no_start(start, tmp_path):
    import keras

    from node_transfer import TransferClassifier
    from node_transfer.training.saved_model import evaluate_saved

    shutil.copytree(start.path, tmp_path / "start")
    damaged = RunDirectory(tmp_path / "start")
    content = bytearray(damaged.model_path.read_bytes())
    content[len(content) // 2] ^= 1
    damaged.model_path.write_bytes(content)
    images = keras.Input((32, 32, 1))
    backbone = keras.Model(images, keras.layers.Conv2D(2, 3)(images))
    grey = tmp_path / "grey.keras"
    save_model(TransferClassifier(backbone, 10), grey)
    for path, complaint in [
        (damaged.path, "does not have the checksum|do not have the checksum"),
        (grey, "takes images of 1 channel, not of 3"),
        (tmp_path / "\udcff", "model is .*, which is not UTF-8"),
    ]:
        with pytest.raises(UserError, match=complaint):
            evaluate_saved(str(path), dataset="digits")
    for path in (damaged.path, grey):
        warm = quick(
            BASELINE, tmp_path / "warm", weights=None, init_from=str(path), image_size=32
        )
        with pytest.raises(UserError):
            run_experiment(warm, verbose=0)
        assert not (tmp_path / "warm").exists()


@pytest.mark.slow
@pytest.mark.parametrize("defaults", [BASELINE, NODE_RK], ids=lambda c: c.experiment)
def test_a_mirrored_run_goes_on(defaults, tmp_path):
    """To the numbers of its twin, but for the last digits, which two replicas vary."""
    changes = {"train_examples": 200, "epochs": 2, "strategy": "mirrored"}
    whole, resumed = (
        quick(defaults, tmp_path / name, **changes) for name in ("whole", "resumed")
    )
    in_own_process(run_experiment, whole)
    for _ in range(2):
        in_own_process(stopped_after_an_epoch, resumed)
    in_own_process(run_experiment, resumed)
    rows, rows_again = (
        RunDirectory(c.output_dir).read_history() for c in (whole, resumed)
    )
    for row, row_again in zip(rows, rows_again, strict=True):
        assert row["loss"] == pytest.approx(row_again["loss"], rel=1e-3)
        assert row["val_loss"] == pytest.approx(row_again["val_loss"], rel=1e-3)
