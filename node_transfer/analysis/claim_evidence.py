"""Parts of claims that seeds do not tell: fluctuation, the solver, benchmarks."""

import json
import math
from pathlib import Path

import numpy as np

from node_transfer.analysis import claim_words as words
from node_transfer.analysis import inference, protocol
from node_transfer.analysis.claim_parts import runs_of
from node_transfer.analysis.claim_words import FAILS, HOLDS, Part, judge
from node_transfer.analysis.inference import LOWER, UNTOLD
from node_transfer.analysis.lineup import MODELS
from node_transfer.analysis.protocol import Result
from node_transfer.analysis.roughness import WINDOWS
from node_transfer.analysis.runs import Run, Sweep
from node_transfer.analysis.stability import CURVES, ONE_POINT, ROUNDING
from node_transfer.errors import UserError

OFTEN = 0.1  # of the epochs of a window fall, where a curve is called unstable
SOLVER_SWEEP = "solver_sweep.json"  # beside a run's model, by `sweep-tolerance`
IMAGE_QUANTILE = 1.96
NEEDED_OF_BENCHMARKS = {
    "memory": ("gradient", "steps", "peak_mib"),
    "solver_speed": ("library", "hidden", "tolerance", "gradient", "batch"),
}
UNITS, HIDDEN, WITHOUT_BLOCK = 1280, 128, 5_932_122  # V2-B0 with ten logits


def fluctuation(sweep: Sweep, curve: str) -> list[Part]:
    """How many epochs of either window the baseline falls by more than a point in."""
    falls = {}
    for seed, run in sweep.of("baseline").items():
        of_run = {
            window: share_of_falls(run.history[curve], WINDOWS[window])
            for window in ("early", "late")
            if run.epochs >= WINDOWS[window][1]
        }
        if of_run:
            falls[seed] = of_run
    if not falls:
        return []
    often = [max(of_run.values()) >= OFTEN for of_run in falls.values()]
    outcome = UNTOLD
    if len(falls) >= inference.MIN_SEEDS and len(set(often)) == 1:
        outcome = HOLDS if often[0] else FAILS
    shares = "; ".join(
        ", ".join(
            f"{100 * share:.0f} % of epochs {WINDOWS[window][0]} to {WINDOWS[window][1]}"
            for window, share in of_run.items()
        )
        for of_run in falls.values()
    )
    return [
        Part(
            MODELS["baseline"].label,
            "",
            f"epochs with a fall of the {CURVES[curve].lower()} by more than a point",
            f"{shares} ({100 * OFTEN:.0f} % or more of either is called unstable): "
            f"{words.told(outcome, len(falls))}",
            "",
            outcome,
            runs_of(sweep, "baseline"),
        )
    ]


def share_of_falls(values, window: tuple[int, int]) -> float:
    """Share of the epochs of a window with a fall of more than a point."""
    first, last = window
    changes = np.diff(np.asarray(values, float)[first - 2 : last])
    return float(np.mean(changes < -(ONE_POINT + ROUNDING)))


def tolerance(sweep: Sweep) -> list[Part]:
    """What looser tolerances change of trained models, where that was measured."""
    found = []
    for name in sweep.names:
        pairs = {}  # the two tolerances to each seed's two rows
        for seed, run in sweep.of(name).items():
            rows = [r for r in solver_rows(sweep, run)[1:] if r["rtol"] is not None]
            trained = run.experiment.rtol
            for as_trained in rows:
                if not math.isclose(as_trained["rtol"], trained):
                    continue
                for loose in rows:
                    if loose["rtol"] > as_trained["rtol"]:
                        of_seed = pairs.setdefault((loose["rtol"], trained), {})
                        of_seed[seed] = loose, as_trained
        found += [
            _tolerance_part(sweep, name, *tolerances, pairs[tolerances])
            for tolerances in sorted(pairs)
        ]
    return found


def solver_rows(sweep: Sweep, run: Run) -> list[dict]:
    """The record that `sweep-tolerance` left in a run's folder.

    Empty for none, and for one of other images than the test's.

    Raises:
        UserError: It cannot be read.
    """
    path = sweep.folder / run.path / "solver_sweep" / SOLVER_SWEEP
    if not path.is_file():
        return []
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
        of_the_test = (
            rows[0].get("split", "test") == "test"
            and rows[0].get("dataset", run.experiment.dataset) == run.experiment.dataset
            and rows[0]["images"] == run.config["data"]["sizes"]["test"]
        )
        for name in ("rtol", "accuracy", "changed", "nfe"):
            [row[name] for row in rows]
        return rows if of_the_test else []
    except (ValueError, LookupError, AttributeError, TypeError) as error:
        raise UserError(
            f"{str(path)!r} is no record of sweep-tolerance ({error}): make it again."
        ) from error


