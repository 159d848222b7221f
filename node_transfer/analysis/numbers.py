"""Every number of every run, with the path of the run that it comes from."""

import csv
import io

from node_transfer.analysis import measures
from node_transfer.analysis.paper_tables import SPLITS
from node_transfer.analysis.roughness import WINDOWS
from node_transfer.analysis.runs import Sweep
from node_transfer.analysis.stability import CURVES


def numbers_csv(sweep: Sweep) -> str:
    """Returns CSV with the columns model, seed, path, quantity, value."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(("model", "seed", "path", "quantity", "value"))
    for name in sweep.names:
        quantities = dict(_quantities(sweep, name))
        for seed, run in sorted(sweep.of(name).items()):
            for quantity, values in quantities.items():
                if seed in values:
                    value = f"{values[seed]:.10g}"
                    writer.writerow((name, seed, run.path, quantity, value))
    return file.getvalue()


def _quantities(sweep: Sweep, name: str):
    runs = sweep.of(name)
    for split in SPLITS:
        for key in ("accuracy", "loss"):
            yield f"{split}_{key}", {s: r.metrics[split][key] for s, r in runs.items()}
    yield "epochs", measures.epochs(sweep, name)
    yield "training_seconds", measures.training_seconds(sweep, name)
    yield "seconds_per_epoch", measures.seconds_per_epoch(sweep, name)
    yield "best_val_accuracy", measures.best_validation(sweep, name)
    yield "first_epoch_against_start", measures.first_change(sweep, name)
    yield "epochs_to_baselines_level", measures.epochs_to_level(sweep, name)
    yield "epochs_to_baselines_loss", measures.epochs_to_level(sweep, name, "val_loss")
    yield "seconds_to_baselines_level", measures.seconds_to_level(sweep, name)
    for column in ("nfe_forward", "nfe_backward"):
        yield f"last_{column}", measures.last(sweep, name, column)
    for curve in CURVES:
        for window in WINDOWS:
            found = measures.roughness_of(sweep, name, curve, window)
            yield (
                f"{curve}_roughness_{window}",
                {s: x for s, x in found.items() if x == x},
            )
        yield f"{curve}_deepest_drop", measures.deepest_drop(sweep, name, curve)
        yield f"{curve}_falls_over_one_point", measures.falls(sweep, name, curve)
