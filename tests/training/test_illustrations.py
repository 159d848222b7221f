"""Images and paths for the report of a run, against the model itself."""

import io

import keras
import numpy as np
import pytest

from node_transfer import ConvDynamics, DenseDynamics, ODELayer, TransferClassifier
from node_transfer.data.loading import load_data
from node_transfer.layers.augmented_ode_layer import AugmentedODELayer
from node_transfer.training.illustrations import illustrations


def classifier(channels, block, block_input="pooled"):
    images = keras.Input((32, 32, 3))
    x = keras.layers.Conv2D(channels, 3, strides=8)(keras.layers.Rescaling(0.01)(images))
    return TransferClassifier(keras.Model(images, x), 10, block, block_input)


@pytest.fixture(scope="module")
def digits():
    return load_data("digits")


@pytest.fixture(scope="module")
def predictions(digits):
    labels = np.array([label for _, label in digits.splits["test"].as_numpy_iterator()])
    predicted = labels.copy()
    wrong = np.array([5, 300, 17])
    predicted[wrong] = (predicted[wrong] + 1) % 10
    probability = np.full(360, 0.9, np.float16)
    probability[wrong] = [0.3, 0.8, 0.6]
    return {"label": labels, "predicted": predicted, "probability": probability}


@pytest.mark.parametrize("solver", [{}, {"method": "rk4", "options": {"num_steps": 3}}])
def test_paths_go_from_the_features_to_what_the_block_makes_of_them(
    solver, digits, predictions
):
    """Of two channels the plane is the whole space, so distances stay as they are."""
    model = classifier(2, ODELayer(DenseDynamics(8), **solver))
    arrays = illustrations(model, digits, None, predictions)
    points, labels = arrays["path_point"], arrays["path_label"]
    times = 4 if solver else 21
    assert points.shape == (60, times, 2) and len(arrays["path_time"]) == times
    assert np.bincount(labels).tolist() == [6] * 10
    assert arrays["path_variance"].sum() == pytest.approx(1)
    chosen = np.concatenate(
        [np.flatnonzero(predictions["label"] == k)[:6] for k in range(10)]
    )
    images = np.stack([x for x, _ in digits.splits["test"].as_numpy_iterator()])[chosen]
    features = model.features(images.astype("float32"))
    ends = np.stack([features, model.block(features)], axis=1).reshape(-1, 2)
    ours = points[:, [0, -1]].reshape(-1, 2)
    for states in (ends, ours):
        states -= states[0].copy()
    assert np.allclose(
        np.linalg.norm(ours[:, None] - ours, axis=-1),
        np.linalg.norm(ends[:, None] - ends, axis=-1),
        atol=1e-3,
    )


def test_the_surest_mistakes_are_first_and_all_is_small(digits, predictions):
    model = classifier(6, ODELayer(ConvDynamics(6)), "feature_map")
    arrays = illustrations(model, digits, None, predictions)
    assert arrays["wrong_index"].tolist() == [300, 17, 5]
    images = [x for x, _ in digits.splits["test"].as_numpy_iterator()]
    assert np.array_equal(
        arrays["wrong_image"], np.stack([images[i] for i in (300, 17, 5)])
    )
    assert arrays["path_point"].shape == (60, 21, 2)
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    assert len(file.getvalue()) < 200_000


def test_an_augmented_state_is_shown_with_its_channels(digits, predictions):
    block = AugmentedODELayer(DenseDynamics(4), augment_channels=2)
    arrays = illustrations(classifier(3, block), digits, None, predictions)
    assert arrays["path_point"].shape == (60, 21, 2)
    starts = arrays["path_point"][:, 0]
    assert np.ptp(starts, axis=0).min() > 0


def test_a_model_without_mistakes_or_ode_has_none(digits, predictions):
    right = {**predictions, "predicted": predictions["label"]}
    arrays = illustrations(classifier(3, None), digits, None, right)
    assert set(arrays) == {"wrong_index", "wrong_image"}
    assert arrays["wrong_image"].shape == (0, 32, 32, 3)
