"""Runs and models that an earlier version wrote read to the same numbers today."""

import dataclasses
import gzip
import json
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest

from node_transfer import load_model
from node_transfer.analysis.runs import read_run
from node_transfer.errors import UserError
from node_transfer.models.pretrained import WeightsSource
from node_transfer.runs.config import ExperimentConfig
from node_transfer.training import build
from node_transfer.training.experiment import run_experiment
from node_transfer.training.saved_model import evaluate_saved

pytestmark = pytest.mark.filterwarnings("error:Skipping nested container")

FIXTURES = Path(__file__).parent / "fixtures"
FINISHED = ("baseline", "node_rk", "conv")
CHECKPOINT = "checkpoint/epoch-00001.weights.h5"


def tiny_backbone(name, weights, image_size):
    """The backbone of the fixtures, named so that it passes for EfficientNetB0."""
    x = inputs = keras.Input((image_size, image_size, 3))
    x = keras.layers.Rescaling(1 / 255)(x)
    for filters in (4, 8):
        x = keras.layers.Conv2D(filters, 3, strides=4, padding="same", use_bias=False)(x)
        x = keras.layers.BatchNormalization(momentum=0.5)(x)
        x = keras.layers.Activation("relu")(x)
    model = keras.Model(inputs, x, name="efficientnetb0")
    return model, WeightsSource("random", "random initial weights")


def metrics_of(name):
    return json.loads((FIXTURES / name / "metrics.json").read_text())


@pytest.mark.parametrize("name", FINISHED)
def test_earlier_model_evaluates_to_its_own_numbers(name):
    # A batch chooses its steps together, so that evaluations per example depend on its
    # size, which was 128 in every evaluation when these were written.
    result = evaluate_saved(str(FIXTURES / name), batch_size=128)
    expected = metrics_of(name)
    assert result["accuracy"] == pytest.approx(expected["test"]["accuracy"], rel=1e-6)
    assert result["loss"] == pytest.approx(expected["test"]["loss"], rel=1e-6)
    assert result["nfe"] == expected["nfe"]["forward"]


@pytest.mark.parametrize("name", FINISHED)
def test_earlier_model_has_the_parts_it_was_made_of(name):
    model = load_model(FIXTURES / name / "model.keras")
    assert (model.backbone.name, model.image_size, model.num_classes) == (
        "efficientnetb0", 32, 10,
    )  # fmt: skip
    assert (model.block is None) == (name == "baseline")
    assert model.block_input == ("feature_map" if name == "conv" else "pooled")
    assert model.count_params() == metrics_of(name)["parameters"]


def test_earlier_model_trains_on_with_its_optimizers_state():
    model = load_model(FIXTURES / "node_rk" / "model.keras", compile=True)
    optimizer = model.optimizer
    assert int(optimizer.iterations) == 2 * 128 / 32
    slots = [v for v in optimizer.variables if "momentum" in v.path]
    shapes = [tuple(v.shape) for v in slots]
    assert shapes == [tuple(v.shape) for v in model.trainable_variables]


@pytest.mark.parametrize("block", ["dense", "functional"])
def test_earlier_model_with_two_parts_of_one_class_gives_its_own_logits(block):
    folder = FIXTURES / "same_class"
    model = load_model(folder / f"{block}.keras")
    images = np.arange(2 * 8 * 8 * 3, dtype="float32").reshape(2, 8, 8, 3) % 255
    expected = json.loads((folder / "logits.json").read_text())[block]
    assert model.predict(images, verbose=0) == pytest.approx(np.array(expected), rel=1e-5)


@pytest.mark.parametrize("name", FINISHED)
def test_analysis_reads_an_earlier_run(name):
    run = read_run(FIXTURES / name)
    assert run.epochs == 2
    assert run.config["experiment"]["dataset"] == "digits"
    assert run.metrics["test"] == metrics_of(name)["test"]


def test_earlier_run_that_was_stopped_says_how_to_go_on(tmp_path, monkeypatch):
    folder = tmp_path / "run"
    shutil.copytree(FIXTURES / "node_rk_stopped", folder)
    packed = folder / f"{CHECKPOINT}.gz"
    (folder / CHECKPOINT).write_bytes(gzip.decompress(packed.read_bytes()))
    packed.unlink()
    monkeypatch.setattr(build, "backbone_with_source", tiny_backbone)
    record = json.loads((folder / "config.json").read_text())["experiment"]
    config = dataclasses.replace(ExperimentConfig(**record), output_dir=str(folder))

    with pytest.raises(UserError, match="of an earlier version.*overwrite=True"):
        run_experiment(config, verbose=0)
    assert (folder / CHECKPOINT).exists()
