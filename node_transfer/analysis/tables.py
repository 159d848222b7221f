"""The paper's tables, ours beside theirs."""

import json
from pathlib import Path

from tabulate import tabulate

from node_transfer.analysis import paper
from node_transfer.errors import UserError

SPLITS = ("train", "validation", "test")


def read_run(path) -> tuple[dict, dict]:
    """Returns `config.json` and `metrics.json` of a finished run.

    Raises:
        UserError: The folder is not that of a finished run.
    """
    contents = []
    for name, key in (("config.json", "experiment"), ("metrics.json", "test")):
        try:
            content = json.loads((Path(path) / name).read_text())
        except (OSError, json.JSONDecodeError):
            content = {}
        if key not in content:
            raise UserError(
                f"{str(path)!r} has no readable {name}: pass the directory of a finished "
                "run."
            )
        contents.append(content)
    return tuple(contents)


def table_1(paths) -> str:
    """Returns Table I as text: accuracy by model and split, `ours | paper`."""
    rows = []
    for path in paths:
        config, metrics = read_run(path)
        experiment = config["experiment"]["experiment"]
        theirs = paper.TABLE_1.get(experiment, {})
        name = paper.MODEL_NAMES.get(experiment, experiment)
        cells = [
            f"{metrics[split]['accuracy']:.1%} | "
            + (f"{theirs[split]:.1%}" if split in theirs else "-")
            for split in SPLITS
        ]
        rows.append((name, *cells, metrics["epochs"]))
    headers = ("Model", "Training", "Validation", "Test", "Epochs")
    return tabulate(rows, headers=headers, tablefmt="github")


def provenance(paths) -> str:
    """Returns one sentence a run on what ours was trained on, and from which weights."""
    lines = []
    for path in paths:
        config, _ = read_run(path)
        experiment, data = config["experiment"], config["data"]
        lines.append(
            f"{experiment['experiment']}: {experiment['backbone']}, "
            f"{_weights(config['weights'])}; {data['name']} at "
            f"{data['image_size']}x{data['image_size']}, {data['sizes']['train']} "
            "training images"
        )
    return "\n".join(lines)


def _weights(source: dict) -> str:
    """What the backbone started from, in a few words."""
    if source["kind"] == "random":
        return "random weights"  # the detail says why, at length
    return source["detail"]
