"""Whole experiments in one process: digits, a short EfficientNetB0, real files."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import tensorflow as tf

from node_transfer import load_model
from node_transfer.data import digits
from node_transfer.data.image_data import as_rgb
from node_transfer.errors import UserError
from node_transfer.runs.config import BASELINE, NODE_ADJOINT, NODE_RK
from node_transfer.runs.directory import RunDirectory
from node_transfer.training.build import build_model, resolve_backbone
from node_transfer.training.experiment import run_experiment
from node_transfer.training.saved_model import evaluate_saved
from tests.conftest import PROJECT
from tests.slowly import slow_after
from tests.training.made import START, quick, same_numbers, same_weights

B3 = "EfficientNetB3"
SMALL = "tests.training.made:with_state"
OF_BASELINE = {"train_examples": 128, "augment": True}


@pytest.fixture(scope="module")
def baseline_run(tmp_path_factory):
    """A finished baseline run of a network that is traced in a moment, never stopped."""
    config = quick(
        BASELINE, tmp_path_factory.mktemp("runs") / "baseline", **OF_BASELINE,
        epochs=12, weights="auto", backbone=SMALL,
    )  # fmt: skip
    return run_experiment(config, verbose=0)


@pytest.fixture(scope="module")
def b0_run(tmp_path_factory):
    """The same of B0, for shorter."""
    path = tmp_path_factory.mktemp("b0") / "baseline"
    return run_experiment(quick(BASELINE, path, **OF_BASELINE, epochs=4), verbose=0)


STARTS = slow_after(1, ["baseline_run", "b0_run"])


def test_run_directory_holds_the_whole_record(baseline_run):
    names = {path.name for path in baseline_run.path.iterdir()}
    assert names == {
        "config.json", "history.csv", "metrics.json", "predictions.npz", "model.keras",
        "tensorboard",
    }  # fmt: skip
    record = baseline_run.read_config()
    assert record["experiment"]["backbone"] == SMALL
    assert record["experiment"]["image_size"] == 32
    assert record["data"]["sizes"] == {"train": 128, "validation": 143, "test": 360}
    assert record["data"]["class_names"] == list("0123456789")
    assert record["versions"]["tensorflow"].startswith("2.")
    history = baseline_run.read_history()
    assert [row["epoch"] for row in history] == [*range(1, 13)]
    for name in ("loss", "accuracy", "val_loss", "val_accuracy", "seconds"):
        assert name in history[0]
    metrics = baseline_run.read_metrics()
    assert metrics["epochs"] == 12
    assert metrics["nfe"]["forward"] is None
    for split in ("train", "validation", "test"):
        assert 0 <= metrics[split]["accuracy"] <= 1


def test_record_says_where_the_run_comes_from(baseline_run):
    record = baseline_run.read_config()
    assert len(record["data"]["checksum"]["sha256"]) == 64
    assert len(record["weights"]["initial_sha256"]) == 64
    assert record["weights"]["file_sha256"] is None  # they are from no file
    assert record["device"]["cores"] >= 1
    assert record["date"] <= baseline_run.read_metrics()["finished"]
    assert set(record["start"]) == {"val_accuracy", "val_loss"}
    assert "continued" not in record


def test_predictions_are_those_of_the_metrics(baseline_run):
    path = baseline_run.path / "predictions.npz"
    assert path.stat().st_size < 200_000
    predictions = np.load(path)
    right = predictions["predicted"] == predictions["label"]
    assert len(right) == 360
    assert right.mean() == pytest.approx(
        baseline_run.read_metrics()["test"]["accuracy"], abs=1e-6
    )
    model = load_model(baseline_run.model_path)
    images, labels = digits.arrays()["test"]
    images = np.stack([as_rgb(tf.constant(image), 32) for image in images[:32]])
    logits = model.predict(images.astype(np.float32), verbose=0).astype(np.float64)
    shares = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    assert np.array_equal(predictions["label"][:32], labels[:32])
    assert np.array_equal(predictions["predicted"][:32], shares.argmax(-1))
    assert predictions["probability"][:32] == pytest.approx(shares.max(-1), rel=2e-3)


def test_metrics_are_those_of_the_saved_model(baseline_run, capsys):
    result = evaluate_saved(str(baseline_run.path))
    expected = baseline_run.read_metrics()["test"]
    assert result["accuracy"] == expected["accuracy"]
    assert result["loss"] == expected["loss"]
    last_line = capsys.readouterr().out.strip().splitlines()[-1]
    assert json.loads(last_line)["accuracy"] == expected["accuracy"]
    by_file = evaluate_saved(str(baseline_run.model_path), split="validation")
    assert by_file["accuracy"] == baseline_run.read_metrics()["validation"]["accuracy"]


def test_ode_runs_start_from_the_baselines_network(baseline_run, tmp_path):
    config = resolve_backbone(
        quick(NODE_RK, tmp_path / "rk", weights=None, init_from=str(baseline_run.path))
    )
    assert (config.backbone, config.image_size) == (SMALL, 32)
    model, source = build_model(config, 32, 10)
    baseline = load_model(baseline_run.model_path)
    assert source.kind == "run"
    for part in ("backbone", "head"):
        assert same_weights(getattr(model, part), getattr(baseline, part))


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize(
    "defaults", slow_after(1, [NODE_RK, NODE_ADJOINT]), ids=lambda c: c.experiment
)
def test_ode_run_trains_saves_and_evaluates_at_other_tolerances(
    defaults, start, request, tmp_path, capsys
):
    start_run = request.getfixturevalue(start)
    config = quick(
        defaults, tmp_path / "run", weights=None, init_from=str(start_run.path),
        epochs=1, train_examples=64, learning_rate=1e-3, freeze_backbone=True,
        validation_fraction=0.2,
    )  # fmt: skip
    run = run_experiment(config, verbose=0)
    assert (
        "was trained on another split of these images (validation_fraction was 0.1 and "
        "is 0.2), so that some are perhaps among those held out here"
    ) in capsys.readouterr().err
    history = run.read_history()
    assert history[0]["nfe_forward"] >= 7
    assert history[0]["val_nfe_forward"] >= 7
    assert history[0]["nfe_backward"] >= 6
    exact = evaluate_saved(str(run.path))
    assert exact["accuracy"] == run.read_metrics()["test"]["accuracy"]
    assert exact["nfe"] == run.read_metrics()["nfe"]["forward"]
    finer = evaluate_saved(str(run.path), rtol=1e-7, atol=1e-7)
    assert finer["nfe"] > exact["nfe"]
    assert finer["loss"] == pytest.approx(exact["loss"], rel=1e-2)
    grid = evaluate_saved(str(run.path), method="rk4")
    assert grid["nfe"] == 16
    assert grid["loss"] == pytest.approx(exact["loss"], rel=1e-2)
    trained = load_model(run.model_path)
    config = resolve_backbone(
        quick(NODE_RK, tmp_path / "on", weights=None, init_from=str(run.path))
    )
    model, source = build_model(config, 32, 10)
    assert source.detail.startswith("network and block of the run")
    assert same_weights(model.block.dynamics, trained.block.dynamics)
    config = dataclasses.replace(config, block="none")
    model, source = build_model(config, 32, 10)
    assert source.detail.startswith("network of the run")
    assert same_weights(model.head, trained.head)
    assert source.warning.endswith(
        "has a trained block (ode), which is left out, since this run has none"
    )


@pytest.mark.slow
def test_fresh_process_prints_the_same_numbers(baseline_run):
    command = [sys.executable, "experiments/evaluate.py", f"--model={baseline_run.path}"]
    output = subprocess.run(
        command, cwd=PROJECT, capture_output=True, text=True, check=True
    ).stdout
    printed = json.loads(output.strip().splitlines()[-1])
    expected = baseline_run.read_metrics()["test"]
    assert printed["accuracy"] == expected["accuracy"]
    assert printed["loss"] == expected["loss"]


def test_evaluation_that_does_not_fit_is_one_sentence(baseline_run, tmp_path):
    alone = tmp_path / "alone.keras"
    alone.write_bytes(baseline_run.model_path.read_bytes())
    for path, kwargs, complaint in [
        (baseline_run.path, {"rtol": 1e-3}, "has no ODE block.*rtol="),
        (alone, {}, "no config.json beside it.*dataset="),
        (tmp_path / "nothing", {}, "There is no model file"),
    ]:
        with pytest.raises(UserError, match=complaint):
            evaluate_saved(str(path), **kwargs)


def test_init_from_that_does_not_fit_is_one_sentence(baseline_run, tmp_path):
    init = {"init_from": str(baseline_run.path), "weights": None}
    for changes, complaint in [
        ({**init, "weights": "none"}, "leave weights= out"),
        ({**init, "backbone": B3}, "leave backbone= out"),
        ({**init, "image_size": 64}, "leave image_size= out"),
        ({**init, "mixed_precision": "mixed_bfloat16"}, "computes in float32: pass"),
        (
            {**init, "init_from": str(baseline_run.model_path), "backbone": B3},
            "leave backbone= out",
        ),
        ({"init_from": str(tmp_path / "no"), "weights": None}, "There is no model file"),
    ]:
        config = quick(NODE_RK, tmp_path / "rk", **changes)
        with pytest.raises(UserError, match=complaint):
            run_experiment(config, verbose=0)
        assert not (tmp_path / "rk").exists()


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        (
            {"batch_size": 256, "train_examples": 100},
            "batch_size is 256 and there are 100.*=100 or",
        ),
        ({"dataset": "cifar11"}, "Unknown dataset 'cifar11'"),
        ({"weights": "no/such.h5"}, "no weights file 'no/such.h5'"),
    ],
)
def test_request_that_cannot_be_met_leaves_nothing(changes, complaint, tmp_path):
    config = quick(BASELINE, tmp_path / "run", **changes)
    with pytest.raises(UserError, match=complaint):
        run_experiment(config, verbose=0)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("start", STARTS)
def test_killed_run_goes_on_to_the_same_numbers(start, request, tmp_path, capsys):
    """SIGKILL after a first epoch, the same command again: as if never killed."""
    whole = request.getfixturevalue(start)
    killed = RunDirectory(tmp_path / "killed")
    asked = whole.read_config()["experiment"]
    flags = [
        "--dataset=digits", "--train_examples=128", "--batch_size=32", "--augment",
        *(f"--{name}={asked[name]}" for name in ("backbone", "weights", "epochs")),
        f"--output_dir={killed.path}",
    ]  # fmt: skip
    process = subprocess.Popen(
        [sys.executable, "-c", START, "train", "baseline", *flags],
        cwd=PROJECT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    while killed.checkpoints.epochs_done == 0 and process.poll() is None:
        time.sleep(0.001)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not killed.finished
    done = killed.checkpoints.epochs_done
    assert 1 <= done < asked["epochs"]

    config = dataclasses.replace(BASELINE, **asked)
    run_experiment(dataclasses.replace(config, output_dir=str(killed.path)), verbose=0)
    assert f"Going on after epoch {done}" in capsys.readouterr().out
    same_numbers(whole, killed)
    record, again = whole.read_config(), killed.read_config()
    assert record["start"] == again["start"]
    assert record["weights"]["initial_sha256"] == again["weights"]["initial_sha256"]
    (continued,) = again["continued"]
    assert continued["after_epoch"] == done
    assert continued["project"] == record["project"]
