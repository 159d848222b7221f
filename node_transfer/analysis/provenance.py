"""What runs were made of and with."""

from pathlib import PurePath

from node_transfer.analysis.runs import Run, Sweep


def sources(runs: list[Run]) -> list[str]:
    """Returns a sentence for each kind of start: the network, its weights, the data."""
    models = {}
    for run in runs:
        models.setdefault(source(run), []).append(run.path.rsplit("/", 1)[-1])
    return [
        f"{', '.join(dict.fromkeys(names))}: {text}" for text, names in models.items()
    ]


def source(run: Run) -> str:
    """Returns network, weights and data of one run, in a few words."""
    data = run.config["data"]
    size = data["image_size"]
    return (
        f"{run.experiment.backbone}, {weights(run)}; {data['name']} at {size}x{size}, "
        f"{data['sizes']['train']} training images"
    )


def weights(run: Run) -> str:
    """Returns what a run's backbone started from."""
    source = run.config["weights"]
    if source["kind"] == "random":
        return "random weights"  # the detail says why, at length
    if source["kind"] == "run":
        return f"network of the run {PurePath(run.experiment.init_from).name}"
    return source["detail"]


def devices(run: Run) -> str:
    """Returns the GPUs of a run, or its processor."""
    device = run.config["device"]
    threads = device["cpu_threads"]
    processor = f"CPU {device['cpu']}, {threads} thread{'' if threads == 1 else 's'}"
    return ", ".join(device["gpus"]) or processor


def versions(sweep: Sweep) -> list[str]:
    """Returns `package version`, with every version that a run had."""
    found = {}
    for run in sweep.all_runs:
        for package, version in run.config["versions"].items():
            found.setdefault(package, set()).add(version)
    return [f"{package} {', '.join(sorted(kinds))}" for package, kinds in found.items()]
