"""From a config to a model."""

import dataclasses

import keras
import numpy as np
import pytest

from node_transfer import load_model
from node_transfer.models.pretrained import WeightsSource
from node_transfer.runs.config import BASELINE, NODE_RK
from tests.training.made import quick


def test_mixed_precision_is_a_policy_of_the_backbone_alone(tmp_path):
    from node_transfer.training.build import build_model

    config = quick(
        NODE_RK,
        tmp_path / "run",
        backbone="EfficientNetB0",
        mixed_precision="mixed_bfloat16",
    )
    keras.config.set_dtype_policy(config.dtype_policy)
    model, _ = build_model(config, 32, 10)
    assert model.backbone.layers[-1].compute_dtype == "bfloat16"
    assert model.block.dynamics.compute_dtype == "float32"
    assert isinstance(model.head, keras.layers.Dense)
    assert model.head.compute_dtype == "float32"


def test_a_run_leaves_the_policy_of_its_process_as_it_was(tmp_path, monkeypatch):
    from node_transfer.training import experiment

    def run(run, config, *_):
        keras.config.set_dtype_policy(config.dtype_policy)

    monkeypatch.setattr(experiment, "_run", run)
    config = quick(BASELINE, tmp_path / "run", mixed_precision="mixed_float16")
    experiment.run_experiment(config, verbose=0)
    assert keras.config.dtype_policy().name == "float32"


def test_models_of_one_seed_start_from_the_same_final_layer(tmp_path):
    from node_transfer.training.build import build_model

    kernels = []
    for config, seed in ((BASELINE, 1), (NODE_RK, 1), (BASELINE, 2)):
        config = quick(
            config, tmp_path / "run", seed=seed, backbone="EfficientNetB0", image_size=32
        )
        keras.utils.set_random_seed(seed)
        model, _ = build_model(config, 32, 10)
        kernels.append(model.head.kernel.numpy())
    assert np.array_equal(kernels[0], kernels[1])
    assert not np.array_equal(kernels[0], kernels[2])


@pytest.mark.parametrize("blocks", [("anode", "ode"), ("ode", "anode"), ("anode",) * 2])
def test_a_final_layer_fits_a_block_of_more_channels_and_of_fewer(
    blocks, monkeypatch, tmp_path
):
    from node_transfer.models.saving import save_model
    from node_transfer.training import build

    def tiny(name, weights, image_size):
        x = inputs = keras.Input((image_size, image_size, 3))
        x = keras.layers.Conv2D(6, 5, strides=4)(x)
        return keras.Model(inputs, x, name="efficientnetb0"), WeightsSource("none", "")

    monkeypatch.setattr(build, "backbone_with_source", tiny)
    first, second = (
        quick(NODE_RK, tmp_path / "run", block=block, augment_channels=2)
        for block in blocks
    )
    earlier, _ = build.build_model(build.resolve_backbone(first), 32, 10)
    save_model(earlier, tmp_path / "model.keras")
    second = dataclasses.replace(
        second, weights=None, init_from=str(tmp_path / "model.keras")
    )
    model, _ = build.build_model(second, 32, 10)
    ours, theirs = (np.array(m.head.kernel) for m in (model, earlier))
    rows = {"ode": 6, "anode": 8}
    assert [len(ours), len(theirs)] == [rows[block] for block in reversed(blocks)]
    shared = min(map(len, (ours, theirs)))
    assert np.array_equal(ours[:shared], theirs[:shared])
    assert not ours[shared:].any()


@pytest.mark.slow
def test_b0_trains_on_cifar10_and_reloads_to_identical_predictions(
    whole_b0, cifar10_dir, tmp_path
):
    from node_transfer.data.loading import load_data
    from node_transfer.data.pipelines import training_batches
    from node_transfer.models.saving import save_model
    from node_transfer.training.build import build_model, resolve_backbone
    from node_transfer.training.evaluation import loss

    data = load_data("cifar10", data_dir=cifar10_dir, train_examples=5000)
    config = resolve_backbone(dataclasses.replace(BASELINE, weights="none"))
    model, _ = build_model(config, 32, 10)
    model.compile("adam", loss(), metrics=["accuracy"])
    history = model.fit(training_batches(data, 128, 0, 0, 1), verbose=0).history
    assert history["accuracy"][0] > 0.11  # of ten classes, after 40 steps
    images = np.stack([x for x, _ in data.splits["test"].take(256)]).astype("float32")
    before = model.predict(images, verbose=0)
    save_model(model, tmp_path / "model.keras")
    after = load_model(tmp_path / "model.keras").predict(images, verbose=0)
    assert np.array_equal(before, after)
