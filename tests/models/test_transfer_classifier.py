"""The classifier: its parts, and how it is saved and loaded."""

import copy

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


@pytest.mark.parametrize(
    ("kind", "layers"),
    [
        ("no block", ["images", "resizing", "small", "pooling", "head"]),
        ("dense", ["images", "resizing", "small", "pooling", "block", "head"]),
        ("conv", ["images", "resizing", "small", "block", "pooling", "head"]),
    ],
)
def test_model_is_a_functional_one_of_its_parts(kind, layers):
    model = MODELS[kind]()
    if model.block is not None:
        layers = [model.block.name if name == "block" else name for name in layers]
    assert [layer.name for layer in model.layers] == layers
    assert model.get_layer("small") is model.backbone
    assert (model.layers[0].output.shape, model.output_shape) == (
        (None, None, None, 3), (None, 5),
    )  # fmt: skip
    assert isinstance(model, keras.Model)


@pytest.mark.parametrize(
    ("layer", "shape", "parameters"),
    [("small", "(None, 8, 8, 8)", "256"), ("head", "(None, 5)", "45")],
)
def test_summary_shows_a_part_with_its_shape_and_weights(layer, shape, parameters):
    lines = []
    MODELS["dense"]().summary(print_fn=lines.append)
    (row,) = [x for x in lines[0].splitlines() if f" {layer} (" in x]
    assert [cell.strip() for cell in row.split("│")[2:4]] == [shape, parameters]


def test_model_can_be_drawn():
    pytest.importorskip("pydot")
    dot = keras.utils.model_to_dot(MODELS["dense"]())
    assert len(dot.get_edges()) == 5


@keras.saving.register_keras_serializable(package="tests")
class Widen(keras.layers.Layer):
    """A block that appends zeros to the channels."""

    def call(self, inputs):
        return keras.ops.concatenate([inputs, keras.ops.zeros_like(inputs)], axis=-1)


@pytest.mark.parametrize("block_input", ["pooled", "feature_map"])
def test_head_takes_what_the_block_gives(block_input, tmp_path):
    model = TransferClassifier(small_backbone(), 5, Widen(), block_input)
    assert model.head.kernel.shape == (16, 5)
    saving.save_model(model, tmp_path / "model.keras")
    again = load_model(tmp_path / "model.keras")
    left, right = (m.predict(IMAGES, verbose=0) for m in (model, again))
    assert np.array_equal(left, right)


def test_batch_statistics_are_those_of_training_only_in_training():
    model = MODELS["no block"]()
    norm = model.backbone.layers[-1]
    model(IMAGES, training=False)
    assert np.array_equal(norm.moving_mean, np.zeros(8))
    model(IMAGES, training=True)
    assert np.any(norm.moving_mean != 0)


@pytest.mark.slow
def test_config_makes_the_same_model_twice_and_stays_as_it_was():
    keras.config.set_dtype_policy("mixed_bfloat16")
    model = MODELS["conv"]()
    config = model.get_config()
    before = copy.deepcopy(config)
    TransferClassifier.from_config(config)
    again = TransferClassifier.from_config(config)
    assert config == before
    assert again.get_config()["block_input"] == "feature_map"
    again.set_weights(model.get_weights())
    assert np.array_equal(
        model.predict(IMAGES, verbose=0), again.predict(IMAGES, verbose=0)
    )


def test_clone_by_config_is_a_classifier_with_weights_of_its_own():
    model = MODELS["dense"]()
    clone = TransferClassifier.from_config(model.get_config())
    assert type(clone) is TransferClassifier
    assert isinstance(clone.block, ODELayer)
    assert not {id(v) for v in clone.variables} & {id(v) for v in model.variables}
    assert not np.array_equal(clone.head.kernel, model.head.kernel)
    assert not hasattr(keras.models.clone_model(model), "block")  # as documented


def test_frozen_backbone_is_frozen_in_the_reloaded_model(tmp_path):
    backbone = small_backbone()
    backbone.trainable = False
    model = TransferClassifier(backbone, 5)
    saving.save_model(model, tmp_path / "model.keras")
    again = load_model(tmp_path / "model.keras")
    assert [v.path for v in again.trainable_variables] == ["head/kernel", "head/bias"]
    model.trainable = False
    assert not TransferClassifier.from_config(model.get_config()).trainable_variables


def test_frozen_head_is_frozen_in_the_reloaded_model(tmp_path):
    model = MODELS["dense"]()
    model.head.trainable = False
    saving.save_model(model, tmp_path / "model.keras")
    again = load_model(tmp_path / "model.keras")
    assert not again.head.trainable
    assert again.trainable
    assert len(again.trainable_variables) == len(model.trainable_variables)


def test_weights_alone_read_back_into_a_new_model(tmp_path):
    model, again = MODELS["conv"](), MODELS["conv"]()
    model.save_weights(tmp_path / "model.weights.h5")
    again.load_weights(tmp_path / "model.weights.h5")
    for left, right in zip(model.get_weights(), again.get_weights(), strict=True):
        assert np.array_equal(left, right)


def test_mixed_precision_is_kept_in_the_file(tmp_path):
    keras.config.set_dtype_policy("mixed_bfloat16")
    model = MODELS["no block"]()
    saving.save_model(model, tmp_path / "model.keras")
    before = model.predict(IMAGES, verbose=0)
    keras.config.set_dtype_policy("float32")
    again = load_model(tmp_path / "model.keras")
    assert again.dtype_policy.name == "mixed_bfloat16"
    assert again.pooling.compute_dtype == "bfloat16"
    assert np.array_equal(before, again.predict(IMAGES, verbose=0))


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(kind, marks=[pytest.mark.slow] if kind == "conv" else [])
        for kind in MODELS
    ],
)
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


@pytest.mark.slow
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


@keras.saving.register_keras_serializable(package="tests")
def halved(x):
    """An activation of another package."""
    return x / 2


@pytest.mark.parametrize(
    ("name", "block", "complaint"),
    [
        ("tests>Widen", Widen, "the class 'tests>Widen', which"),
        (
            "tests>Widen",
            lambda: keras.Sequential([Widen()]),
            "the class 'tests>Widen', which",
        ),
        (
            "tests>halved",
            lambda: keras.layers.Dense(2, activation=halved),
            "the function 'tests>halved', which",
        ),
    ],
    ids=["block", "inside a block", "function"],
)
def test_model_of_a_package_not_imported_names_what_is_missing(
    name, block, complaint, tmp_path, monkeypatch
):
    path = tmp_path / "model.keras"
    saving.save_model(TransferClassifier(small_backbone(), 5, block()), path)
    monkeypatch.delitem(keras.saving.get_custom_objects(), name)
    with pytest.raises(UserError, match="import the package that defines it") as raised:
        load_model(path)
    assert complaint in str(raised.value)
    assert "\n" not in str(raised.value)


class Unregistered(keras.layers.Layer):
    """A layer of a package that has forgotten to register it."""

    def call(self, inputs):
        return -inputs


def test_model_with_a_class_that_was_not_registered_says_how_to_load_it(tmp_path):
    path = tmp_path / "model.keras"
    model = TransferClassifier(small_backbone(), 5, Unregistered())
    saving.save_model(model, path)
    with pytest.raises(UserError, match="class 'Unregistered', which was not registered"):
        load_model(path)
    with keras.saving.custom_object_scope({"Unregistered": Unregistered}):
        again = load_model(path)
    assert np.array_equal(again(IMAGES), model(IMAGES))
