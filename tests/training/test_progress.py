"""What a training shows: a line that a terminal holds."""

import re

import keras
import pytest

from node_transfer.training.progress import Progress

LOGS = {
    "accuracy": 0.88447, "loss": 0.41362, "nfe_backward": 12.857, "nfe_forward": 14.0,
}  # fmt: skip
VALIDATION = {"val_accuracy": 0.7492, "val_loss": 0.796, "val_nfe_forward": 13.0}


@pytest.mark.parametrize("verbose", [1, 2])
def test_a_line_has_one_count_and_fits_into_a_terminal(verbose, capsys):
    shown = keras.callbacks.CallbackList(
        [Progress()], epochs=30, steps=352, verbose=verbose
    )
    shown.on_train_begin()
    shown.on_epoch_begin(0)
    for step in range(352):
        shown.on_train_batch_begin(step)
        shown.on_train_batch_end(step, LOGS)
    while_training = capsys.readouterr().out
    shown.on_epoch_end(0, {**LOGS, **VALIDATION})
    whole = while_training + capsys.readouterr().out
    assert whole.startswith("Epoch 1/30\n")
    assert "nfe: 14.0000" in whole and "val_loss: 0.7960" in whole
    assert "nfe_" not in whole
    drawn = re.split("[\r\n\x08]+", re.sub(r"\x1b\[[0-9;]*m", "", while_training))
    assert max(map(len, drawn)) < 110
    assert any("nfe" in line for line in drawn) == (verbose == 1)
