"""Damaged and edited files of a run: rebuilt, or one sentence; never lost or ignored."""

import contextlib
import os

import numpy as np
import pytest

from node_transfer import checksums
from node_transfer.errors import UserError
from tests.runs.made import ROWS, begun, go_on, tree

WHOLE = (
    "epoch,loss,accuracy,seconds\n1,1.0,0.6666666666666667,0.125\n2,0.5,0.75,0.125\n"
    "3,0.3333333333333333,0.8,0.125\n"
)
LINES = WHOLE.splitlines(keepends=True)
HISTORIES = {
    "cut in a row": WHOLE[:-9],
    "cut in its last number": WHOLE[:-2],
    "empty": "",
    "only its columns": LINES[0],
    "a word for a number": WHOLE.replace("0.75", "good"),
    "a column more": WHOLE.replace("2,0.5,0.75", "2,0.5,0.75,7"),
    "a column less": WHOLE.replace("2,0.5,0.75", "2,0.5"),
    "other columns": "a,b\n1,2\n",
    "a column twice": WHOLE.replace("accuracy", "loss"),
    "a number changed": WHOLE.replace("0.75", "0.99"),
    "an epoch twice": "".join(LINES[:3] + LINES[2:]),
    "an epoch left out": "".join([LINES[0], LINES[1], LINES[3]]),
    "a row in the middle gone": "".join(LINES[:2]),
    "epochs from 0": WHOLE.replace("\n1,", "\n0,"),
    "nan": WHOLE.replace("0.75", "nan"),
    "no line end": WHOLE.rstrip(),
    "byte-order mark": "\ufeff" + WHOLE,
    "quotes left open": WHOLE.replace("0.75", '"0.75'),
    "binary": bytes(range(256)) * 9,
    "zeros": bytes(200),
    "not UTF-8": WHOLE.replace("loss", "l\u00f6ss").encode("latin-1"),
    "UTF-16": WHOLE.encode("utf-16"),
}


def put(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())


@pytest.mark.parametrize("content", HISTORIES.values(), ids=HISTORIES)
def test_a_damaged_history_is_made_again_from_the_checkpoint(content, tmp_path):
    run, config = begun(tmp_path / "run")
    assert run.history_path.read_text() == WHOLE
    put(run.history_path, content)
    before = run.history_path.read_bytes()
    state, told = go_on(run, config)
    assert state.epochs_done == 3 and run.read_history() == ROWS
    assert told.startswith(f"'{run.history_path}' was not the history of the 3 whole")
    assert "made again from the checkpoint" in told and told.count(". ") == 0
    if "is history.csv.damaged now" in told:
        assert (run.path / "history.csv.damaged").read_bytes() == before
    else:  # its rows were right, but too few
        assert WHOLE.startswith(before.decode())


@pytest.mark.parametrize(
    "content", [None, "".join(LINES[:3])], ids=["gone", "a row less"]
)
def test_a_history_as_a_kill_leaves_it_is_completed(content, tmp_path):
    """A kill between checkpoint and history leaves the row out, or a first one."""
    run, config = begun(tmp_path / "run")
    if content is None:
        run.history_path.unlink()
    else:
        put(run.history_path, content)
    state, told = go_on(run, config)
    assert state.epochs_done == 3 and run.read_history() == ROWS
    assert (told is None) == (content is not None)
    assert not (run.path / "history.csv.damaged").exists()


def test_blank_lines_in_a_history_are_no_damage(tmp_path):
    run, config = begun(tmp_path / "run")
    put(run.history_path, WHOLE.replace("\n3", "\n\n3") + "\n")
    state, told = go_on(run, config)
    assert told is None and run.read_history() == ROWS


def test_a_folder_in_place_of_the_history_is_set_aside(tmp_path):
    run, config = begun(tmp_path / "run")
    run.history_path.unlink()
    run.history_path.mkdir()
    _, told = go_on(run, config)
    assert "made again" in told and run.read_history() == ROWS


