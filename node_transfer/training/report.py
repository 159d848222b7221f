"""What a script prints when a run is done."""

from tabulate import tabulate

from node_transfer.data.image_data import SPLITS
from node_transfer.training.run_directory import RunDirectory


def print_run(run: RunDirectory) -> None:
    """Prints the numbers of a finished run, where they are, and how to see them again."""
    metrics = run.read_metrics()
    rows = [
        (split, f"{metrics[split]['accuracy']:.2%}", f"{metrics[split]['loss']:.4f}")
        for split in SPLITS
    ]
    print()
    print(tabulate(rows, headers=("split", "accuracy", "loss"), stralign="right"))
    print(
        f"\n{metrics['epochs']} epochs, {metrics['seconds']['training']:.0f} s of "
        f"training. The run is in {run.path}; to evaluate its model again:\n"
        f"  python experiments/evaluate.py --model={run.path}"
    )
