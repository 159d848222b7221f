"""Devices: how many replicas of the model train, and what they run on."""

import tensorflow as tf


def make_strategy(name: str) -> tf.distribute.Strategy:
    """Returns the strategy of a config.

    Args:
        name: `"one_device"`; `"mirrored"`: one replica on each GPU, or on each logical
            CPU where there is no GPU; `"auto"`: mirrored where there are several GPUs.
    """
    gpus = tf.config.list_logical_devices("GPU")
    if name == "mirrored" or (name == "auto" and len(gpus) > 1):
        devices = gpus or tf.config.list_logical_devices("CPU")
        return tf.distribute.MirroredStrategy([device.name for device in devices])
    return tf.distribute.get_strategy()
