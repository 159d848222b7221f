"""Optimizers and learning-rate schedules."""

import math

import keras

from node_transfer.runs.config import ExperimentConfig
from node_transfer.training.averages import suited_momentum

# odenet_mnist divides its rate by 10 after these of its 160 epochs.
ODENET_BOUNDARIES = (60 / 160, 100 / 160, 140 / 160)
ODENET_BATCH_SIZE = 128  # its rate is in proportion to the batch
ODENET_MOMENTUM = 0.9


def make_optimizer(config: ExperimentConfig, steps_per_epoch: int, epochs: range):
    """Returns the optimizer of some epochs of an experiment, its schedule in steps.

    Those before the last stage have a constant rate. Weight decay is decoupled, so that
    adam with it is AdamW.

    References: examples/odenet_mnist.py in torchdiffeq, the code of Chen et al. (2018);
    Loshchilov & Hutter (2019), Decoupled Weight Decay Regularization, arXiv:1711.05101.
    """
    last = epochs.stop == config.epochs
    rate = config.learning_rate
    if last:
        rate = learning_rate(config, steps_per_epoch, len(epochs))
    options = {"global_clipnorm": config.clip_norm}
    if config.weight_decay:
        options["weight_decay"] = config.weight_decay
    if config.ema:
        momentum = suited_momentum(config.ema, steps_per_epoch)
        options |= {"use_ema": True, "ema_momentum": momentum}
    if config.optimizer == "sgd":
        return keras.optimizers.SGD(rate, momentum=ODENET_MOMENTUM, **options)
    return keras.optimizers.Adam(rate, **options)


def learning_rate(
    config: ExperimentConfig, steps_per_epoch: int, epochs: int | None = None
):
    """Returns a float, or a Keras schedule from the number of steps to the rate.

    Args:
        config: The experiment.
        steps_per_epoch: Batches of the training split.
        epochs: Of the schedule; `None`: all of the experiment.

    Reference: Loshchilov & Hutter (2017), SGDR, arXiv:1608.03983 (cosine).
    """
    steps = steps_per_epoch * (config.epochs if epochs is None else epochs)
    rate = config.learning_rate
    if config.lr_schedule == "cosine":
        warmup = config.warmup_epochs * steps_per_epoch
        if warmup:
            return keras.optimizers.schedules.CosineDecay(
                0.0, steps - warmup, warmup_target=rate, warmup_steps=warmup
            )
        return keras.optimizers.schedules.CosineDecay(rate, steps)
    if config.lr_schedule == "odenet_mnist":
        boundaries = [max(1, math.floor(part * steps)) for part in ODENET_BOUNDARIES]
        first = rate * config.batch_size / ODENET_BATCH_SIZE
        rates = [first, first / 10, first / 100, first / 1000]
        return keras.optimizers.schedules.PiecewiseConstantDecay(boundaries, rates)
    return rate
