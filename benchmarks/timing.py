"""Interleaved timing, and the record of a benchmark."""

import json
import os
import platform
import statistics
import time
from datetime import date
from importlib import metadata
from pathlib import Path

from node_transfer.training.provenance import cpu_model

RESULTS = Path(__file__).parent / "results"
PACKAGES = (
    "tensorflow",
    "tensorflow-probability",
    "torch",
    "torchdiffeq",
    "jax",
    "diffrax",
)


def interleaved(
    functions: dict, rounds: int, warmup: int = 4, seconds: float = float("inf")
) -> dict[str, list[float]]:
    """Times functions in turn, A B C A B C ...; returns milliseconds, a list for each.

    After `seconds` it ends with the round, if five were timed.

    Each is warmed up first, which compiles it and lets a remembered step size settle.
    """
    for function in functions.values():
        for _ in range(warmup):
            function()
    times = {name: [] for name in functions}
    begin = time.perf_counter()
    for done in range(rounds):
        if done >= 5 and time.perf_counter() - begin > seconds:
            break
        for name, function in functions.items():
            start = time.perf_counter()
            function()
            times[name].append(1e3 * (time.perf_counter() - start))
    return times


def summary(milliseconds: list[float]) -> dict:
    """Median, minimum and maximum."""
    return {
        "median_ms": round(statistics.median(milliseconds), 3),
        "min_ms": round(min(milliseconds), 3),
        "max_ms": round(max(milliseconds), 3),
    }


def write(name: str, rows: list[dict], quick: bool) -> Path:
    """Writes a benchmark's rows as JSON, with the machine, the date and the versions."""
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    record = {
        "benchmark": name,
        "quick": quick,
        "date": date.today().isoformat(),
        "machine": {"cpu": cpu_model(), "cores": os.cpu_count()},
        "versions": {"python": platform.python_version(), **versions},
        "rows": rows,
    }
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}{'_quick' if quick else ''}.json"
    path.write_text(json.dumps(record, indent=1) + "\n")
    return path
