"""What runs were made of and with."""

from pathlib import PurePath

from node_transfer.analysis import paper
from node_transfer.analysis.inference import MIN_SEEDS
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
        what, _, _ = source["detail"].partition(" of the run")  # network, or and block
        return f"{what} of the run {PurePath(run.experiment.init_from).name}"
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


def commit(run: Run) -> str:
    """Returns the project's commit that a run was made at, short; `-` where unknown."""
    project = run.config.get("project", {})
    if not project.get("commit"):
        return "-"
    return project["commit"][:7] + ("" if project.get("clean") else ", changed")


def date(run: Run) -> str:
    """Returns the day (UTC) on which a run began; `-` where it was not recorded."""
    return run.config.get("date", "-")[:10]


def dates(sweep: Sweep) -> str:
    """Returns the days on which the runs began, first to last."""
    days = sorted({date(run) for run in sweep.all_runs} - {"-"})
    if not days:
        return "on days that were not recorded"
    return f"on {days[0]}" if len(days) == 1 else f"from {days[0]} to {days[-1]}"


def limits(sweep: Sweep) -> list[str]:
    """Returns sentences on what separates the runs from the paper's."""
    runs = sweep.all_runs
    said = []
    for kind in sorted({run.experiment.backbone for run in runs} - {"EfficientNetB0"}):
        said.append(f"The network is {kind}, the paper's is EfficientNetB0.")
    for note in sorted({run.config["data"].get("note") or "" for run in runs} - {""}):
        said.append(f"The images: {note}.")
    if any(run.config["weights"]["kind"] == "random" for run in runs):
        said.append("Some networks began with random weights: see the table of runs.")
    lengths = {
        name: max(r.epochs for r in sweep.of(name).values()) for name in sweep.names
    }
    shorter = [
        f"{name} {lengths[name]} of {epochs}"
        for name, (epochs, _) in paper.TABLE_2.items()
        if name in lengths and lengths[name] < epochs
    ]
    if shorter:
        said.append(f"Epochs, ours of the paper's: {', '.join(shorter)}.")
    seeds = {name: len(sweep.of(name)) for name in sweep.names}
    few = [name for name, count in seeds.items() if count < MIN_SEEDS]
    if few:
        said.append(
            f"Fewer than {MIN_SEEDS} seeds, which decide nothing: {', '.join(few)}."
        )
    return said
