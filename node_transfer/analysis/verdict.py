"""The verdict on the paper's claim, by rules, from the numbers.

The claim has two parts: the block reaches the baseline's accuracy in *fewer epochs*, and
makes the curves *steadier*. Each is tested as the paper tests it, a warm-started model
against the baseline; then against the warm start alone, trained on without the block.

Steadiness is the deviation of validation accuracy and loss around their running medians:
a monotone curve has none, whereas the mean absolute change counts the climb as well, and
the baseline's curve has the longest climb.
"""

import dataclasses
import functools
import math

from node_transfer.analysis import measures
from node_transfer.analysis.formats import (
    difference,
    mean_and_deviation,
    scale_and_digits,
)
from node_transfer.analysis.lineup import CONTROLS, MODELS, NODE_MODELS
from node_transfer.analysis.paired import Difference
from node_transfer.analysis.runs import Sweep
from node_transfer.analysis.stability import CURVES, STATISTICS, is_loss

HOLDS, FAILS, UNTOLD = "holds", "fails", "cannot be told"
MIXED, IN_PART = "mixed", "in part"
MIN_SEEDS = 3  # of two, the interval is as good as unbounded
AROUND_MEDIAN = next(s for s in STATISTICS if s.name == "deviation_from_running_median")

RULE = (
    "The rule: a difference between two models, in epochs to reach the baseline's best "
    "validation accuracy of the same seed or in the standard deviation of a validation "
    "curve around its running median, paired by the seed, holds where its 95 % bootstrap "
    "interval, widened for few seeds, lies below 0, or where the model always reaches "
    "that accuracy and its rival never does; it fails where the interval lies at or "
    "above 0 (of epochs, which are counted to within a half, at or above -0.5), or where "
    "the rival always reaches it and the model never does; anything else, and fewer than "
    f"{MIN_SEEDS} seeds always, cannot be told. A sentence of several parts holds or "
    "fails where all its parts do, is mixed where some hold and some fail, and holds or "
    "fails in part where some do and the others cannot be told."
)


@dataclasses.dataclass(frozen=True)
class Finding:
    """One sentence of the verdict.

    Attributes:
        claim: What was claimed.
        outcome: `HOLDS`, `FAILS`, `UNTOLD`, `MIXED`, or one of the first two `IN_PART`.
        basis: How many seeds it rests on, and what was compared.
        parts: One clause for each comparison, its own outcome in it.
    """

    claim: str
    outcome: str
    basis: str
    parts: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """The whole sentence."""
        parts = "; ".join(self.parts)
        return f"{self.claim}: {self.outcome} {self.basis}{': ' if parts else ''}{parts}."


def markdown(findings: list[Finding]) -> str:
    """Returns the verdict as a Markdown list, the parts of a sentence below it."""
    lines = []
    for finding in findings:
        end = ":" if finding.parts else "."
        lines.append(f"* **{finding.claim}: {finding.outcome}** {finding.basis}{end}")
        lines += [f"  * {part}" for part in finding.parts]
    return "\n".join(lines) + "\n"


def verdict(sweep: Sweep) -> list[Finding]:
    """Returns three findings: fewer epochs, steadier curves, the block's own doing."""
    baseline = dict.fromkeys(NODE_MODELS, "baseline")
    accuracy = functools.partial(_steadier, curve="val_accuracy")
    loss = functools.partial(_steadier, curve="val_loss")
    added = "with the block added to the trained baseline"
    return [
        _finding(
            sweep,
            "Fewer epochs",
            f"{added}, whose {_epochs(sweep)} are not counted",
            [(_sooner, baseline)],
        ),
        _finding(
            sweep, "Steadier curves", added, [(accuracy, baseline), (loss, baseline)]
        ),
        _finding(
            sweep,
            "The block's own doing",
            "beside the baseline trained on for as long without the block",
            [(_sooner, CONTROLS), (accuracy, CONTROLS), (loss, CONTROLS)],
        ),
    ]


def decide(d: Difference | None, resolution: float = 0) -> str:
    """Applies the rule to a difference; `None` stands for one that cannot be had.

    Args:
        d: The difference.
        resolution: That of `paired_difference`; equal counts are no gain.
    """
    if d is None or d.n < MIN_SEEDS:
        return UNTOLD
    if d.high < 0:
        return HOLDS
    return FAILS if d.low >= -resolution / 2 else UNTOLD


def combine(outcomes: list[str]) -> str:
    """Returns the outcome of several parts."""
    kinds = set(outcomes)
    if len(kinds) == 1:
        return kinds.pop()
    if {HOLDS, FAILS} <= kinds:
        return MIXED
    return f"{HOLDS if HOLDS in kinds else FAILS} {IN_PART}"


