"""What Keras computes slowly while a network trains on a CPU, by quicker operations.

The same outputs, gradients and moving averages to rounding, in training alone: config,
weights, saved files, inference and what runs on a GPU stay as they are, and so does a
`call` of one's own.
"""

import keras

from node_transfer.models.cpu_training import batch_normalization, depthwise, pointwise


def prepare(network: keras.Model) -> None:
    """Makes layers of Keras's own classes do as `switch.quick` says."""
    for layer in network._flatten_layers():
        batch_normalization.prepare(layer)
        depthwise.prepare(layer)
        pointwise.prepare(layer)
