"""The classifier, saved and loaded."""

import keras
import numpy as np
import pytest

from node_transfer import (
    ConvDynamics,
    DenseDynamics,
    ODELayer,
    TransferClassifier,
    load_model,
)
from node_transfer.errors import UserError
from node_transfer.models import saving

IMAGES = np.random.default_rng(0).integers(0, 256, (6, 32, 32, 3)).astype("float32")


def small_backbone():
    """A functional backbone of a few layers: any Keras model will do."""
    inputs = keras.Input((32, 32, 3))
    x = keras.layers.Rescaling(1 / 255)(inputs)
    x = keras.layers.Conv2D(8, 3, strides=4, activation="relu")(x)
    x = keras.layers.BatchNormalization()(x)
    return keras.Model(inputs, x, name="small")


MODELS = {
    "no block": lambda: TransferClassifier(small_backbone(), 5),
    "dense": lambda: TransferClassifier(small_backbone(), 5, ODELayer(DenseDynamics(4))),
    "conv": lambda: TransferClassifier(
        small_backbone(), 5, ODELayer(ConvDynamics(4)), "feature_map"
    ),
}


@pytest.mark.parametrize("kind", MODELS)
def test_model_trains_saves_and_reloads_bit_for_bit(kind, tmp_path):
    model = MODELS[kind]()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, metrics=["accuracy"])
    labels = np.arange(6) % 5
    history = model.fit(IMAGES, labels, epochs=3, verbose=0).history
    assert history["loss"][-1] < history["loss"][0]
    path = tmp_path / "model.keras"
    saving.save_model(model, path)
    assert list(tmp_path.iterdir()) == [path]
    again = load_model(path)
    assert np.array_equal(
        model.predict(IMAGES, verbose=0), again.predict(IMAGES, verbose=0)
    )
    assert (again.num_classes, again.image_size) == (5, 32)


def test_reloaded_model_trains_on(tmp_path):
    model = MODELS["dense"]()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss)
    model.fit(IMAGES, np.arange(6) % 5, verbose=0)
    saving.save_model(model, tmp_path / "model.keras")
    again = load_model(tmp_path / "model.keras", compile=True)
    both = [m.fit(IMAGES, np.arange(6) % 5, epochs=2, verbose=0) for m in (model, again)]
    assert both[0].history["loss"] == pytest.approx(both[1].history["loss"], rel=1e-5)


def test_logits_are_float32_under_mixed_precision():
    keras.config.set_dtype_policy("mixed_bfloat16")
    assert MODELS["dense"]()(IMAGES).dtype == "float32"


def test_wrong_arguments_are_refused():
    with pytest.raises(ValueError, match="block_input is 'top'"):
        TransferClassifier(small_backbone(), 5, block_input="top")
    with pytest.raises(ValueError, match="num_classes is 0"):
        TransferClassifier(small_backbone(), 0)


def test_model_file_that_cannot_be_loaded_is_one_sentence(tmp_path):
    whole = tmp_path / "whole.keras"
    saving.save_model(MODELS["no block"](), whole)
    truncated = tmp_path / "truncated.keras"
    truncated.write_bytes(whole.read_bytes()[:-2000])
    text = tmp_path / "text.keras"
    text.write_text("no model")
    for path, complaint in [
        (tmp_path / "missing.keras", "There is no model file"),
        (truncated, "not a saved Keras model, or only the start"),
        (text, "not a saved Keras model"),
    ]:
        with pytest.raises(UserError, match=complaint) as raised:
            load_model(path)
        assert str(path) in str(raised.value)
        assert "\n" not in str(raised.value)
