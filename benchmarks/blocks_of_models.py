"""The paper's block as a trained model has it, with the features of real images."""

import keras
import numpy as np

import node_transfer  # noqa: F401 - makes its layers known to Keras
from benchmarks.block import Block
from node_transfer.data.loading import load_data


def load_model(path: str) -> keras.Model:
    """A `model.keras`; with `:CHECKPOINT` after it, as it was after that epoch."""
    model_path, _, weights_path = path.partition(":")
    model = keras.models.load_model(model_path)
    if weights_path:
        model.load_weights(weights_path)
    return model


def block_of(path: str, images: int, dataset: str = "cifar10") -> Block:
    """The weights of a model's `DenseDynamics`, and features of its first test images.

    Args:
        path: As `load_model` takes it.
        images: How many.
        dataset: Their set.
    """
    model = load_model(path)
    data = load_data(dataset, image_size=model.image_size)
    pictures, _ = next(iter(data.splits["test"].batch(images)))
    features = model.pooling(model.backbone(np.asarray(pictures, "float32")))
    dynamics = model.block.dynamics
    w1, wt, b1, w2, b2 = (
        getattr(dynamics, name).numpy()
        for name in (
            "hidden_kernel", "time_kernel", "hidden_bias", "output_kernel", "output_bias"
        )
    )  # fmt: skip
    return Block(w1, wt, b1, w2, b2, np.asarray(features))
