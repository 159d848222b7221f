"""A disk that is full at any point of a run ends it in a sentence, and loses nothing."""

import os
import resource
import subprocess
import sys

import pytest

from node_transfer.errors import UserError
from node_transfer.runs.config import BASELINE
from node_transfer.runs.directory import RunDirectory
from node_transfer.training import callbacks, experiment, fitting
from node_transfer.training.experiment import run_experiment
from tests import disk_image
from tests.conftest import PROJECT
from tests.training.made import START, quick, same_numbers

CHANGES = {"epochs": 3, "train_examples": 64}
PAGE = 4096


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    path = tmp_path_factory.mktemp("whole") / "run"
    return run_experiment(quick(BASELINE, path, **CHANGES), verbose=0)


@pytest.fixture
def disk(tmp_path):
    """A disk of its own, of 16 MiB, in memory."""
    with disk_image.mounted("tmpfs", tmp_path / "disk", "size=16m", "tmpfs") as folder:
        yield folder


def fill(folder, left: int) -> None:
    """Fills the disk of a folder but for some bytes."""
    state = os.statvfs(folder)
    free = state.f_bavail * state.f_frsize
    with open(folder / "filler", "ab") as file:
        file.write(bytes(max(0, free - left)))


def before_epoch(number, left):
    """Fills the disk when an epoch begins."""

    def patch(monkeypatch, disk):
        class Filling(callbacks.RecordEpoch):
            def on_epoch_begin(self, epoch, logs=None):
                super().on_epoch_begin(epoch, logs)
                if epoch + 1 == number:
                    fill(disk, left)

        monkeypatch.setattr(fitting, "RecordEpoch", Filling)

    return patch


def before_call(module, name, left):
    """Fills the disk when a function is called."""

    def patch(monkeypatch, disk):
        call = getattr(module, name)

        def filling(*args, **kwargs):
            fill(disk, left)
            return call(*args, **kwargs)

        monkeypatch.setattr(module, name, filling)

    return patch


# Where the disk is full, and how many epochs are done by then.
POINTS = {
    "before the first epoch": (before_call(experiment, "check_space", 0), 0),
    "no byte for the first checkpoint": (before_epoch(1, 0), 0),
    "half of a checkpoint": (before_epoch(2, 100 * 1024), 1),
    "no byte for the second": (before_epoch(2, 0), 1),
    "no byte for the last": (before_epoch(3, 0), 2),
    "no byte for the model": (before_call(experiment, "save_model", 0), 3),
    "half of a model": (before_call(experiment, "save_model", 60 * 1024), 3),
    "no byte for the predictions": (before_call(experiment, "final_metrics", 0), 3),
    "no byte for the metrics": (before_call(RunDirectory, "write_metrics", 0), 3),
}


@pytest.mark.slow
@pytest.mark.parametrize(("full", "done"), POINTS.values(), ids=POINTS)
def test_a_full_disk_loses_nothing(full, done, whole, disk, monkeypatch):
    config = quick(BASELINE, disk / "run", **CHANGES)
    with monkeypatch.context() as patch, pytest.raises(UserError) as told:
        full(patch, disk)
        run_experiment(config, verbose=0)
    assert "No space left on device" in str(told.value) or "has 0.0 MiB free" in str(
        told.value
    )
    assert "free some space" in str(told.value)
    run = RunDirectory(config.output_dir)
    assert not run.finished and run.checkpoints.epochs_done == done
    (disk / "filler").unlink()
    run_experiment(config, verbose=0)
    same_numbers(whole, run)


@pytest.mark.slow
def test_a_limit_on_the_size_of_files_is_one_sentence(whole, tmp_path):
    flags = [
        "--dataset=digits", "--weights=none", "--epochs=3", "--batch_size=32",
        "--train_examples=64", f"--output_dir={tmp_path / 'run'}",
    ]  # fmt: skip
    size = whole.model_path.stat().st_size
    for limit, sentence in ((size // 3, "File too large"), (size * 4, None)):
        done = subprocess.run(
            [sys.executable, "-c", START, "train", "baseline", *flags],
            cwd=PROJECT, capture_output=True, text=True,
            preexec_fn=lambda limit=limit: resource.setrlimit(
                resource.RLIMIT_FSIZE, (limit, limit)
            ),
        )  # fmt: skip
        errors = [x for x in done.stderr.splitlines() if x.startswith("Error: ")]
        assert "Traceback" not in done.stderr
        if sentence:
            assert done.returncode == 2 and sentence in errors[0]
        else:
            assert done.returncode == 0, done.stderr
    same_numbers(whole, RunDirectory(tmp_path / "run"))
