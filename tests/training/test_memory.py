"""A long training takes no more memory than a short one."""

import dataclasses
import os
import statistics
import sys

import pytest

from node_transfer.runs.config import NODE_RK
from node_transfer.training import callbacks, experiment, fitting
from tests.own_process import in_own_process
from tests.training.conftest import shorten_b0
from tests.training.made import quick


def resident_after_epochs(config) -> list[int]:
    """Trains, and returns the bytes in memory after each epoch."""
    shorten_b0()
    found = []

    class Watching(callbacks.RecordEpoch):
        def on_epoch_end(self, epoch, logs=None):
            super().on_epoch_end(epoch, logs)
            with open("/proc/self/statm") as file:
                found.append(int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE"))

    fitting.RecordEpoch = Watching
    experiment.run_experiment(config, verbose=0)
    return found


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_does_not_creep_over_thirty_epochs(tmp_path):
    """Epochs 26 to 30 against 6 to 10: the first ones fill TensorFlow's caches."""
    config = quick(NODE_RK, tmp_path / "run", train_examples=256)
    config = dataclasses.replace(config, epochs=30, augment=True)
    resident = in_own_process(resident_after_epochs, config)
    early, late = statistics.median(resident[5:10]), statistics.median(resident[25:])
    print(f"{early / 2**20:.0f} MiB, then {late / 2**20:.0f} MiB: {late / early:.4f}")
    assert len(resident) == 30 and late < 1.03 * early