def _tolerance_part(
    sweep: Sweep, name: str, rtol: float, trained: float, pairs: dict
) -> Part:
    """Test accuracy at a looser tolerance less that at the one of the training.

    The noise of the test images is at most that of as many images told otherwise as have
    another prediction.
    """
    differences = [
        loose["accuracy"] - as_trained["accuracy"] for loose, as_trained in pairs.values()
    ]
    changed = [
        sum(row["changed"] for row in rows) / rows[0]["images"] for rows in pairs.values()
    ]
    images = next(iter(pairs.values()))[0]["images"]
    noise = IMAGE_QUANTILE * math.sqrt(sum(changed) / len(changed) / images)
    compared = inference.compare(differences, noise)
    outcome = inference.outcome(compared, protocol.POINTS_MARGIN)
    result = Result(name, name, compared, outcome, {}, tuple(pairs))
    one = ", ".join(f"{rows[1]['nfe']:.0f}" for rows in pairs.values())
    other = ", ".join(f"{rows[0]['nfe']:.0f}" for rows in pairs.values())
    return Part(
        f"{MODELS[name].label}, tolerance {rtol:.0e} - {trained:.0e}",
        "",
        "test accuracy of the same weights, solved otherwise",
        f"{words.points(result)}: {words.told(outcome, compared.n)}; {other} evaluations "
        f"in place of {one}",
        "",
        judge(LOWER, outcome, None),
        f"{runs_of(sweep, name)}; the saved models",
    )


def parameters() -> list[Part]:
    """The block's parameters beside a Dense layer's of the same width, and none."""
    block = 2 * UNITS * HIDDEN + 2 * HIDDEN + UNITS
    dense = UNITS * UNITS + UNITS
    return [
        Part(
            "ODE block / Dense(1280)",
            "",
            "parameters",
            f"{block:,} against {dense:,} of a fully connected layer of the same width",
            "",
            HOLDS,
            "counted, of EfficientNetV2-B0: W1, b1, the weights of t, W2, b2",
        ),
        Part(
            "With the block / without it",
            "",
            "parameters",
            f"{WITHOUT_BLOCK + block:,} against {WITHOUT_BLOCK:,}, "
            f"{100 * block / WITHOUT_BLOCK:.1f} % more: the paper's baseline has no such "
            "layer either",
            "",
            FAILS,
            "counted, of EfficientNetV2-B0 with ten classes",
        ),
    ]


def memory(folder: Path) -> list[Part]:
    """Peak memory a step of either gradient, from `benchmarks/memory.py`."""
    rows = _rows(folder, "memory")
    most = {row["gradient"]: row for row in rows if "states_a_step" in row}
    if not {"backprop", "adjoint"} <= most.keys():
        return []
    backprop, adjoint = most["backprop"], most["adjoint"]
    least = {
        row["gradient"]: row
        for row in rows
        if row["steps"] == min(r["steps"] for r in rows)
    }
    return [
        Part(
            "Adjoint / backprop",
            "",
            "peak memory",
            f"{adjoint['states_a_step']:.2f} states a step against "
            f"{backprop['states_a_step']:.2f}; at {least['adjoint']['steps']} steps "
            f"{least['adjoint']['peak_mib']:.0f} and "
            f"{least['backprop']['peak_mib']:.0f} MiB, at {adjoint['steps']} "
            f"{adjoint['peak_mib']:.0f} and {backprop['peak_mib']:.0f}: it saves memory "
            "where a solve takes hundreds of steps, and a trained block takes a few",
            "",
            HOLDS if adjoint["states_a_step"] < backprop["states_a_step"] / 2 else FAILS,
            "benchmarks/results/memory.json",
        )
    ]


def gradient_errors(folder: Path) -> list[Part]:
    """Errors of the two gradients of a solve, from `benchmarks/solver_speed.py`."""
    rows = {
        (row["hidden"], row["tolerance"], row["gradient"]): row["error_gradient"]
        for row in _rows(folder, "solver_speed")
        if row["library"] == "node-transfer" and row["batch"] == 128
    }
    pairs = {
        key[:2]: (rows[key], rows[(*key[:2], "backprop")])
        for key in rows
        if key[2] == "adjoint"
    }
    if not pairs:
        return []
    ratios = [adjoint / backprop for adjoint, backprop in pairs.values()]
    texts = "; ".join(
        f"H = {hidden}, {tolerance:.0e}: {adjoint:.0e} against {backprop:.0e}"
        for (hidden, tolerance), (adjoint, backprop) in sorted(pairs.items())
    )
    return [
        Part(
            "Adjoint / backprop",
            "",
            "error of the gradient against SciPy's in float64",
            texts,
            "",
            HOLDS if max(ratios) < 1 / 2 else FAILS,
            "benchmarks/results/solver_speed.json",
        )
    ]


def _rows(folder: Path, name: str) -> list[dict]:
    path = Path(folder) / f"{name}.json"
    if not path.is_file():
        return []
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))["rows"]
        for column in NEEDED_OF_BENCHMARKS[name]:
            [row[column] for row in rows]
    except (ValueError, LookupError, TypeError) as error:
        raise UserError(
            f"{str(path)!r} is no record of a benchmark ({error!r}): make it again, or "
            "pass benchmarks= with another folder."
        ) from error
    return rows
