"""Folders that a run may be made in, or not."""

import collections
import dataclasses
import errno
import json
import shutil

import pytest

from node_transfer import durable
from node_transfer.errors import UserError
from node_transfer.runs import admission
from node_transfer.runs.config import ExperimentConfig
from node_transfer.runs.directory import RunDirectory
from tests.runs.made import begun, go_on, state_after, tree

OTHERS = {
    "a folder that looks like a run": {"config.json": '{"lr": 0.1}', "checkpoint/a": "x"},
    "a config that is no JSON": {"config.json": "lr: 0.1", "checkpoint/a": "x"},
    "a folder with a checkpoint": {"checkpoint/best.h5": "x", "tensorboard/log": "x"},
    "a folder with metrics": {"metrics.json": "{}", "history.csv": "a,b\n"},
    "somebody's thesis": {"thesis.tex": "x"},
}


@pytest.mark.parametrize("files", OTHERS.values(), ids=OTHERS)
@pytest.mark.parametrize("overwrite", [False, True])
def test_a_folder_that_is_no_run_is_never_touched(files, overwrite, tmp_path):
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    before = tree(tmp_path)
    config = ExperimentConfig(
        "trial", "none", output_dir=str(tmp_path), overwrite=overwrite
    )
    with pytest.raises(UserError, match=r"not empty and not a run|config.json' is not"):
        RunDirectory(tmp_path).prepare(config, {})
    assert tree(tmp_path) == before


@pytest.mark.parametrize("dataset", ["folder:{}/photos", "folder:photos", "folder:link"])
def test_a_run_is_not_begun_among_the_images(dataset, tmp_path, monkeypatch):
    photos = tmp_path / "photos"
    photos.mkdir()
    (tmp_path / "link").symlink_to(photos)
    config = ExperimentConfig(
        "trial", "none", dataset=dataset.format(tmp_path), data_dir=str(tmp_path)
    )
    monkeypatch.chdir(photos)
    run = RunDirectory(config.run_directory)
    with pytest.raises(UserError, match="is inside the folder of images '.*/photos'"):
        admission.check_free(run, config)
    for free in ("../results", "../photos-of-may", ".runs/one", str(tmp_path / "runs")):
        admission.check_free(RunDirectory(free), config)
    run.path.mkdir(parents=True)  # as an earlier version began one there
    (run.path / "config.json").write_text(
        json.dumps({"experiment": dataclasses.asdict(config)})
    )
    admission.check_free(run, config)
    assert [path.name for path in photos.iterdir()] == ["results"]


def test_overwriting_removes_what_a_run_wrote_and_nothing_else(tmp_path):
    run, config = begun(tmp_path / "run")
    board = run.tensorboard_path / "train"
    board.mkdir(parents=True)
    (board / "events.out.tfevents.1.host.2.0.v2").write_text("theirs")
    mine = [
        run.path / "notes.txt",
        run.path / "checkpoint" / "best-of-all.h5",
        run.path / "tensorboard" / "train" / "notes.txt",
        run.path / "model-of-may.keras",
    ]
    for path in mine:
        path.write_text("mine")
    for name in ("model.keras", "predictions.npz", "diverged.json", "metrics.json"):
        (run.path / name).write_text("{}")
    run.prepare(dataclasses.replace(config, overwrite=True), {"note": 2})
    files = {path for path in run.path.rglob("*") if path.is_file()}
    assert files == {*mine, run.path / "config.json"}
    assert run.read_config()["note"] == 2


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("start", ["run", "run/model.keras", "other/../run/", "link"])
def test_a_run_cannot_start_from_itself(start, overwrite, tmp_path):
    run, config = begun(tmp_path / "run")
    (tmp_path / "other").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "run")
    run.model_path.write_text("a model")
    run.write_metrics({"test": {}})
    before = tree(run.path)
    own = dataclasses.replace(
        config, init_from=str(tmp_path / start), overwrite=overwrite
    )
    with pytest.raises(UserError, match="init_from is .*, the run directory itself"):
        admission.check_free(run, own)
    assert tree(run.path) == before
    another = dataclasses.replace(own, init_from=str(tmp_path / "other"))
    if overwrite:
        admission.check_free(run, another)


def test_too_little_space_is_told_before_the_first_epoch(tmp_path, monkeypatch):
    run, config = begun(tmp_path / "run")
    held = sum(len(content) for content in tree(run.path).values() if content)
    usage = collections.namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(9e9, 9e9, 2**20))
    admission.check_space(run, 2**20 + held)
    with pytest.raises(UserError, match="needs about 5.0 MiB .* has 1.0 MiB free: free"):
        admission.check_space(run, 5 * 2**20)
    assert not list(run.path.rglob("trial"))


@pytest.mark.parametrize(
    ("code", "remedy"),
    [
        (errno.ENOSPC, "No space left on device.: free some space and give the same"),
        (errno.EDQUOT, "free some space and give the same"),
        (errno.EFBIG, "raise the limit on the size of a file"),
        (errno.EROFS, "Read-only file system.: see that it can be"),
        (errno.EIO, "see that it can be"),
    ],
)
def test_a_disk_that_refuses_is_one_sentence_and_leaves_the_last_state(
    code, remedy, tmp_path, monkeypatch
):
    run, config = begun(tmp_path / "run")
    before = tree(run.path)

    def refuse(descriptor):
        raise OSError(code, durable.os.strerror(code))

    monkeypatch.setattr(durable.os, "fsync", refuse)
    for write in (
        lambda: run.checkpoints.write(state_after(3)),
        lambda: run.write_history([{"epoch": 1}]),
        lambda: run.write_metrics({"test": {}}),
        lambda: run.add_to_config(note="x"),
    ):
        with pytest.raises(UserError, match=f"cannot be written .*{remedy}") as raised:
            write()
        assert "output_dir=" in str(raised.value)
    assert tree(run.path) == before
    monkeypatch.undo()
    assert go_on(run, config)[0].epochs_done == 3


def test_what_is_no_number_is_never_written_as_json(tmp_path):
    run, _ = begun(tmp_path / "run")
    with pytest.raises(ValueError, match="not JSON compliant"):
        run.write_metrics({"test": {"loss": float("nan")}})
    assert not run.finished
    for path in run.path.glob("*.json"):
        json.loads(path.read_text(), parse_constant=pytest.fail)
