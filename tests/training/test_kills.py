"""Processes killed at any moment: the same command ends with the same numbers."""

import multiprocessing
import os
import random
import shutil
import signal
import sys
import time

import pytest

from node_transfer.runs.directory import RunDirectory
from tests.training.made import same_numbers

SIGNALS = [signal.SIGKILL] * 17 + [signal.SIGTERM] * 7
FLAGS = [
    "--dataset=digits", "--weights=none", "--epochs=20", "--batch_size=32",
    "--train_examples=64", "--learning_rate=1e-3",
]  # fmt: skip
# Each process is a copy of one that has imported everything and done nothing yet, since
# the import takes longer than what is to be killed.
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(
    [
        "node_transfer.training.experiment",
        "tensorflow_datasets",
        "tests.training.conftest",
    ]
)


COMMANDS = {
    "baseline": ["baseline"],
    "node_rk": ["node_rk"],
    "node_adjoint": ["node_adjoint"],
    "modern": ["node_rk", "--recipe=modern"],
}


def command(words, path, errors):
    """The command, as it is typed."""
    from node_transfer.cli.main import main
    from tests.training.conftest import shorten_b0

    os.dup2(os.open(errors, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    sys.argv = ["node-transfer", "train", *words, *FLAGS, f"--output_dir={path}"]
    shorten_b0()
    main()


@pytest.mark.slow
@pytest.mark.parametrize("experiment", COMMANDS)
def test_a_killed_run_ends_with_the_same_numbers(experiment, tmp_path):
    """Killed at any moment between its first sign of life and some epochs later."""
    whole, killed = RunDirectory(tmp_path / "whole"), RunDirectory(tmp_path / "killed")
    errors, words = tmp_path / "errors", COMMANDS[experiment]

    def started(run):
        process = FORKS.Process(target=command, args=(words, run.path, errors))
        process.start()
        return process

    def waited_for(process, happened):
        """Returns the seconds until then, or until the process's end."""
        begin = time.monotonic()
        while process.is_alive() and not happened():
            time.sleep(0.01)
        return time.monotonic() - begin

    process = started(whole)
    waited_for(process, lambda: whole.begun)
    first = waited_for(process, lambda: whole.checkpoints.epochs_done > 0)
    others = waited_for(process, lambda: whole.checkpoints.epochs_done > 10) / 10
    process.join()
    assert whole.finished, errors.read_text()

    rng = random.Random(experiment)
    signals = rng.sample(SIGNALS, len(SIGNALS))
    while signals:  # some come too late, after a run's end
        before = killed.checkpoints.epochs_done
        process = started(killed)
        waited_for(process, lambda: killed.begun and (killed.path / "lock").exists())
        if rng.random() < 0.4:
            waited_for(process, lambda: killed.checkpoints.epochs_done > before)  # noqa: B023
            time.sleep(rng.random() * 3 * others)
        else:
            time.sleep(rng.random() * first)
        if process.is_alive():
            os.kill(process.pid, signals[-1])
        process.join()
        assert "Traceback" not in errors.read_text()
        assert process.exitcode in (0, -signals[-1])
        if process.exitcode:
            signals.pop()
        done = killed.checkpoints.epochs_done
        print(f"{experiment}: exit {process.exitcode}, epochs {before} to {done}")
        assert done >= before or killed.finished
        if killed.finished:  # and another one is begun
            same_numbers(whole, killed)
            shutil.rmtree(killed.path)
    process = started(killed)
    process.join()
    assert killed.finished, errors.read_text()
    same_numbers(whole, killed)