CONFIGS = {
    "empty": "",
    "a list": "[]",
    "null": "null",
    "a word": '"run"',
    "a number": "1",
    "cut": '{"experiment": {"experiment": "tr',
    "no experiment": "{}",
    "another program's": '{"lr": 0.1}',
    "an experiment of another type": '{"experiment": []}',
    "nested too deep": "[" * 100_000,
    "an object nested too deep": '{"a":' * 100_000,
    "byte-order mark": "\ufeff{}",
    "not UTF-8": b'{"experiment": "\xff"}',
    "binary": bytes(range(256)),
    "zeros": bytes(300),
    "no weights": '{"experiment": {"experiment": "trial", "block": "none", "epochs": 4}}',
    "weights of another type": '{"weights": 3, '
    '"experiment": {"experiment": "trial", "block": "none", "epochs": 4}}',
    "unknown field": '{"experiment": {"experiment": "x", "block": "none", "warp": 1}}',
    "a field of another type": '{"experiment": {"experiment": "x", "block": 3}}',
    "a field left out": '{"experiment": {"block": "none"}}',
}


@pytest.mark.parametrize("content", CONFIGS.values(), ids=CONFIGS)
def test_a_damaged_config_is_one_sentence_and_nothing_is_deleted(content, tmp_path):
    run, config = begun(tmp_path / "run")
    put(run.path / "config.json", content)
    before = tree(run.path)
    with pytest.raises(UserError, match=r"config\.json|not a run") as raised:
        go_on(run, config)
    assert str(raised.value).count(". ") == 0
    assert tree(run.path) == before


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "null", bytes(9), "NaN", '{"epochs": NaN', "[" * 100_000]
)
def test_a_run_is_finished_only_by_whole_metrics(content, tmp_path):
    run, config = begun(tmp_path / "run")
    put(run.path / "metrics.json", content)
    assert not run.finished
    assert go_on(run, config)[0].epochs_done == 3


def test_a_damaged_model_of_a_finished_run_is_told(tmp_path):
    run, config = begun(tmp_path / "run")
    run.model_path.write_bytes(b"a whole model")
    sha256 = checksums.of_file(run.model_path)
    run.write_metrics({"test": {}, "model_sha256": sha256})
    run.checkpoints.remove()
    with pytest.raises(UserError, match="holds a finished run"):
        go_on(run, config)
    run.model_path.write_bytes(b"a whole mode")
    with pytest.raises(UserError, match=r"model.keras' is damaged: .*overwrite=True"):
        go_on(run, config)


NAMES = ["history.csv", "metrics.json", "predictions.npz", "diverged.json"]


@pytest.mark.parametrize("prefix", ["", "partial-"])
@pytest.mark.parametrize("name", NAMES)
def test_a_folder_where_a_file_belongs_is_one_sentence(name, prefix, tmp_path):
    run, _ = begun(tmp_path / "run")
    obstacle = run.path / f"{prefix}{name}"
    with contextlib.suppress(FileNotFoundError):
        obstacle.unlink()
    (obstacle / "notes").mkdir(parents=True)
    write = {
        "history.csv": lambda: run.write_history(ROWS),
        "metrics.json": lambda: run.write_metrics({"a": 1}),
        "predictions.npz": lambda: run.write_predictions({"a": np.zeros(2)}),
        "diverged.json": lambda: run.write_divergence({"what": "x"}),
    }[name]
    with pytest.raises(UserError, match=f"{name}' cannot be written .*move that folder"):
        write()
    assert (obstacle / "notes").is_dir()


def test_a_lock_that_is_a_folder_is_one_sentence(tmp_path):
    run, _ = begun(tmp_path / "run")
    (run.path / "lock").mkdir()
    with pytest.raises(UserError, match="lock' cannot be written"), run.locked():
        pass


def test_a_history_is_a_row_an_epoch_from_one_on(tmp_path):
    run, _ = begun(tmp_path / "run")
    for name in ("epochs from 0", "an epoch twice", "an epoch left out", "other columns"):
        put(run.history_path, HISTORIES[name])
        with pytest.raises(UserError, match="does not number its epochs from 1 on"):
            run.read_history()


def test_what_another_user_may_not_write_is_one_sentence(tmp_path):
    run, config = begun(tmp_path / "run")
    if os.geteuid() == 0:
        pytest.skip("root may write everything")
    run.path.chmod(0o500)
    try:
        with pytest.raises(UserError, match="Permission denied"):
            go_on(run, config)
    finally:
        run.path.chmod(0o700)
