"""What runs were made of and with."""

import math
from collections.abc import Callable
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


def processors(sweep: Sweep) -> list[str]:
    """Returns a sentence where a sweep's runs were made on several processors or GPUs."""
    said = _groups(sweep, _processors, "on")
    return said and [
        f"Made on different processors: {said[0]}. The same seed on another processor is "
        "another run, so that a pair made on two has that difference in it as well."
    ]


def commits(sweep: Sweep) -> list[str]:
    """Returns a sentence where a sweep's runs were made by several commits."""
    said = _groups(sweep, commits_of, "by")
    return said and [
        f"Made by different commits of the project: {said[0]}. A step need not take as "
        "long by one as by another, so that the times of a pair made by two decide "
        "nothing."
    ]


def commits_of(run: Run) -> list[str]:
    """Returns the commits that a run was made by, in turn; empty where unknown."""
    found = [commit_of(recorded) for recorded in _recorded(run)]
    return [] if "-" in found else list(dict.fromkeys(found))


def _processors(run: Run) -> list[str]:
    """The GPUs or processors of a run, in turn; empty where unknown."""
    devices = [recorded.get("device", {}) for recorded in _recorded(run)]
    kinds = [", ".join(d.get("gpus", [])) or d.get("cpu_model") for d in devices]
    return [] if None in kinds else list(dict.fromkeys(kinds))


def _recorded(run: Run) -> list[dict]:
    """What a run was begun with, and each time gone on with."""
    return [run.config, *run.config.get("continued", [])]


def _groups(sweep: Sweep, kinds_of: Callable[[Run], list[str]], made: str) -> list[str]:
    """Returns which runs are of which kind; empty where there is one kind."""
    groups = {}
    for run in sweep.all_runs:
        if kinds := kinds_of(run):
            groups.setdefault(", then ".join(kinds), []).append(run)
    if len(groups) < 2:
        return []
    *fewer, most = sorted(groups, key=lambda kind: len(groups[kind]))
    said = [f"{_named(groups[kind])} {made} {kind}" for kind in fewer]
    return ["; ".join([*said, f"all others {made} {most}"])]


def other_starts(sweep: Sweep) -> list[str]:
    """Returns sentences where warm runs began with a baseline that is not the sweep's, or
    where it is not known of which.

    It is seen by the checksum of its model where that was recorded, else of runs without
    a block, whose validation numbers before the first epoch are those of the baseline
    after its last; runs that began with the same file began with the same baseline.
    """
    same, others, open_ones = set(), {}, []
    for run in sweep.all_runs:
        baseline = sweep.of("baseline").get(run.experiment.seed)
        file = run.config["weights"].get("file_sha256")
        if not (run.experiment.init_from and baseline and file):
            continue
        start = run.config.get("start", {}).get("val_loss")
        last = baseline.history["val_loss"][-1]
        recorded = baseline.metrics.get("model_sha256")
        plain = start and run.experiment.block == baseline.experiment.block
        if not recorded and not plain:
            open_ones.append((file, run))
        elif file == recorded or plain and math.isclose(start, last, rel_tol=1e-3):
            same.add(file)
        else:
            others[file] = (start, last)
    said = []
    if others:
        began = [
            run
            for run in sweep.all_runs
            if run.config["weights"].get("file_sha256") in others
        ]
        losses = ", ".join(
            f"{start:.3f} for {last:.3f}" for start, last in others.values() if start
        )
        losses = f" (validation loss {losses})" if losses else ""
        said.append(
            "Not started from the baseline that they are compared with, but from another "
            f"training of it{losses}: {_named(began)}."
        )
    unknown = [run for file, run in open_ones if file not in others and file not in same]
    if unknown:
        said.append(
            "Whether they started from the baseline that they are compared with, or from "
            f"another training of it, is not on record: {_named(unknown)}."
        )
    return said


def _named(runs: list[Run]) -> str:
    """Returns the models of runs, each with its seeds."""
    seeds = {}
    for run in runs:
        name = run.path.rsplit("/", 1)[-1]
        seeds.setdefault(name, set()).add(run.experiment.seed)
    texts = []
    for name, numbers in seeds.items():
        plural = "" if len(numbers) == 1 else "s"
        texts.append(f"{name} of seed{plural} {', '.join(map(str, sorted(numbers)))}")
    return ", ".join(texts)


def versions(sweep: Sweep) -> list[str]:
    """Returns `package version`, with every version that a run had."""
    found = {}
    for run in sweep.all_runs:
        for package, version in run.config["versions"].items():
            found.setdefault(package, set()).add(version)
    return [f"{package} {', '.join(sorted(kinds))}" for package, kinds in found.items()]


def commit(run: Run) -> str:
    """Returns the project's commit that a run was begun at, short; `-` where unknown."""
    return commit_of(run.config)


def commit_of(recorded: dict) -> str:
    """Returns the commit of a record of `config.json`, likewise."""
    project = recorded.get("project", {})
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
