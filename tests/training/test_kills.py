"""Processes killed at any moment: the same command ends with the same numbers."""

import random
import shutil
import signal
import subprocess
import sys
import time

import pytest

from node_transfer.runs.directory import RunDirectory
from tests.conftest import PROJECT
from tests.training.made import START, same_numbers

SIGNALS = [signal.SIGKILL] * 17 + [signal.SIGTERM] * 7
FLAGS = [
    "--dataset=digits", "--weights=none", "--epochs=20", "--batch_size=32",
    "--train_examples=64", "--learning_rate=1e-3",
]  # fmt: skip


def start(experiment, run) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", START, "train", experiment, *FLAGS,
         f"--output_dir={run.path}"],
        cwd=PROJECT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("experiment", ["baseline", "node_rk", "node_adjoint"])
def test_a_killed_run_ends_with_the_same_numbers(experiment, tmp_path):
    """Killed at a random moment between its first sign of life and two epochs later."""
    whole, killed = RunDirectory(tmp_path / "whole"), RunDirectory(tmp_path / "killed")
    assert start(experiment, whole).wait() == 0
    rng = random.Random(experiment)
    signals = rng.sample(SIGNALS, len(SIGNALS))
    while signals:  # some come too late, after a run's end
        before = killed.checkpoints.epochs_done
        process = start(experiment, killed)
        late = rng.random() < 0.3  # some reach an epoch's end
        while process.poll() is None:
            begun = killed.begun and (killed.path / "lock").exists()
            if begun and (not late or killed.checkpoints.epochs_done > before):
                break
            time.sleep(0.01)
        time.sleep(rng.random() * 3)
        if process.poll() is None:
            process.send_signal(signals[-1])
        error = process.communicate()[1]
        assert "Traceback" not in error and process.returncode in (0, -signals[-1])
        if process.returncode:
            signals.pop()
        assert killed.checkpoints.epochs_done >= before or killed.finished
        if killed.finished:  # and another one is begun
            same_numbers(whole, killed)
            shutil.rmtree(killed.path)
    process = start(experiment, killed)
    error = process.communicate()[1]
    assert killed.finished, error
    same_numbers(whole, killed)
