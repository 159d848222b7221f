"""Checkpoints: two are kept, a damaged one is seen, another run's is refused."""

import shutil

import numpy as np
import pytest

from node_transfer import checksums
from node_transfer.errors import UserError
from node_transfer.runs.checkpoints import State
from node_transfer.runs.directory import RunDirectory
from tests.runs.made import IDENTITY, ROWS, begun, go_on, state_after, tree


def test_the_last_two_are_kept_and_the_newest_is_read(tmp_path):
    run, _ = begun(tmp_path / "run")
    assert [path.name[:12] for path in run.checkpoints.files()] == [
        "epoch-00003-",
        "epoch-00002-",
    ]
    state = run.checkpoints.newest()
    assert (state.run, state.history) == (IDENTITY, ROWS)
    for array, expected in zip(state.arrays, state_after(3).arrays, strict=True):
        assert array.dtype == expected.dtype and (array == expected).all()
    run.checkpoints.remove()
    assert run.checkpoints.newest() is None and not run.checkpoints.path.exists()


def test_the_one_before_is_there_while_the_next_is_written(tmp_path, monkeypatch):
    run, _ = begun(tmp_path / "run")

    def killed(file, **arrays):
        file.write(b"some bytes")
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "savez", killed)
    with pytest.raises(KeyboardInterrupt):
        run.checkpoints.write(State(IDENTITY, [*ROWS, ROWS[0]], []))
    assert run.checkpoints.newest().epochs_done == 3
    assert len(list(run.checkpoints.path.iterdir())) == 2


def damage(path, how):
    content = path.read_bytes()
    path.unlink()
    if how == "folder":
        path.mkdir()
    elif how == "gone":
        pass
    else:
        path.write_bytes(
            {
                "empty": b"",
                "cut": content[: len(content) // 2],
                "a byte less": content[:-1],
                "a byte more": content + b"\0",
                "flipped": content[:300] + bytes([content[300] ^ 1]) + content[301:],
                "zeros": bytes(len(content)),
                "text": b"epoch",
            }[how]
        )


AGAIN = [*ROWS[:2], {**ROWS[2], "seconds": 0.25}]
HOW = ["empty", "cut", "a byte less", "a byte more", "flipped", "zeros", "text", "folder"]


@pytest.mark.parametrize("how", HOW)
def test_a_damaged_checkpoint_gives_way_to_the_one_before(how, tmp_path, capsys):
    run, config = begun(tmp_path / "run")
    newest, before = run.checkpoints.files()
    damage(newest, how)
    state, told = go_on(run, config)
    assert state.epochs_done == 2 and told is None
    assert state.arrays[0].tolist() == state_after(2).arrays[0].tolist()
    assert run.read_history() == ROWS[:2]
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"WARNING: the checkpoint '{newest}' is damaged")
    assert newest.exists()
    run.checkpoints.write(State(IDENTITY, AGAIN, [np.ones(2)]))  # the epoch done again
    assert run.checkpoints.newest().history == AGAIN
    assert before in run.checkpoints.files()


@pytest.mark.parametrize("how", HOW)
def test_two_damaged_checkpoints_are_one_sentence(how, tmp_path):
    run, config = begun(tmp_path / "run")
    for path in run.checkpoints.files():
        damage(path, how)
    before = tree(run.path)
    with pytest.raises(UserError, match="is damaged .*no checkpoint before it is whole"):
        go_on(run, config)
    del before["checkpoint"]
    assert before.items() <= tree(run.path).items()


def beyond(run):
    newest = run.checkpoints.files()[0]
    newest.rename(newest.with_name(newest.name.replace("00003", "00005")))


def of_more_epochs(run):
    rows = [*ROWS, {**ROWS[0], "epoch": 4}, {**ROWS[0], "epoch": 5}]
    run.checkpoints.write(State(IDENTITY, rows, [np.zeros(1)]))


def of_another_run(run):
    run.checkpoints.remove()
    run.checkpoints.write(state_after(3, identity="b" * 64))


def no_state(run):
    """An archive whose name has the right checksum, and nothing of a checkpoint."""
    run.checkpoints.remove()
    run.checkpoints.path.mkdir()
    np.savez(run.path / "x.npz", a=np.zeros(2))
    digest = checksums.of_file(run.path / "x.npz")
    (run.path / "x.npz").rename(run.checkpoints.path / f"epoch-00003-{digest}.npz")


def all_gone(run):
    run.checkpoints.remove()


def all_gone_but_the_model(run):
    """As damage to the metrics of a finished run leaves it."""
    all_gone(run)
    run.model_path.write_bytes(b"of a finished run")


def of_an_earlier_version(run):
    run.checkpoints.remove()
    run.history_path.unlink()
    run.checkpoints.path.mkdir()
    (run.checkpoints.path / "epoch-00003.weights.h5").write_bytes(b"\x89HDF")


def a_file(run):
    shutil.rmtree(run.checkpoints.path)
    run.history_path.unlink()
    run.checkpoints.path.write_text("")


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (beyond, "is not the checkpoint that its name says"),
        (of_more_epochs, "after epoch 5 is not one of this run"),
        (of_another_run, "after epoch 3 is not one of this run"),
        (no_state, "is not the checkpoint that its name says"),
        (all_gone, "has a history and no checkpoint to go on from"),
        (
            all_gone_but_the_model,
            "to go on from: copy model.keras, which may be whole, be",
        ),
        (of_an_earlier_version, "is a checkpoint of an earlier version"),
        (a_file, "checkpoint' cannot be made"),
    ],
)
def test_a_checkpoint_that_is_not_this_runs_is_refused(change, complaint, tmp_path):
    run, config = begun(tmp_path / "run")
    change(run)
    before = tree(run.path)
    with pytest.raises(UserError, match=complaint) as raised:
        go_on(run, config)
    assert "output_dir=" in str(raised.value) or "overwrite=True" in str(raised.value)
    assert before.items() <= tree(run.path).items()


def test_the_best_weights_of_an_epoch_that_is_trained_again_replace_the_first(tmp_path):
    for trial in range(6):  # which of two names comes first depends on a checksum
        checkpoints = RunDirectory(tmp_path / str(trial)).checkpoints
        for epoch, value in ((3, 0.0), (5, 1.0), (5, 2.0)):
            checkpoints.write_best(epoch, [np.array([trial, value])])
        assert checkpoints.read_best(5)[0][1] == 2
        assert checkpoints.read_best(3)[0][1] == 0
