"""Training on the features of a frozen backbone is training through it."""

import dataclasses
import errno
import shutil
import threading
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from node_transfer import ConvDynamics, DenseDynamics, ODELayer, TransferClassifier
from node_transfer.data import feature_files
from node_transfer.data.loading import load_data
from node_transfer.data.pipelines import evaluation_batches, training_batches
from node_transfer.errors import UserError
from node_transfer.models.saving import load_model
from node_transfer.runs.config import BASELINE, NODE_RK
from node_transfer.runs.lock import locked
from node_transfer.training import features as module
from node_transfer.training.evaluation import loss
from node_transfer.training.experiment import run_experiment
from node_transfer.training.feature_key import description, key_of
from node_transfer.training.features import features_of
from node_transfer.training.loop import Loop
from node_transfer.training.workers import Workers
from tests.slowly import slow_after
from tests.training.made import quick, same_numbers
from tests.training.test_resume import stopped_after_an_epoch


def classifier(block=None, block_input="pooled", seed=0):
    """A small frozen network with layers that training would make others."""
    keras.utils.set_random_seed(seed)
    images = keras.Input((32, 32, 3))
    x = keras.layers.Rescaling(1 / 255)(images)
    x = keras.layers.Conv2D(6, 3, strides=8)(x)
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.Dropout(0.5)(x)
    backbone = keras.Model(images, x, name="small")
    backbone.layers[3].moving_mean.assign(np.linspace(-0.3, 0.2, 6))
    backbone.trainable = False
    return TransferClassifier(backbone, 10, block, block_input)


@pytest.fixture(scope="module")
def digits():
    return load_data("digits", train_examples=100, in_memory=False)


@pytest.fixture
def config(tmp_path):
    return quick(
        BASELINE, tmp_path / "run", backbone=None, freeze_backbone=True,
        train_examples=100, cache_dir=str(tmp_path / "cache"),
    )  # fmt: skip


@pytest.mark.parametrize("block_input", slow_after(1, ["pooled", "feature_map"]))
def test_a_frozen_backbone_is_one_function_in_training_too(block_input):
    dynamics = DenseDynamics(4) if block_input == "pooled" else ConvDynamics(6)
    model = classifier(ODELayer(dynamics), block_input)
    images = np.random.default_rng(0).uniform(0, 255, (5, 32, 32, 3)).astype("float32")
    before = [np.copy(w) for w in model.backbone.get_weights()]
    logits = model(images)
    assert np.allclose(model(images, training=True), logits, atol=1e-6)
    assert np.allclose(model.classify(model.features(images)), logits, atol=1e-6)
    after = model.backbone.get_weights()
    assert all(map(np.array_equal, before, after))
    model.backbone.trainable = True
    assert not np.allclose(model(images, training=True), logits, atol=1e-3)


def test_features_are_computed_once_and_are_those_of_the_images(
    digits, config, capsys, monkeypatch
):
    model = classifier()
    first = features_of(config, model, digits)
    assert first.sizes == digits.sizes
    told = capsys.readouterr()
    assert "1,397 images" not in told.out  # 100 + 143 + 360
    assert "603 images (6 numbers each, " in told.out and config.cache_dir in told.out
    images, labels = next(digits.splits["test"].batch(360).as_numpy_iterator())
    features, same_labels = first.take("test", np.arange(360))
    assert np.array_equal(labels, same_labels)
    expected = model.backbone(images.astype("float32"), training=False)
    assert np.allclose(features, np.mean(expected, axis=(1, 2)), atol=1e-5)

    monkeypatch.setattr(module, "_computed", lambda *_: pytest.fail("computed again"))
    again = features_of(config, classifier(), digits)
    assert np.array_equal(again.take("test", np.arange(360))[0], features)
    assert again.record == first.record
    assert "computed before" in capsys.readouterr().out


def test_another_network_or_other_images_have_other_features(digits, config):
    def key(model, data=digits, **changes):
        return key_of(description(dataclasses.replace(config, **changes), model, data))

    block = ODELayer(ConvDynamics(6))
    same = {
        key(classifier()),
        key(classifier()),  # its layers have other names
        key(classifier(ODELayer(DenseDynamics(4)))),
        key(classifier(), method="rk4", learning_rate=0.1),
    }
    assert len(same) == 1
    others = [
        key(classifier(seed=1)),
        key(classifier(block, "feature_map")),
        key(classifier(), load_data("digits", image_size=40, train_examples=100)),
        key(classifier(), load_data("digits", train_examples=90)),
        key(classifier(), seed=1),  # which draws the examples
        key(classifier(), mixed_precision="mixed_bfloat16"),
    ]
    assert len({*others, *same}) == len(others) + 1


def test_what_was_computed_before_a_kill_is_kept(digits, config, monkeypatch):
    """The process ends at the fourth file of ten."""
    monkeypatch.setattr(feature_files, "PART_BYTES", 64 * 32)
    whole = features_of(config, classifier(), digits)
    shutil.rmtree(config.cache_dir)
    write, written = feature_files.FeatureFiles.write, []

    def stops(self, part, array):
        if len(written) == 3:
            raise KeyboardInterrupt
        written.append(part)
        write(self, part, array)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(feature_files.FeatureFiles, "write", stops)
        features_of(config, classifier(), digits)
    computed = []
    monkeypatch.setattr(
        feature_files.FeatureFiles, "write",
        lambda self, part, array: (computed.append(part), write(self, part, array)),
    )  # fmt: skip
    again = features_of(config, classifier(), digits)
    assert len(computed) == sum(map(len, whole.parts.values())) - 3
    assert not {*computed} & {*written}
    for split, size in digits.sizes.items():
        for left, right in zip(
            whole.take(split, np.arange(size)),
            again.take(split, np.arange(size)),
            strict=True,
        ):
            assert np.allclose(left, right, atol=1e-6)


