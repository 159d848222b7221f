"""The verdict on the paper's claim, by rules, from the numbers.

The claim has two parts: the block reaches the baseline's accuracy in *fewer epochs*, and
makes the curves *steadier*. Each is tested as the paper tests it, a warm-started model
against the baseline; then against the warm start alone, trained on without the block.

Steadiness is the deviation of validation accuracy around its running median: a curve
that only rises has none, whereas the mean absolute change counts the climb as well, and
the baseline's curve has the longest climb.
"""

import dataclasses
import math

from node_transfer.analysis import measures
from node_transfer.analysis.formats import difference, mean_and_deviation
from node_transfer.analysis.lineup import CONTROLS, MODELS, NODE_MODELS
from node_transfer.analysis.paired import Difference
from node_transfer.analysis.runs import Sweep
from node_transfer.analysis.stability import deviation_from_running_median

HOLDS, FAILS, UNTOLD, IN_PART = "holds", "fails", "cannot be told", "holds in part"
MIN_SEEDS = 3  # two seeds with equal differences would make an interval of no width

RULE = (
    "The rule: a difference between two models, in epochs to reach the baseline's best "
    "validation accuracy of the same seed or in the standard deviation of validation "
    "accuracy around its running median, paired by the seed, holds where its 95 % "
    "bootstrap interval lies below 0 or the rival alone never reaches the accuracy; it "
    "fails where the interval lies at or above 0 or the model itself never reaches it; "
    f"anything else, and fewer than {MIN_SEEDS} seeds always, cannot be told. A sentence "
    "of several parts holds or fails where all its parts do, and holds in part where "
    "some do."
)


@dataclasses.dataclass(frozen=True)
class Finding:
    """One sentence of the verdict.

    Attributes:
        claim: What was claimed.
        outcome: `HOLDS`, `FAILS`, `UNTOLD`, or `IN_PART`.
        rest: What follows claim and outcome in the sentence: the numbers.
    """

    claim: str
    outcome: str
    rest: str

    @property
    def sentence(self) -> str:
        """The whole sentence."""
        return f"{self.claim}: {self.outcome}{self.rest}"


def verdict(sweep: Sweep) -> list[Finding]:
    """Returns three findings: fewer epochs, steadier curves, the block's own doing."""
    against_baseline = dict.fromkeys(NODE_MODELS, "baseline")
    added = "With the block added to the trained baseline, whose epochs are not counted"
    without = "Beside the baseline trained on for as long without the block"
    return [
        _finding(sweep, "Fewer epochs", added, [(_sooner, against_baseline)]),
        _finding(
            sweep, "Steadier curves", added.split(",")[0], [(_steadier, against_baseline)]
        ),
        _finding(
            sweep,
            "The block's own doing",
            without,
            [(_sooner, CONTROLS), (_steadier, CONTROLS)],
        ),
    ]


def decide(d: Difference | None) -> str:
    """Applies the rule to a difference; `None` stands for one that cannot be had."""
    if d is None or d.n < MIN_SEEDS:
        return UNTOLD
    if d.high < 0:
        return HOLDS
    return FAILS if d.low >= 0 else UNTOLD


def combine(outcomes: list[str]) -> str:
    """Returns the outcome of several parts."""
    kinds = set(outcomes)
    if len(kinds) == 1:
        return kinds.pop()
    return UNTOLD if not kinds or HOLDS not in kinds else IN_PART


def _finding(sweep: Sweep, claim: str, opening: str, tests) -> Finding:
    """Makes one finding of several tests, each with the pairs that it is made on."""
    outcomes, clauses, seeds = [], [], []
    for test, rivals in tests:
        for name, rival in rivals.items():
            shared = sweep.of(name).keys() & sweep.of(rival).keys()
            if shared:
                outcome, clause = test(sweep, name, rival)
                outcomes.append(outcome)
                clauses.append(clause)
                seeds.append(len(shared))
    if not clauses:
        return Finding(claim, UNTOLD, ", since no run tests it.")
    rest = f" {_over(seeds)}. {opening}, {'; '.join(clauses)}."
    return Finding(claim, combine(outcomes), rest)


def _over(seeds: list[int]) -> str:
    """Says how many runs of each model a finding rests on."""
    few, many = min(seeds), max(seeds)
    if many == 1:
        return "from one run of each model"
    return f"over {many} seeds" if few == many else f"over {few} to {many} seeds"


def _sooner(sweep: Sweep, name: str, rival: str) -> tuple[str, str]:
    """Tests whether a model reaches the baseline's best accuracy before its rival."""
    ours = measures.epochs_to_target(sweep, name)
    theirs = measures.epochs_to_target(sweep, rival)
    d = measures.epochs_difference(sweep, name, rival)
    outcome = decide(d)
    shared = ours.keys() & theirs.keys()
    if d is None and len(shared) >= MIN_SEEDS:
        if _all_reach(ours, shared) and not _any_reaches(theirs, shared):
            outcome = HOLDS
        if _all_reach(theirs, shared) and not _any_reaches(ours, shared):
            outcome = FAILS
    clause = (
        f"{MODELS[name].label} reached the baseline's best validation accuracy "
        f"{_after(ours)}, {_named(rival)} {_after(theirs)}"
    )
    return outcome, f"{clause} ({_judged(d, outcome)})"


def _steadier(sweep: Sweep, name: str, rival: str) -> tuple[str, str]:
    """Tests whether a model's validation accuracy strays less than its rival's."""
    ours, theirs = (
        mean_and_deviation(
            measures.validation_statistic(sweep, model, deviation_from_running_median),
            scale=100,
            digits=2,
            count=False,
        )
        for model in (name, rival)
    )
    d = measures.validation_statistic_difference(
        sweep, name, rival, deviation_from_running_median
    )
    clause = (
        f"the validation accuracy of {MODELS[name].label} strayed {ours} points from its "
        f"running median, that of {_named(rival)} {theirs}"
    )
    return decide(d), f"{clause} ({_judged(d, decide(d), scale=100, digits=2)})"


def _judged(d: Difference | None, outcome: str, **written) -> str:
    """Writes a difference and what the rule makes of it."""
    return outcome if d is None else f"difference {difference(d, **written)}: {outcome}"


def _named(rival: str) -> str:
    return "the baseline" if rival == "baseline" else MODELS[rival].label


def _all_reach(epochs: dict[int, float], seeds) -> bool:
    return all(math.isfinite(epochs[seed]) for seed in seeds)


def _any_reaches(epochs: dict[int, float], seeds) -> bool:
    return any(math.isfinite(epochs[seed]) for seed in seeds)


def _after(epochs: dict[int, float]) -> str:
    reached = {s: e for s, e in epochs.items() if math.isfinite(e)}
    if not reached:
        return "in no run"
    words = f"after {mean_and_deviation(reached, digits=1, count=False)} epochs"
    if len(reached) < len(epochs):
        words += f", in {len(reached)} of {len(epochs)} runs"
    return words
