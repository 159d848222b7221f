"""Optimizers and learning-rate schedules."""

import math

import keras

from node_transfer.runs.config import ExperimentConfig

# odenet_mnist divides its rate by 10 after these of its 160 epochs.
ODENET_BOUNDARIES = (60 / 160, 100 / 160, 140 / 160)
ODENET_BATCH_SIZE = 128  # its rate is in proportion to the batch
ODENET_MOMENTUM = 0.9


def make_optimizer(config: ExperimentConfig, steps_per_epoch: int):
    """Returns the optimizer of an experiment, its schedule in steps.

    Reference: examples/odenet_mnist.py in torchdiffeq, the code of Chen et al. (2018).
    """
    rate = learning_rate(config, steps_per_epoch)
    clip = {"global_clipnorm": config.clip_norm}
    if config.optimizer == "sgd":
        return keras.optimizers.SGD(rate, momentum=ODENET_MOMENTUM, **clip)
    return keras.optimizers.Adam(rate, **clip)


def learning_rate(config: ExperimentConfig, steps_per_epoch: int):
    """Returns a float, or a Keras schedule from the number of steps to the rate."""
    rate, steps = config.learning_rate, config.epochs * steps_per_epoch
    if config.lr_schedule == "cosine":
        return keras.optimizers.schedules.CosineDecay(rate, steps)
    if config.lr_schedule == "odenet_mnist":
        boundaries = [max(1, math.floor(part * steps)) for part in ODENET_BOUNDARIES]
        first = rate * config.batch_size / ODENET_BATCH_SIZE
        rates = [first, first / 10, first / 100, first / 1000]
        return keras.optimizers.schedules.PiecewiseConstantDecay(boundaries, rates)
    return rate
