"""Numbers of a model's runs, a seed each: what tables and verdict are made of.

Every function takes a sweep and a model's name and returns a seed to a number.
"""

import math
from collections.abc import Callable, Sequence

from node_transfer.analysis.paired import Difference, paired_difference
from node_transfer.analysis.runs import Sweep
from node_transfer.analysis.stability import (
    epochs_to_reach,
    seconds_to_reach,
)


def accuracy(sweep: Sweep, name: str, split: str = "test") -> dict[int, float]:
    """Accuracy of the saved model on a split, as a fraction of 1."""
    return {s: run.metrics[split]["accuracy"] for s, run in sweep.of(name).items()}


def best_validation(sweep: Sweep, name: str) -> dict[int, float]:
    """The highest validation accuracy of any epoch."""
    return {s: max(run.history["val_accuracy"]) for s, run in sweep.of(name).items()}


def training_seconds(sweep: Sweep, name: str) -> dict[int, float]:
    """Seconds of all epochs, validation included; without those of a warm start."""
    return {s: math.fsum(run.history["seconds"]) for s, run in sweep.of(name).items()}


def seconds_per_epoch(sweep: Sweep, name: str) -> dict[int, float]:
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
    result = {}
    for seed, run in sweep.of(name).items():
        if seed in targets:
            history = run.history
            seconds = seconds_to_reach(
                history["val_accuracy"], history["seconds"], targets[seed]
            )
            result[seed] = math.inf if seconds is None else seconds
    return result


def validation_statistic(
    sweep: Sweep,
    name: str,
    compute: Callable[[Sequence[float]], float],
    epochs: int | None = None,
) -> dict[int, float]:
    """A statistic of the curve of validation accuracy, of its first `epochs`."""
    return {
        seed: compute(run.history["val_accuracy"][:epochs])
        for seed, run in sweep.of(name).items()
    }


def starts_warm(sweep: Sweep, name: str) -> bool:
    """Whether the model's runs start from the network of another run."""
    runs = sweep.of(name).values()
    return any(run.config["experiment"].get("init_from") for run in runs)


def validation_statistic_difference(
    sweep: Sweep, left: str, right: str, compute: Callable[[Sequence[float]], float]
) -> Difference | None:
    """The paired difference in a statistic of the curve of validation accuracy.

    Two models that both start cold are compared over the epochs that both have, since
    a curve changes most while it still rises.
    """
    epochs = None
    if not (starts_warm(sweep, left) or starts_warm(sweep, right)):
        runs = [*sweep.of(left).values(), *sweep.of(right).values()]
        epochs = min((run.epochs for run in runs), default=None)
    return paired_difference(
        validation_statistic(sweep, left, compute, epochs),
        validation_statistic(sweep, right, compute, epochs),
    )


def epochs_difference(sweep: Sweep, left: str, right: str) -> Difference | None:
    """The paired difference in `epochs_to_target`; `None` where one never reaches it."""
    return paired_difference(
        epochs_to_target(sweep, left), epochs_to_target(sweep, right)
    )
