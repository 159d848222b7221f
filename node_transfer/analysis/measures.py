"""Numbers of a model's runs, a seed each: what tables and verdict are made of.

Where nothing else is said, a function takes a sweep and a model's name and returns a
seed to a number.
"""

import math

from node_transfer.analysis.paired import Difference, paired_difference
from node_transfer.analysis.runs import Sweep
from node_transfer.analysis.stability import (
    Statistic,
    epochs_to_reach,
    is_loss,
    seconds_to_reach,
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
    """Validation accuracy after the first epoch less the baseline's last.

    What adding the block and changing the optimizer cost at first; of models that start
    from the trained baseline.
    """
    if not starts_warm(sweep, name):
        return {}
    starts = last(sweep, "baseline", "val_accuracy")
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


def epochs_to_target(sweep: Sweep, name: str) -> dict[int, float]:
    """Epochs of its own until a model's validation accuracy is the baseline's best.

    The target is that of the same seed; infinite where it is never reached.
    """
    targets = best_validation(sweep, "baseline")
    return {
        seed: epochs_to_reach(run.history["val_accuracy"], targets[seed]) or math.inf
        for seed, run in sweep.of(name).items()
        if seed in targets
    }


def seconds_to_target(sweep: Sweep, name: str) -> dict[int, float]:
    """As `epochs_to_target`, in seconds of training."""
    targets = best_validation(sweep, "baseline")
    return {
        seed: seconds_to_reach(
            run.history["val_accuracy"], run.history["seconds"], targets[seed]
        )
        or math.inf
        for seed, run in sweep.of(name).items()
        if seed in targets
    }


def epochs_difference(sweep: Sweep, left: str, right: str) -> Difference | None:
    """Returns the paired difference in `epochs_to_target`, to within half an epoch.

    `None` where one of them never reaches it.
    """
    return paired_difference(
        epochs_to_target(sweep, left), epochs_to_target(sweep, right), resolution=1
    )


def curve_statistic(
    sweep: Sweep, name: str, statistic: Statistic, curve: str, first: int | None = None
) -> dict[int, float]:
    """A statistic of a curve of the history, of its `first` epochs; `None`: of all."""
    return {
        seed: statistic.compute(run.history[curve][:first], is_loss(curve))
        for seed, run in sweep.of(name).items()
    }


def curve_difference(
    sweep: Sweep, left: str, right: str, statistic: Statistic, curve: str
) -> Difference | None:
    """Returns the paired difference in a statistic of a curve.

    Two models that both start cold are compared over the epochs that both have, since
    a curve changes most while it still rises. `None` where a value is not finite.
    """
    common = None
    if not (starts_warm(sweep, left) or starts_warm(sweep, right)):
        lengths = (*epochs(sweep, left).values(), *epochs(sweep, right).values())
        common = min(lengths, default=None)
    return paired_difference(
        curve_statistic(sweep, left, statistic, curve, common),
        curve_statistic(sweep, right, statistic, curve, common),
    )
