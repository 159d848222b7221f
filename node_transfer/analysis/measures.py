"""Numbers of a model's runs, a seed each: what tables and claims are made of.

Where nothing else is said, a function takes a sweep and a model's name and returns a
seed to a number.
"""

import math

from node_transfer.analysis import roughness
from node_transfer.analysis.roughness import level
from node_transfer.analysis.runs import Sweep
from node_transfer.analysis.stability import (
    is_loss,
    seconds_to_reach,
    setbacks_over_one_point,
)


def shared_seeds(sweep: Sweep, left: str, right: str) -> list[int]:
    """Returns the seeds that two models both have a run of."""
    return sorted(sweep.of(left).keys() & sweep.of(right).keys())


def starts_warm(sweep: Sweep, name: str) -> bool:
    """Returns whether a model's runs start from the network of another run."""
    runs = sweep.of(name).values()
    return any(run.experiment.init_from for run in runs)


def epochs(sweep: Sweep, name: str) -> dict[int, int]:
    """Epochs that each run trained for; without those of a warm start."""
    return {seed: run.epochs for seed, run in sweep.of(name).items()}


def accuracy(sweep: Sweep, name: str, split: str = "test") -> dict[int, float]:
    """Accuracy of the saved model on a split, as a fraction of 1."""
    return {s: run.metrics[split]["accuracy"] for s, run in sweep.of(name).items()}


def best_validation(sweep: Sweep, name: str) -> dict[int, float]:
    """The highest validation accuracy of any epoch."""
    return {s: max(run.history["val_accuracy"]) for s, run in sweep.of(name).items()}


def last(sweep: Sweep, name: str, column: str) -> dict[int, float]:
    """The last value of a column of the history, of the runs that have it."""
    runs = sweep.of(name).items()
    return {s: run.history[column][-1] for s, run in runs if column in run.history}


def first_change(sweep: Sweep, name: str) -> dict[int, float]:
    """Validation accuracy after the first epoch less that before it.

    What the optimizer costs at first, of models that start from a trained baseline: that
    before it is the start's with the block in it, or the baseline's last where a run did
    not record its own.
    """
    if not starts_warm(sweep, name):
        return {}
    starts = last(sweep, "baseline", "val_accuracy") | {
        seed: run.config["start"]["val_accuracy"]
        for seed, run in sweep.of(name).items()
        if "start" in run.config
    }
    return {
        seed: run.history["val_accuracy"][0] - starts[seed]
        for seed, run in sweep.of(name).items()
        if seed in starts
    }


def training_seconds(sweep: Sweep, name: str) -> dict[int, float]:
    """Seconds of all epochs, validation included; without those of a warm start."""
    return {s: math.fsum(run.history["seconds"]) for s, run in sweep.of(name).items()}


def seconds_per_epoch(sweep: Sweep, name: str) -> dict[int, float]:
    """Seconds of the median epoch."""
    return {s: run.metrics["seconds"]["epoch"] for s, run in sweep.of(name).items()}


def baselines_level(sweep: Sweep, curve: str = "val_accuracy") -> dict[int, float]:
    """Where the baseline of each seed arrived, see `roughness.level`."""
    return {s: level(run.history[curve]) for s, run in sweep.of("baseline").items()}


def epochs_to_level(
    sweep: Sweep, name: str, curve: str = "val_accuracy"
) -> dict[int, float]:
    """Epochs of its own until a model's curve is at the level of the same baseline.

    The baseline's of the same seed; infinite where it is never reached.
    """
    targets = baselines_level(sweep, curve)
    return {
        seed: roughness.epochs_to_level(
            run.history[curve], targets[seed], loss=is_loss(curve)
        )
        for seed, run in sweep.of(name).items()
        if seed in targets
    }


def seconds_to_level(sweep: Sweep, name: str) -> dict[int, float]:
    """As `epochs_to_level`, in seconds of training."""
    targets = baselines_level(sweep)
    return {
        seed: seconds_to_reach(
            run.history["val_accuracy"], run.history["seconds"], targets[seed]
        )
        or math.inf
        for seed, run in sweep.of(name).items()
        if seed in targets
    }


def roughness_of(sweep: Sweep, name: str, curve: str, window: str) -> dict[int, float]:
    """Roughness of a curve over a window of `roughness.WINDOWS`; NaN where it is none."""
    return {
        seed: roughness.roughness(
            run.history[curve], roughness.WINDOWS[window], run.history["learning_rate"]
        )
        for seed, run in sweep.of(name).items()
    }


def deepest_drop(sweep: Sweep, name: str, curve: str) -> dict[int, float]:
    """Deepest fall below the best so far, the value before the first epoch included.

    That value is known of validation curves whose run recorded it; the first epoch's
    stands in where it is not.
    """
    return {
        seed: roughness.deepest_drop(
            run.history[curve],
            run.config.get("start", {}).get(curve, run.history[curve][0]),
            is_loss(curve),
        )
        for seed, run in sweep.of(name).items()
    }


def falls(sweep: Sweep, name: str, curve: str) -> dict[int, float]:
    """Number of epochs with a fall of more than a point, of a loss a rise by 0.01."""
    return {
        seed: setbacks_over_one_point(run.history[curve], is_loss(curve))
        for seed, run in sweep.of(name).items()
    }
