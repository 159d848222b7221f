"""Configs that train in seconds."""

import dataclasses

import keras

from node_transfer.models.pretrained import WeightsSource

# A program for `python -c`, with a short EfficientNetB0.
START = (
    "from tests.training.conftest import shorten_b0; shorten_b0()\n"
    "from node_transfer.cli.main import main; main()"
)
QUICK = {"dataset": "digits", "weights": "none", "batch_size": 32, "report": False}


def quick(config, path, **changes):
    return dataclasses.replace(config, **{**QUICK, "output_dir": str(path), **changes})


def same_weights(layer, other) -> bool:
    pairs = zip(layer.get_weights(), other.get_weights(), strict=True)
    return all((left == right).all() for left, right in pairs)


def same_numbers(run, again) -> None:
    """Checks that two finished runs have the same history and metrics but for seconds."""
    for row, row_again in zip(run.read_history(), again.read_history(), strict=True):
        assert {**row, "seconds": 0} == {**row_again, "seconds": 0}
    metrics, metrics_again = run.read_metrics(), again.read_metrics()
    for name in ("train", "validation", "test", "epochs", "nfe"):
        assert metrics[name] == metrics_again[name]
    predictions, predictions_again = run.read_predictions(), again.read_predictions()
    for name, array in predictions.items():
        assert (array == predictions_again[name]).all()


def with_state(input_shape):
    """A backbone that is traced in a moment, of layers that keep something of a run."""
    images = keras.Input(input_shape)
    x = keras.layers.Rescaling(1 / 255)(images)
    x = keras.layers.Conv2D(8, 5, strides=4)(x)
    x = keras.layers.BatchNormalization(momentum=0.9)(x)
    x = keras.layers.Dropout(0.2)(keras.layers.Activation("relu")(x))
    return keras.Model(images, x, name="with_state")


def tiny_backbone(name, weights, image_size):
    x = inputs = keras.Input((image_size, image_size, 3))
    x = keras.layers.Rescaling(1 / 255)(x)
    x = keras.layers.Conv2D(8, 5, strides=4)(x)
    source = WeightsSource("random", "random initial weights")
    return keras.Model(inputs, x, name="efficientnetb0"), source