def _finding(sweep: Sweep, claim: str, compared: str, tests) -> Finding:
    """Makes one finding of several tests, each with the pairs that it is made on."""
    pairs = [(t, name, rival) for t, rivals in tests for name, rival in rivals.items()]
    seeds = {
        (name, rival): measures.shared_seeds(sweep, name, rival)
        for _, name, rival in pairs
    }
    if not any(seeds.values()):
        return Finding(claim, UNTOLD, "since no run tests it", ())
    outcomes, parts = [], []
    for test, name, rival in pairs:
        shared = seeds[name, rival]
        if shared:
            outcome, part = test(sweep, name, rival, shared)
        else:
            outcome = UNTOLD
            part = f"{MODELS[name].label} and {_named(rival)} have no seed in common"
        outcomes.append(outcome)
        if part not in parts:
            parts.append(part)
    counts = [len(shared) for shared in seeds.values() if shared]
    return Finding(claim, combine(outcomes), f"{_over(counts)}, {compared}", tuple(parts))


def _over(counts: list[int]) -> str:
    """Says how many runs of each model a finding rests on."""
    few, many = min(counts), max(counts)
    if many == 1:
        return "from one run of each model"
    return f"over {many} seeds" if few == many else f"over {few} to {many} seeds"


def _sooner(sweep: Sweep, name: str, rival: str, seeds: list[int]) -> tuple[str, str]:
    """Tests whether a model reaches the baseline's best accuracy before its rival."""
    ours, theirs = (
        _shared(measures.epochs_to_target(sweep, model), seeds) for model in (name, rival)
    )
    d = measures.epochs_difference(sweep, name, rival)
    outcome = decide(d, resolution=1)
    if d is None and len(seeds) >= MIN_SEEDS:
        if _all(math.isfinite, ours) and _all(math.isinf, theirs):
            outcome = HOLDS
        if _all(math.isfinite, theirs) and _all(math.isinf, ours):
            outcome = FAILS
    return outcome, (
        f"{MODELS[name].label} reached the baseline's best validation accuracy "
        f"{_after(ours)}; {_named(rival)} {_after(theirs)} ({_judged(d, outcome)})"
    )


def _steadier(
    sweep: Sweep, name: str, rival: str, seeds: list[int], curve: str
) -> tuple[str, str]:
    """Tests whether a validation curve of a model strays less than its rival's."""
    scale, digits = scale_and_digits(curve)
    unit = "nats" if is_loss(curve) else "points"
    ours, theirs = (
        _shared(measures.curve_statistic(sweep, model, AROUND_MEDIAN, curve), seeds)
        for model in (name, rival)
    )
    if not any(math.isfinite(value) for value in (*ours.values(), *theirs.values())):
        return UNTOLD, f"{MODELS[name].label} has too few epochs to stray ({UNTOLD})"
    d = measures.curve_difference(sweep, name, rival, AROUND_MEDIAN, curve)
    outcome = decide(d)
    ours, theirs = (
        mean_and_deviation(values, scale, digits, count=False)
        for values in (ours, theirs)
    )
    return outcome, (
        f"the {CURVES[curve].lower()} of {MODELS[name].label} strayed {ours} {unit} from "
        f"its running median, that of {_named(rival)} {theirs} "
        f"({_judged(d, outcome, scale=scale, digits=digits)})"
    )


def _shared(values: dict[int, float], seeds: list[int]) -> dict[int, float]:
    return {seed: values.get(seed, math.nan) for seed in seeds}


def _judged(d: Difference | None, outcome: str, **written) -> str:
    """Writes a difference and what the rule makes of it."""
    return outcome if d is None else f"difference {difference(d, **written)}: {outcome}"


def _named(rival: str) -> str:
    return "the baseline" if rival == "baseline" else MODELS[rival].label


def _all(test, values: dict[int, float]) -> bool:
    return all(map(test, values.values()))


def _after(epochs: dict[int, float]) -> str:
    reached = {seed: value for seed, value in epochs.items() if math.isfinite(value)}
    if not reached:
        return "in no run"
    words = f"after {mean_and_deviation(reached, count=False)} epochs"
    if len(reached) < len(epochs):
        return f"in {len(reached)} of {len(epochs)} runs, {words}"
    return words


def _epochs(sweep: Sweep) -> str:
    """Says how long the baseline was trained."""
    counts = sorted(set(measures.epochs(sweep, "baseline").values()))
    return f"{' or '.join(map(str, counts))} epochs" if counts else "epochs"
