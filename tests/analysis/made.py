"""Run directories made by hand, with the files that a real run leaves."""

import csv
import json
from pathlib import Path

import numpy as np

from tests.conftest import PROJECT


def bumpy(level, size, seed):
    """A curve that rises to `level` in its last epochs and swings by `size` before."""
    size = size * (1 + 0.05 * seed)
    swings = [level - 0.1 + (size if t % 2 else 0.0) for t in range(9)]
    return [*swings, level, level, level]


def early(level, size, seed):
    """A curve that is at `level` from its first epoch on and swings above it."""
    return [level + (size * (1 + 0.05 * seed) if t % 2 else 0.0) for t in range(12)]


# The block makes it sooner and steadier, and its controls do not.
CLAIM_TRUE = {
    "baseline": lambda s: bumpy(0.8, 0.05, s),
    "node_rk": lambda s: early(0.8, 0.001, s),
    "node_adjoint": lambda s: early(0.8, 0.002, s),
    "more_adam": lambda s: bumpy(0.8, 0.05, s),
    "more_sgd": lambda s: bumpy(0.8, 0.05, s),
}
# The control does as well as the block.
CONTROL_AS_GOOD = CLAIM_TRUE | {
    "more_adam": lambda s: early(0.8, 0.001, s),
    "more_sgd": lambda s: early(0.8, 0.002, s),
}
# The block makes it later and rougher.
CLAIM_FALSE = {
    "baseline": lambda s: early(0.8, 0.001, s),
    "node_rk": lambda s: [0.5] * 12,
    "node_adjoint": lambda s: [0.5] * 12,
    "more_adam": lambda s: early(0.8015, 0.001, s),
    "more_sgd": lambda s: early(0.8015, 0.001, s),
}
COLD = {"node_rk_cold": lambda s: [0.5, 0.6, 0.7], "residual": lambda s: [0.8] * 5}
COMMITTED = PROJECT / "results" / "cifar10-cpu"
VERSIONS = {"python": "3.11.7", "tensorflow": "2.21.0"}


def write_run(
    folder,
    name,
    seed,
    val_accuracy,
    *,
    seconds=10.0,
    init_from=None,
    test=0.8,
    nfe=None,
    rate=1e-3,
    told_right=None,
) -> Path:
    """Writes `FOLDER/seed-SEED/NAME` with this curve of validation accuracy.

    With `told_right`, whether each test image was told right, the accuracy on the test
    images is its mean, and `predictions.npz` is written as well.
    """
    path = Path(folder) / f"seed-{seed}" / name
    path.mkdir(parents=True)
    experiment = {
        "experiment": name,
        "block": "none" if name.startswith(("baseline", "more")) else "ode",
        "backbone": "EfficientNetB0",
        "dynamics": "dense",
        "method": "dopri5",
        "gradient": "backprop",
        "rtol": 1e-5,
        "atol": 1e-5,
        "seed": seed,
        "init_from": init_from,
    }
    config = {
        "experiment": experiment,
        "date": "2026-12-01T00:00:00+00:00",  # after the rules
        "versions": VERSIONS,
        "device": {"gpus": [], "cpu": "x86_64", "cpu_threads": 2, "replicas": 1},
        "data": {
            "name": "cifar10",
            "version": "3.0.2",
            "sizes": {"train": 45000, "validation": 5000, "test": 10000},
            "image_size": 32,
        },
        "weights": {"kind": "random", "detail": "random weights, as asked for"},
    }
    (path / "config.json").write_text(json.dumps(config))
    rows = [
        {
            "epoch": epoch,
            "accuracy": value + 0.01,
            "loss": 1 - value,
            "val_accuracy": value,
            "val_loss": 1.1 - value,
            "learning_rate": rate,
            "seconds": seconds,
        }
        | ({"nfe_forward": nfe, "nfe_backward": nfe - 1} if nfe else {})
        for epoch, value in enumerate(val_accuracy, start=1)
    ]
    with (path / "history.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    if told_right is not None:
        test = float(np.mean(told_right))
        label = np.arange(len(told_right), dtype=np.uint8) % 10
        predicted = np.where(told_right, label, (label + 1) % 10).astype(np.uint8)
        np.savez_compressed(path / "predictions.npz", label=label, predicted=predicted)
    split = {"accuracy": test, "loss": 0.5}
    metrics = {"train": split, "validation": split, "test": split}
    metrics["seconds"] = {"epoch": seconds, "training": seconds * len(rows)}
    (path / "metrics.json").write_text(json.dumps(metrics | {"epochs": len(rows)}))
    return path


def write_sweep(folder, curves: dict, seeds=(0, 1, 2)) -> None:
    """Writes one run of each model for each seed.

    Args:
        curves: A model to a function from the seed to its curve.
    """
    for seed in seeds:
        for name, curve in curves.items():
            warm = not (name.startswith("baseline") or name.endswith("cold"))
            start = f"{folder}/seed-{seed}/baseline" if warm else None
            nfe = 13.0 if name.startswith("node") else None
            write_run(folder, name, seed, curve(seed), init_from=start, nfe=nfe)
