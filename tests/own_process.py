"""Tests that want a process of their own.

TensorFlow numbers the collective operations of every `MirroredStrategy` from the same
start, so two strategies in one process can meet in one operation ("Shape mismatch in the
collective instance").
"""

import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor


def two_devices() -> None:
    """Splits the CPU into two logical devices; before TensorFlow's first operation."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import tensorflow as tf

    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0],
        [tf.config.LogicalDeviceConfiguration()] * 2,
    )


def in_own_process(function, *arguments):
    """Returns what a function of a test module returns, or raises what it raises."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn, initializer=two_devices) as pool:
        return pool.submit(function, *arguments).result()