def test_a_second_process_waits_for_the_first(digits, config, capsys, monkeypatch):
    features = features_of(config, classifier(), digits)
    (folder,) = Path(config.cache_dir).iterdir()
    kept = folder.with_name("kept")
    folder.rename(kept)
    monkeypatch.setattr(module, "_computed", lambda *_: pytest.fail("computed again"))
    found = []
    with locked(folder):
        second = threading.Thread(
            target=lambda: found.append(features_of(config, classifier(), digits))
        )
        second.start()
        second.join(2)
        assert second.is_alive() and found == []
        for file in kept.iterdir():
            shutil.move(file, folder)
    second.join(30)
    assert found[0].record == features.record
    assert "Another process computes the features" in capsys.readouterr().out


def test_a_full_disk_is_one_sentence(digits, config, monkeypatch):
    model = classifier()
    with monkeypatch.context() as patch:
        usage = shutil.disk_usage(".")._replace(free=100)
        patch.setattr(shutil, "disk_usage", lambda _: usage)
        with pytest.raises(UserError, match="free some space, pass cache_dir= .* or cac"):
            features_of(config, model, digits)

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        with pytest.raises(UserError, match="No space left.*cache_dir="):
            features_of(config, model, digits)
    assert features_of(config, model, digits).sizes == digits.sizes


@pytest.mark.parametrize("on_map", slow_after(1, [False, True]))
def test_the_loop_computes_on_features_what_it_computes_through_the_backbone(
    on_map, digits, config
):
    dynamics = ConvDynamics(6) if on_map else DenseDynamics(4)
    solver = {"method": "rk4", "options": {"num_steps": 1}}
    layer = keras.layers.serialize(ODELayer(dynamics, **solver))
    ended = []
    for cached in (False, True):
        keras.utils.set_random_seed(1)
        block = keras.layers.deserialize(layer)
        model = classifier(block, "feature_map" if on_map else "pooled")
        model.compile(keras.optimizers.Adam(0.01), loss(), metrics=["accuracy"])
        model.optimizer.build(model.trainable_variables)
        data = features_of(config, model, digits) if cached else digits
        forward = model.classify if cached else None
        loop = Loop(model, tf.distribute.get_strategy(), forward=forward)
        validation = evaluation_batches(data, "validation", 32), 5
        epochs = training_batches(data, 32, 0, 0, 2)
        loop.fit(epochs, 4, *validation, range(2), [], verbose=0)
        ended.append((loop.evaluate(*validation), model.get_weights()))
    (through, weights), (on_features, others) = ended
    assert on_features == pytest.approx(through, rel=1e-3)
    for left, right in zip(weights, others, strict=True):
        assert np.allclose(left, right, rtol=1e-3, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("defaults", "changes"),
    [(BASELINE, {}), (NODE_RK, {}), (NODE_RK, {"dynamics": "conv"})],
    ids=["none", "ode", "map"],
)
def test_numbers_on_features_are_those_through_the_backbone(
    defaults, changes, tmp_path, capsys
):
    def run(name, **more):
        config = quick(
            defaults, tmp_path / name, epochs=2, train_examples=64,
            freeze_backbone=True, hidden_units=8, cache_dir=str(tmp_path / "cache"),
            **changes, **more,
        )  # fmt: skip
        return config, run_experiment(config, verbose=0)

    _, through = run("through", cache_features="off")
    config, on_features = run("on_features")
    assert "Training on the features of 567 images" in capsys.readouterr().out
    for row, other in zip(
        through.read_history(), on_features.read_history(), strict=True
    ):
        assert {**other, "seconds": 0} == pytest.approx(
            {**row, "seconds": 0}, rel=1e-3, abs=1e-5
        )
    metrics, others = through.read_metrics(), on_features.read_metrics()
    for split in ("train", "validation", "test"):
        assert others[split] == pytest.approx(metrics[split], rel=1e-3)
    assert metrics["features"] is None and others["features"]["bytes"] > 0
    predictions = through.read_predictions()["predicted"]
    assert (on_features.read_predictions()["predicted"] == predictions).mean() > 0.98
    for left, right in zip(
        load_model(through.model_path).get_weights(),
        load_model(on_features.model_path).get_weights(),
        strict=True,
    ):
        assert np.allclose(left, right, rtol=1e-3, atol=1e-4)


@pytest.mark.slow
def test_a_run_on_features_goes_on_after_a_stop(tmp_path):
    def config(name):
        return quick(
            BASELINE, tmp_path / name, epochs=2, train_examples=64, freeze_backbone=True
        )

    assert stopped_after_an_epoch(config("stopped")).checkpoints.epochs_done == 1
    same_numbers(
        run_experiment(config("stopped"), verbose=0),
        run_experiment(config("whole"), verbose=0),
    )


def test_augmented_images_have_no_features_to_keep(config, capsys):
    workers = Workers(tf.distribute.get_strategy())
    for changes in ({"augment": True}, {"hflip": True}):
        augmented = dataclasses.replace(config, **changes)
        assert not module.are_cached(augmented, workers)
    assert "augmentation makes other images" in capsys.readouterr().out
    assert module.are_cached(config, workers)
    off = dataclasses.replace(config, cache_features="off")
    assert not module.are_cached(off, workers)
    assert not module.are_cached(dataclasses.replace(off, freeze_backbone=False), workers)
    assert capsys.readouterr().out == ""
