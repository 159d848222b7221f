"""The paper's tables I to III, ours beside theirs."""

from node_transfer.analysis import measures, paper
from node_transfer.analysis.formats import mean_and_deviation
from node_transfer.analysis.lineup import PAPER_MODELS
from node_transfer.analysis.provenance import source
from node_transfer.analysis.runs import Sweep
from node_transfer.analysis.table import Table

SPLITS = {"train": "Training", "validation": "Validation", "test": "Test"}


def table_1(sweep: Sweep) -> Table:
    """Accuracy by model and split, `ours | paper`; training accuracy like for like."""
    rows = []
    for name in PAPER_MODELS:
        lost = len(sweep.diverged.get(name, ()))
        if not (sweep.of(name) or lost):
            continue
        running = measures.last(sweep, name, "accuracy")
        cells = [_ours_and_theirs(running, lost, paper.TABLE_1[name]["train"])]
        inference = measures.accuracy(sweep, name, "train")
        cells.append(mean_and_deviation(inference, 100, 2, " %") if inference else "-")
        for split in ("validation", "test"):
            accuracy = measures.accuracy(sweep, name, split)
            cells.append(_ours_and_theirs(accuracy, lost, paper.TABLE_1[name][split]))
        rows.append((paper.MODEL_NAMES[name], *cells))
    return Table(
        "table_1",
        "Table I. Performance, ours | paper",
        (
            "Model Name",
            "Training accuracy, while training",
            "Training accuracy, afterwards",
            "Validation accuracy",
            "Test accuracy",
        ),
        tuple(rows),
        "Ours: after the last epoch, mean ± standard deviation over n seeds. Training "
        "accuracy while training is the running one of the last epoch, as Keras prints "
        "it and as the paper most likely reports it; afterwards: of the saved model, in "
        f"inference mode, on the same images. {_made_of(sweep)}",
    )


def _ours_and_theirs(accuracy: dict[int, float], lost: int, theirs: float) -> str:
    ours = [mean_and_deviation(accuracy, 100, 2, " %")] if accuracy else []
    ours += [f"{lost} diverged"] if lost else []
    return f"{', '.join(ours)} | {100 * theirs:.1f} %"


def table_2(sweep: Sweep) -> Table:
    """Epochs and training time, `ours | paper`."""
    rows = []
    for name in _models(sweep):
        epochs = measures.epochs(sweep, name)
        seconds = measures.training_seconds(sweep, name)
        minutes = {seed: s / 60 for seed, s in seconds.items()}
        per_epoch = mean_and_deviation(measures.seconds_per_epoch(sweep, name))
        their_epochs, their_hours = paper.TABLE_2[name]
        rows.append(
            (
                paper.MODEL_NAMES[name],
                f"{_every(epochs)} | {their_epochs}",
                f"{mean_and_deviation(minutes, unit=' min')} | {their_hours:g} hours",
                f"{per_epoch} | {3600 * their_hours / their_epochs:.1f}",
            )
        )
    return Table(
        "table_2",
        "Table II. Time taken, ours | paper",
        ("Model Name", "Epochs", "Time Taken", "Seconds per epoch"),
        tuple(rows),
        "The proposed models start from the trained baseline, whose epochs and time are "
        "not counted, as the paper counts none. Time taken: all epochs, validation "
        f"included; seconds per epoch: the median epoch. {_made_of(sweep)} The paper's "
        "machine has a GTX 1080 Ti.",
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
                seed: f"{getattr(run.experiment, key):.0e}"
                for seed, run in sweep.of(name).items()
            }
            cells.append(f"{_every(ours)} | {f'{value:.0e}' if value else 'not said'}")
        rows.append((paper.MODEL_NAMES[name], *cells))
    return Table(
        "table_3",
        "Table III. Parameters set, ours | paper",
        ("Model Name", "Absolute Tolerance", "Relative Tolerance"),
        tuple(rows),
        "The paper takes the adjoint's from Chen et al.; ours are those of odenet_mnist.",
    )


def _models(sweep: Sweep) -> list[str]:
    """The paper's models that have runs."""
    return [name for name in PAPER_MODELS if sweep.of(name)]


def _made_of(sweep: Sweep) -> str:
    """Says what stands behind ours and theirs."""
    runs = list(sweep.of("baseline").values()) or sweep.all_runs
    ours = " and ".join(dict.fromkeys(map(source, runs)))
    epochs = "/".join(
        str(min(measures.epochs(sweep, name).values())) for name in _models(sweep)
    )
    return f"Ours: {ours}; {epochs} epochs. The paper's: {paper.SOURCE}."


def _every(values: dict) -> str:
    """Returns `value (n=...)`, with every value that occurs."""
    kinds = ", ".join(str(value) for value in sorted(set(values.values())))
    return f"{kinds} (n={len(values)})"
