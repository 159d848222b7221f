"""From a folder of pictures to a run, its numbers by class, and what goes wrong."""

import csv
import dataclasses
import json
import re
import shutil

import numpy as np
import pytest

from node_transfer import load_model
from node_transfer.cli.train import print_run
from node_transfer.data.image_data import SPLITS
from node_transfer.errors import UserError
from node_transfer.runs.config import BASELINE
from node_transfer.runs.directory import RunDirectory
from node_transfer.training import build, evaluation, saved_model, start
from node_transfer.training.experiment import run_experiment
from node_transfer.training.saved_model import evaluate_saved
from tests.data.pictures import gallery, paint
from tests.training.made import quick, tiny_backbone

CLASSES = ["blue", "green", "red"]


@pytest.fixture(autouse=True)
def _tiny(monkeypatch):
    monkeypatch.setattr(build, "backbone_with_source", tiny_backbone)


def configured(root, path, **changes):
    return quick(
        BASELINE, path, dataset=f"folder:{root}", image_size=32, epochs=3, batch_size=8,
        learning_rate=1e-2, resize="pad", seed=3, **changes,
    )  # fmt: skip


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    root = gallery(
        tmp_path_factory.mktemp("folder") / "my pictures",
        {"blue": 40, "green": 20, "red": 40},
    )
    (root / "red" / "000.png").write_bytes(b"")
    return root


