"""What a run starts from is turned away before the first step."""

import dataclasses
import shutil

import keras
import pytest

from node_transfer.errors import UserError
from node_transfer.models.pretrained import WeightsSource
from node_transfer.runs.config import BASELINE
from node_transfer.runs.directory import RunDirectory
from node_transfer.training import build, start
from node_transfer.training.experiment import run_experiment
from node_transfer.training.saved_model import evaluate_saved
from tests.conftest import PROJECT
from tests.data.pictures import gallery
from tests.training.made import quick, tiny_backbone


def test_a_batch_of_fewer_examples_than_replicas_is_refused(tmp_path):
    def images(replicas, **changes):
        return start.images(quick(BASELINE, tmp_path, **changes), replicas)

    with pytest.raises(UserError, match="batch_size is 2 and 3 replicas share each"):
        images(3, batch_size=2)
    uneven = {"batch_size": 32, "train_examples": 66}
    with pytest.raises(
        UserError, match="last of .* has 2 of the 66 .* the 3 .*train_examples=64"
    ):
        images(3, **uneven)
    for replicas, changes in [(2, uneven), (3, {**uneven, "train_examples": 64})]:
        data = images(replicas, **changes)
        assert data.sizes["train"] == changes["train_examples"]


def short(path, **changes):
    return quick(
        BASELINE, path, image_size=32, train_examples=64, epochs=1, **changes
    )  # fmt: skip


@pytest.mark.slow
def test_a_run_that_began_with_random_weights_goes_on_with_them(tmp_path, monkeypatch):
    """Where ImageNet's could not be had when it began, and can be by now."""

    def network(name, weights, image_size):
        model, source = tiny_backbone(name, weights, image_size)
        if weights == "auto" and reachable:
            source = WeightsSource("imagenet", "ImageNet weights")
        return model, source

    monkeypatch.setattr(build, "backbone_with_source", network)
    config, reachable = short(tmp_path / "run", weights="auto"), False
    with monkeypatch.context() as patch:
        patch.setattr(RunDirectory, "write_metrics", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            run_experiment(config, verbose=0)
    reachable = True
    run = run_experiment(config, verbose=0)
    assert run.finished and run.read_start()["kind"] == "random"
    other = run_experiment(short(tmp_path / "other", weights="auto"), verbose=0)
    assert other.read_start()["kind"] == "imagenet"


@pytest.mark.slow
def test_a_network_has_its_own_momentum_again_in_the_run_after(tmp_path, monkeypatch):
    def network(name, weights, image_size):
        inputs = keras.Input((image_size, image_size, 3))
        x = keras.layers.Conv2D(8, 5, strides=4)(inputs)
        x = keras.layers.BatchNormalization(momentum=0.95)(x)
        source = WeightsSource("random", "random initial weights")
        return keras.Model(inputs, x, name="efficientnetb0"), source

    def momentum(run):
        model = keras.saving.load_model(run.model_path, compile=False)
        return model.backbone.layers[-1].momentum

    monkeypatch.setattr(build, "backbone_with_source", network)
    first = run_experiment(short(tmp_path / "a", adapt_batchnorm=True), verbose=0)
    assert momentum(first) == pytest.approx(0.1)  # 0.01 ** (1 / 2 steps)
    config = dataclasses.replace(
        short(tmp_path / "b"), weights=None, init_from=str(first.path)
    )
    assert momentum(run_experiment(config, verbose=0)) == 0.95


def test_a_config_of_another_program_beside_a_model_is_none_of_ours(
    tmp_path, monkeypatch
):
    model = shutil.copy(PROJECT / "tests/fixtures/baseline/model.keras", tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "of another program"}')
    assert evaluate_saved(model, dataset="digits")["dataset"] == "digits"
    config = dataclasses.replace(BASELINE, init_from=model, output_dir=str(tmp_path))
    assert list(start._starts(config)) == []


def test_a_folder_none_of_whose_held_out_images_can_be_read_is_refused(tmp_path):
    root = tmp_path / "split"
    gallery(root / "train", {"blue": 50, "red": 50})
    gallery(root / "test", {"blue": 1})
    (root / "test" / "blue" / "000.png").write_bytes(b"")
    with pytest.raises(UserError, match="None of the test images in .* can be read"):
        start.images(short(tmp_path / "run", dataset=f"folder:{root}"), 1)
