"""The paper's tables I to III, ours beside theirs."""

from collections.abc import Callable

from node_transfer.analysis import measures, paper
from node_transfer.analysis.formats import mean_and_deviation
from node_transfer.analysis.lineup import MODELS, PAPER_MODELS
from node_transfer.analysis.provenance import source
from node_transfer.analysis.runs import Sweep
from node_transfer.analysis.table import Table

SPLITS = {"train": "Training", "validation": "Validation", "test": "Test"}


def table_1(sweep: Sweep) -> Table:
    """Accuracy by model and split, `ours | paper`."""
    rows = []
    for name in _models(sweep):
        cells = []
        for split in SPLITS:
            ours = measures.accuracy(sweep, name, split)
            theirs = _theirs(
                paper.TABLE_1, name, lambda row, split=split: f"{100 * row[split]:.1f} %"
            )
            cells.append(f"{mean_and_deviation(ours, 100, unit=' %')} | {theirs}")
        rows.append((_name(name), *cells))
    return Table(
        "table_1",
        "Table I. Performance, ours | paper",
        ("Model Name", *(f"{label} accuracy" for label in SPLITS.values())),
        tuple(rows),
        "Ours: accuracy of the saved model, read back from its file, mean ± standard "
        f"deviation over n seeds. {_made_of(sweep)}",
    )


def table_2(sweep: Sweep) -> Table:
    """Epochs and training time, `ours | paper`."""
    rows = []
    for name in _models(sweep):
        epochs = {seed: run.epochs for seed, run in sweep.of(name).items()}
        seconds = measures.training_seconds(sweep, name)
        minutes = {seed: s / 60 for seed, s in seconds.items()}
        per_epoch = measures.seconds_per_epoch(sweep, name)
        cells = (
            (_every(epochs), lambda row: str(row[0])),
            (mean_and_deviation(minutes, unit=" min"), lambda row: f"{row[1]:g} hours"),
            (mean_and_deviation(per_epoch), lambda row: f"{3600 * row[1] / row[0]:.1f}"),
        )
        written = (f"{ours} | {_theirs(paper.TABLE_2, name, f)}" for ours, f in cells)
        rows.append((_name(name), *written))
    return Table(
        "table_2",
        "Table II. Time taken, ours | paper",
        ("Model Name", "Epochs", "Time Taken", "Seconds per epoch"),
        tuple(rows),
        "The proposed models start from the trained baseline, whose epochs and time are "
        "not counted, as in the paper. Ours: the median epoch of a run, validation "
        f"included. {_made_of(sweep)} The paper's machine has a GTX 1080 Ti.",
    )


def table_3(sweep: Sweep) -> Table:
    """Tolerances, `ours | paper`."""
    rows = []
    for name in _models(sweep):
        if name == "baseline":
            continue
        theirs = paper.TABLE_3.get(name, (None, None))
        cells = []
        for key, value in zip(("atol", "rtol"), theirs, strict=True):
            ours = {
                seed: f"{run.config['experiment'][key]:.0e}"
                for seed, run in sweep.of(name).items()
            }
            cells.append(f"{_every(ours)} | {f'{value:.0e}' if value else 'not said'}")
        rows.append((_name(name), *cells))
    return Table(
        "table_3",
        "Table III. Parameters set, ours | paper",
        ("Model Name", "Absolute Tolerance", "Relative Tolerance"),
        tuple(rows),
        "The paper takes the adjoint's from Chen et al.; ours are those of odenet_mnist.",
    )


def _models(sweep: Sweep) -> list[str]:
    """The paper's models that have runs, and the adjoint's with a better rate."""
    return [n for n in (*PAPER_MODELS, "node_adjoint_low_rate") if sweep.of(n)]


def _name(name: str) -> str:
    return paper.MODEL_NAMES.get(name, MODELS[name].label)


def _theirs(table: dict, name: str, written: Callable) -> str:
    """Returns what the paper's table has for a model, or `-`."""
    return written(table[name]) if name in table else "-"


def _made_of(sweep: Sweep) -> str:
    """Says what stands behind ours and theirs."""
    runs = list(sweep.of("baseline").values()) or sweep.all_runs
    ours = " and ".join(dict.fromkeys(map(source, runs)))
    return f"Ours: {ours}; the paper's: {paper.SOURCE}."


def _every(values: dict) -> str:
    """Returns `value (n=...)`, with every value that occurs."""
    kinds = ", ".join(str(value) for value in sorted(set(values.values())))
    return f"{kinds} (n={len(values)})"