@pytest.fixture(scope="module")
def run(pictures, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(build, "backbone_with_source", tiny_backbone)
        path = tmp_path_factory.mktemp("run") / "run"
        return run_experiment(configured(pictures, path), verbose=0)


def test_a_run_knows_its_classes_and_what_it_left_out(run):
    data = run.read_config()["data"]
    assert data["class_names"] == CLASSES
    assert data["files"] == {"train": {"blue": 40, "green": 20, "red": 39}}
    assert (data["unreadable"], data["name"]) == (1, "my pictures")
    with (run.path / "unreadable.csv").open(encoding="utf-8") as file:
        assert list(csv.DictReader(file)) == [
            {"path": "red/000.png", "reason": "it is empty"}
        ]
    model = load_model(run.model_path)
    assert (list(model.class_names), model.resize) == (CLASSES, "pad")
    predictions = run.read_predictions()
    assert predictions["class_names"].tolist() == CLASSES
    for file, label in zip(predictions["path"], predictions["label"], strict=True):
        assert file.split("/")[0] == CLASSES[label]
    assert run.read_metrics()["test"]["accuracy"] > 0.9


def test_numbers_of_each_class_are_those_of_the_predictions(run, capsys):
    print_run(run)
    printed = capsys.readouterr().out
    predictions = run.read_predictions()
    label, predicted = predictions["label"], predictions["predicted"]
    rows = run.read_metrics()["classes"]
    assert [row["class"] for row in rows] == CLASSES
    for i, row in enumerate(rows):
        assert row["images"] == np.sum(label == i)
        assert row["accuracy"] == pytest.approx(np.mean(predicted[label == i] == i))
        assert f"{row['class']}" in printed and f"{row['accuracy']:.2%}" in printed


def test_evaluate_names_classes_wherever_the_folder_is(run, pictures, tmp_path, capsys):
    there = evaluate_saved(str(run.path))
    *_, line = capsys.readouterr().out.splitlines()
    assert json.loads(line)["classes"] == run.read_metrics()["classes"]
    moved = tmp_path / "moved"
    shutil.copytree(pictures, moved)
    here = evaluate_saved(str(run.path), dataset=f"folder:{moved}")
    assert here["classes"] == there["classes"] and here["loss"] == there["loss"]

    (moved / "red").rename(moved / "scarlet")
    with pytest.raises(UserError, match="class 2 is 'red' there and 'scarlet' here"):
        evaluate_saved(str(run.path), dataset=f"folder:{moved}")


def test_evaluating_on_a_folder_that_was_changed_warns(run, pictures, capsys):
    added = paint(pictures / "green" / "new.png")
    for dataset in (None, f"folder:{pictures}/."):  # however the folder is written
        evaluate_saved(str(run.path), dataset=dataset)
        assert "the data are not those that" in capsys.readouterr().err
    added.unlink()
    evaluate_saved(str(run.path))
    assert "the data are not those that" not in capsys.readouterr().err


@pytest.mark.slow
def test_a_folder_that_was_moved_has_the_training_images_that_it_had(tmp_path):
    root = gallery(tmp_path / "pictures", {"blue": 12, "red": 12})
    config = configured(root, tmp_path / "run", train_examples=8)
    run = run_experiment(config, verbose=0)
    moved = root.rename(tmp_path / "moved")
    again = evaluate_saved(str(run.path), dataset=f"folder:{moved}", split="train")
    assert again["loss"] == pytest.approx(run.read_metrics()["train"]["loss"], rel=1e-6)
    assert sum(row["images"] for row in again["classes"]) == 8


def stopped(config):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RunDirectory, "write_metrics", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            run_experiment(config, verbose=0)


@pytest.mark.slow
def test_an_unfinished_run_goes_on_with_its_own_pictures_alone(tmp_path, monkeypatch):
    root = gallery(tmp_path / "pictures", {"blue": 12, "red": 12})
    config = configured(root, tmp_path / "run")
    stopped(config)
    added = paint(root / "red" / "new.png")
    with pytest.raises(UserError, match="unfinished run on other data .*checksum was"):
        run_experiment(config, verbose=0)
    added.unlink()
    monkeypatch.chdir(tmp_path)  # the same folder by another path
    run = run_experiment(configured("./pictures/", tmp_path / "run"), verbose=0)
    assert run.finished and not (run.path / "unreadable.csv").exists()


def test_too_many_damaged_pictures_are_listed_whole(tmp_path):
    root = gallery(tmp_path / "pictures", {"blue": 12, "red": 12})
    for i in range(6):
        (root / "red" / f"{i:03}.png").write_bytes(b"")
    config = configured(root, tmp_path / "run")
    with pytest.raises(
        UserError, match="24 .* 6 cannot .*unreadable.csv' has all"
    ) as told:
        run_experiment(config, verbose=0)
    assert str(told.value).count(". ") == 0
    rows = (tmp_path / "run" / "unreadable.csv").read_text().splitlines()
    assert rows[:2] == ["path,reason", "red/000.png,it is empty"] and len(rows) == 7
    for path in (root / "red").glob("00[0-5].png"):
        path.unlink()
    assert run_experiment(config, verbose=0).finished  # in the same folder


SEED = r"another split of these images \(seed was 3 and is 1\)"


@pytest.mark.parametrize(
    ("by", "changes", "source", "told"),
    [
        ("run", {}, {}, None),
        ("run", {"seed": 1}, {}, SEED),
        ("model file", {"seed": 1}, {}, SEED),
        ("run between", {"seed": 1}, {}, SEED),
        (
            "run",
            {"validation_fraction": 0.3},
            {},
            "another .*fraction was 0.1 and is 0.3",
        ),
        ("run", {"seed": 1}, {"files": dict.fromkeys(["train", "test"])}, SEED),
        ("run", {"seed": 1}, {"files": dict.fromkeys(SPLITS)}, None),
        ("run", {}, {"checksum": {"sha256": "0" * 64}}, "other .* and is 000000000000"),
    ],
)
def test_a_start_that_was_trained_on_images_held_out_here_is_warned_of(
    by, changes, source, told, run, pictures, tmp_path, capsys
):
    init_from = run.model_path if by == "model file" else run.path
    config = dataclasses.replace(
        run.read_experiment(),
        init_from=str(init_from),
        output_dir=str(tmp_path),
        **changes,
    )
    data = start.images(config, 1)
    capsys.readouterr()
    data = dataclasses.replace(data, source={**data.source, **source})
    if by == "run between":  # of the same split as this one
        between = tmp_path / "between"
        between.mkdir()
        record = {"experiment": dataclasses.asdict(config), "data": data.source}
        (between / "config.json").write_text(json.dumps(record))
        config = dataclasses.replace(config, init_from=str(between))
    start.warn_of_seen_images(config, data)
    printed = capsys.readouterr().err
    if told is None:
        assert printed == ""
    else:
        told = rf"WARNING: .*run' was trained on {told}.*, so that some are perhaps among"
        assert re.search(told, printed)


@pytest.mark.parametrize(
    ("own", "warned"), [((), True), (("train", "test"), False)], ids=["by seed", "own"]
)
def test_a_model_without_a_record_may_have_seen_what_is_drawn(
    own, warned, run, pictures, tmp_path, capsys
):
    alone = tmp_path / "alone.keras"
    alone.write_bytes(run.model_path.read_bytes())
    config = dataclasses.replace(run.read_experiment(), init_from=str(alone))
    data = start.images(config, 1)
    data = dataclasses.replace(data, source={**data.source, "files": dict.fromkeys(own)})
    capsys.readouterr()
    start.warn_of_seen_images(config, data)
    told = f"WARNING: no record of its training is beside {str(alone)!r}, so that"
    assert (told in capsys.readouterr().err) == warned


def test_a_finished_run_that_was_not_replaced_is_as_it_was(run, pictures):
    before = {path.name for path in run.path.iterdir()}
    damaged = [paint(pictures / "green" / f"damaged{i}.png") for i in range(6)]
    for path in damaged:
        path.write_bytes(b"")
    config = dataclasses.replace(run.read_experiment(), overwrite=True)
    with pytest.raises(UserError, match="7 cannot be read"):
        run_experiment(config, verbose=0)
    for path in damaged:
        path.unlink()
    assert {path.name for path in run.path.iterdir()} == before


def test_a_run_on_other_classes_or_otherwise_resized_is_no_start(run, tmp_path):
    root = gallery(tmp_path / "pictures", {"blue": 9, "green": 9, "red": 9})
    (root / "red").rename(root / "scarlet")
    for changes, complaint in (
        ({}, "class 2 is 'red' there and 'scarlet' here"),
        ({"resize": "crop"}, "resize is 'crop', but the run .* has 'pad': pass resize="),
    ):
        config = configured(
            root, tmp_path / "warm", weights=None, init_from=str(run.path)
        )
        config = config.__class__(**{**config.__dict__, **changes})
        with pytest.raises(UserError, match=complaint):
            run_experiment(config, verbose=0)


def test_a_run_is_evaluated_in_batches_of_its_training(run, monkeypatch):
    sizes = []
    monkeypatch.setattr(
        evaluation, "evaluate",
        lambda model, data, split, size: sizes.append(size) or {"classes": []},
    )  # fmt: skip
    monkeypatch.setattr(
        saved_model, "sweep_solvers",
        lambda model, data, split, batch_size: sizes.append(batch_size) or [],
    )  # fmt: skip
    evaluate_saved(str(run.path))
    evaluate_saved(str(run.path), batch_size=50)
    saved_model.sweep_saved(str(run.path))
    assert sizes == [8, 50, 8]
