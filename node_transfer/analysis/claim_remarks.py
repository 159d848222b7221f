"""What stands beside the parts of a claim and decides nothing.

No rule for it was written before the runs: it is there for what a reader would miss.
"""

import dataclasses
from collections.abc import Iterable

from node_transfer.analysis import claim_parts, measures, protocol
from node_transfer.analysis import claim_words as words
from node_transfer.analysis.claim_parts import epochs, reading_of, runs_of
from node_transfer.analysis.claim_words import Part
from node_transfer.analysis.inference import EQUIVALENT
from node_transfer.analysis.lineup import MODELS
from node_transfer.analysis.roughness import epochs_to_level
from node_transfer.analysis.runs import Sweep


def deepest_drop(sweep: Sweep, left: str, right: str) -> Part | None:
    """How far validation accuracy fell below its best, start included.

    `None` where no seed has runs that recorded their start.
    """
    label = f"{MODELS[left].label} / {MODELS[right].label}"
    ours, theirs = (
        measures.deepest_drop(sweep, name, "val_accuracy") for name in (left, right)
    )
    seeds = [
        seed
        for seed in measures.shared_seeds(sweep, left, right)
        if all("start" in sweep.of(name)[seed].config for name in (left, right))
    ]
    if not seeds:
        return None
    return Part(
        label,
        reading_of(sweep, left),
        "deepest drop, validation accuracy, the value before the first epoch included",
        f"{_in_points(ours[s] for s in seeds)} points against "
        f"{_in_points(theirs[s] for s in seeds)}",
        "",
        words.REMARK,
        runs_of(sweep, left, right),
    )


def lowest_loss(sweep: Sweep, names: Iterable[str]) -> Part:
    """Where the baseline's validation loss is lowest, and who comes as low."""
    curves = {s: r.history["val_loss"] for s, r in sweep.of(protocol.BASELINE).items()}
    lowest = {seed: min(curve) for seed, curve in curves.items()}
    after = (str(curve.index(lowest[seed]) + 1) for seed, curve in curves.items())
    level = measures.baselines_level(sweep, "val_loss")
    itself = {
        s: protocol.epochs_of(sweep, protocol.BASELINE, s, "val_loss") for s in curves
    }
    others = []
    for name in names:
        there = {
            seed: epochs_to_level(run.history["val_loss"], lowest[seed], loss=True)
            for seed, run in sweep.of(name).items()
            if seed in lowest
        }
        others.append(f"{MODELS[name].label} {epochs(sweep, name, there)}")
    return Part(
        MODELS[protocol.BASELINE].label,
        "",
        "the baseline's lowest validation loss, and the epochs of others to it",
        f"lowest ({_three(lowest)}) after {', '.join(after)} epochs; its level, that of "
        f"its end, is {_three(level)}, where it is itself after "
        f"{epochs(sweep, protocol.BASELINE, itself)}",
        "; ".join(others),
        words.REMARK,
        runs_of(sweep, protocol.BASELINE),
    )


def test_accuracy(sweep: Sweep, left: str, right: str) -> Part:
    """Left less right in accuracy on the test images."""
    part = claim_parts.test_accuracy(sweep, left, right, EQUIVALENT, None)
    return dataclasses.replace(part, outcome=words.REMARK)


def last_validation(sweep: Sweep, left: str, right: str) -> Part:
    """Left less right in validation accuracy after the last epoch."""
    ours, theirs = (measures.last(sweep, n, "val_accuracy") for n in (left, right))
    seeds = measures.shared_seeds(sweep, left, right)
    differences = (f"{100 * (ours[s] - theirs[s]):+.2f}" for s in seeds)
    return Part(
        f"{MODELS[left].label} - {MODELS[right].label}",
        reading_of(sweep, left),
        "validation accuracy after the last epoch",
        f"{', '.join(differences)} points",
        "",
        words.REMARK,
        runs_of(sweep, left, right),
    )


def _in_points(values: Iterable[float]) -> str:
    return ", ".join(f"{100 * value:.1f}" for value in values)


def _three(values: dict[int, float]) -> str:
    return ", ".join(f"{value:.3f}" for value in values.values())
