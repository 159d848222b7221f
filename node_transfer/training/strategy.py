"""Devices: how many replicas of the model train, and what they run on."""

import platform

import tensorflow as tf

from node_transfer.runs.config import ExperimentConfig


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


def environment(config: ExperimentConfig, strategy: tf.distribute.Strategy) -> dict:
    """Versions and devices, for the run's record."""
    from importlib import metadata

    packages = (
        "tensorflow",
        "keras",
        "tensorflow-probability",
        "tensorflow-datasets",
        "numpy",
        "scikit-learn",
    )
    gpus = [
        tf.config.experimental.get_device_details(gpu).get("device_name", "GPU")
        for gpu in tf.config.list_physical_devices("GPU")
    ]
    return {
        "versions": {
            "python": platform.python_version(),
            **{package: metadata.version(package) for package in packages},
        },
        "device": {
            "gpus": gpus,
            "cpu": platform.machine(),
            "cpu_threads": tf.config.threading.get_intra_op_parallelism_threads()
            or _cores(),
            "replicas": strategy.num_replicas_in_sync,
        },
        "seed": config.seed,
    }


def _cores() -> int:
    import os

    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 0
