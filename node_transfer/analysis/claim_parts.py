"""The comparisons that claims of the paper rest on, as docs/protocol.md has them."""

import math
from collections.abc import Iterable

from node_transfer.analysis import claim_words as words
from node_transfer.analysis import inference, measures, protocol, provenance
from node_transfer.analysis.claim_words import Part, judge
from node_transfer.analysis.inference import (
    EQUIVALENT,
    HIGHER,
    LOWER,
    UNTOLD,
    Comparison,
)
from node_transfer.analysis.lineup import MODELS
from node_transfer.analysis.roughness import WINDOWS
from node_transfer.analysis.runs import Sweep
from node_transfer.analysis.stability import CURVES, is_loss

TIME_MARGIN = math.log(1.2)


def reading_of(sweep: Sweep, name: str) -> str:
    """`cold` or `warm`."""
    return "warm" if measures.starts_warm(sweep, name) else "cold"


def runs_of(sweep: Sweep, *names: str) -> str:
    """Says which runs a part rests on."""
    seeds = sorted(set.intersection(*(set(sweep.of(name)) for name in names)))
    numbers = ", ".join(map(str, seeds))
    plural = "" if len(seeds) == 1 else "s"
    lengths = " / ".join(
        str(max(measures.epochs(sweep, name).values(), default=0)) for name in names
    )
    return f"{', '.join(names)}; {lengths} epochs; seed{plural} {numbers}"


def epochs(sweep: Sweep, name: str, values: dict[int, float]) -> str:
    """Each seed's epochs to a level, of the runs of a model."""
    return words.epochs(values, measures.epochs(sweep, name))


def have(sweep: Sweep | None, *names: str) -> bool:
    """Whether a sweep has a seed that all the models have a finished run of."""
    if sweep is None:
        return False
    return bool(set.intersection(*(set(sweep.of(name)) for name in names)))


def test_accuracy(
    sweep: Sweep, left: str, right: str, claimed: str, control: tuple[str, str] | None
) -> Part:
    """Left less right in accuracy on the test images.

    With a control, left's and right's training without the block, also how much more that
    is than the same difference without it.
    """
    compare = protocol.test_accuracy
    tested = _adjusted(sweep, compare(sweep, left, right), compare)
    text, outcome = "", None
    if control:
        beside = compare(sweep, *control)
        more = protocol.more_than_control(sweep, (left, right), control)
        text = (
            f"{MODELS[control[0]].label} - {MODELS[control[1]].label}: "
            f"{words.accuracies(beside)}; with the block more by {words.points(more)}: "
            f"{_told(more)}"
        )
        outcome = more.outcome
    return Part(
        f"{MODELS[left].label} - {MODELS[right].label}",
        reading_of(sweep, left),
        f"test accuracy{_declared(sweep, left, right, compare)}",
        f"{_of_one_run(sweep, tested)}{words.accuracies(tested)}: {_told(tested)}",
        text,
        judge(claimed, tested.outcome, outcome),
        runs_of(sweep, left, right, *(control or ())),
    )


def epochs_to_level(sweep: Sweep, name: str, control: str, curve: str) -> Part:
    """Epochs of its own to the baseline's level, beside those the baseline was given."""
    seeds = [
        s
        for s in measures.shared_seeds(sweep, name, protocol.BASELINE)
        if s in sweep.of(control)
    ]
    ours = {s: protocol.epochs_of(sweep, name, s, curve) for s in seeds}
    given = {s: sweep.of(protocol.BASELINE)[s].epochs for s in seeds}
    theirs = {s: protocol.epochs_of(sweep, control, s, curve) for s in seeds}
    tested = _by_counting(ours, given)
    count = len(seeds)
    compare = protocol.epochs_to_baselines_level
    against, mark, what = compare(sweep, name, control, curve), "", "loss"
    if not is_loss(curve):
        against, what = _adjusted(sweep, against, compare), "accuracy"
        mark = _declared(sweep, name, control, compare)
    beside = against.outcome
    warm = reading_of(sweep, name) == "warm"
    trained = measures.epochs(sweep, name)
    start = {s: ours[s] + given[s] for s in seeds}
    in_all = words.epochs(start, {s: trained[s] + given[s] for s in seeds})
    with_start = f"; with the start's epochs {in_all}" if warm else ""
    short = any(math.isinf(ours[s]) and trained[s] < given[s] for s in seeds)
    ended = ", though its training ended before them" if short else ""
    return Part(
        MODELS[name].label,
        reading_of(sweep, name),
        f"epochs to the baseline's level of validation {what}",
        f"{epochs(sweep, name, ours)} against the {words.given(given)} that the baseline "
        f"was given{with_start}: {words.told(tested, count)}{ended}",
        f"{MODELS[control].label} {epochs(sweep, control, theirs)}: "
        f"{words.told(beside, count)}{mark}",
        judge(LOWER, tested, beside),
        runs_of(sweep, name, *dict.fromkeys((protocol.BASELINE, control))),
    )


def sooner_than(sweep: Sweep, left: str, right: str) -> Part:
    """Epochs of its own to the baseline's level, of one model beside another."""
    seeds = [
        s
        for s in measures.shared_seeds(sweep, left, right)
        if s in sweep.of(protocol.BASELINE)
    ]
    ours, theirs = (
        {s: protocol.epochs_of(sweep, name, s) for s in seeds} for name in (left, right)
    )
    tested = _by_counting(ours, theirs)
    return Part(
        f"{MODELS[left].label} - {MODELS[right].label}",
        reading_of(sweep, left),
        "epochs to the baseline's level of validation accuracy",
        f"{epochs(sweep, left, ours)} against {epochs(sweep, right, theirs)}: "
        f"{words.told(tested, len(seeds))}",
        "",
        judge(LOWER, tested, None),
        runs_of(sweep, left, right),
    )


def seconds_to_level(sweep: Sweep, name: str, control: str) -> Part:
    """Epochs to the level times the median epoch, beside all of the baseline's time."""
    seeds = [
        s
        for s in measures.shared_seeds(sweep, name, protocol.BASELINE)
        if s in sweep.of(control)
    ]

    def of_run(model: str, seed: int) -> float:
        second = measures.seconds_per_epoch(sweep, model)[seed]
        return protocol.epochs_of(sweep, model, seed) * second / 60

    ours = {s: of_run(name, s) for s in seeds}
    baseline = measures.seconds_per_epoch(sweep, protocol.BASELINE)
    whole = {s: sweep.of(protocol.BASELINE)[s].epochs * baseline[s] / 60 for s in seeds}
    theirs = {s: of_run(control, s) for s in seeds}
    tested, beside = (
        _by_ratio(ours, times) if _of_one_commit(sweep, name, other, seeds) else UNTOLD
        for other, times in ((protocol.BASELINE, whole), (control, theirs))
    )
    count = len(seeds)
    warm = reading_of(sweep, name) == "warm"
    counted = {s: ours[s] + whole[s] for s in seeds}
    start = f"; with the start's time {words.minutes(counted)}" if warm else ""
    return Part(
        MODELS[name].label,
        reading_of(sweep, name),
        "time to the baseline's level of validation accuracy",
        f"{words.minutes(ours)} against {words.minutes(whole)} of the whole "
        f"baseline{start}: {words.told(tested, count)}",
        f"{MODELS[control].label} {words.minutes(theirs)}: {words.told(beside, count)}",
        judge(LOWER, tested, beside),
        runs_of(sweep, name, *dict.fromkeys((protocol.BASELINE, control))),
    )


def roughness(
    sweep: Sweep, left: str, right: str, curves: Iterable[str], windows: Iterable[str]
) -> list[Part]:
    """Ratios of roughness, left over right, for the curves that fill the windows."""
    found = []
    for window in windows:
        for curve in curves:
            result = protocol.log_roughness(sweep, left, right, curve, window)
            if result.comparison is None:
                continue
            first, last = WINDOWS[window]
            found.append(
                Part(
                    f"{MODELS[left].label} / {MODELS[right].label}",
                    reading_of(sweep, left),
                    f"roughness, {CURVES[curve].lower()}, epochs {first} to {last}",
                    f"{_factor(sweep, result, curve, window)}: {_told(result)}",
                    "",
                    judge(LOWER, result.outcome, None),
                    runs_of(sweep, left, right),
                )
            )
    return found


def _of_one_run(sweep: Sweep, result: protocol.Result) -> str:
    """The accuracies of two models that have one run each, to stand before more."""
    if len(result.seeds) != 1:
        return ""
    (seed,) = result.seeds
    left, right = (
        100 * measures.accuracy(sweep, name)[seed] for name in (result.left, result.right)
    )
    return f"{left:.2f} - {right:.2f} %: "


def _factor(sweep: Sweep, result: protocol.Result, curve: str, window: str) -> str:
    """The ratio with its interval; of one run each that over their epochs."""
    if len(result.seeds) > 1:
        return words.factor(result)
    (seed,) = result.seeds
    ratio, low, high = protocol.roughness_within(
        sweep, result.left, result.right, seed, curve, window
    )
    if math.isnan(low):
        return words.factor(result)
    ours, theirs = (
        protocol.roughness_of(sweep.of(name)[seed], curve, window)
        for name in (result.left, result.right)
    )
    return (
        f"{ours:.2g} / {theirs:.2g} = {words.ratio(ratio)} [{words.ratio(low)}, "
        f"{words.ratio(high)}; nine in ten] "
        "by these two runs' epochs"
    )


def _declared(sweep: Sweep, left: str, right: str, compare) -> str:
    """` (P1)` of a declared comparison; empty of a secondary one."""
    name = protocol.declared(sweep, compare).get((left, right))
    return f" ({name})" if name else ""


def _adjusted(sweep: Sweep, result: protocol.Result, compare) -> protocol.Result:
    """The same result; of a declared comparison the one after Holm's adjustment."""
    name = protocol.declared(sweep, compare).get((result.left, result.right))
    return protocol.primaries(sweep)[name][0] if name else result


def _told(result: protocol.Result) -> str:
    count = result.comparison.n if result.comparison else 0
    return words.told(result.outcome, count)


def _by_counting(ours: dict[int, float], theirs: dict[int, float]) -> str:
    """Outcome of epochs, some of which may be infinite."""
    pairs = [(ours[seed], theirs[seed]) for seed in ours]
    if all(math.isfinite(x) for pair in pairs for x in pair):
        differences = [a - b for a, b in pairs]
        return inference.outcome(inference.compare(differences), protocol.EPOCHS_MARGIN)
    if len(pairs) < inference.MIN_SEEDS:
        return UNTOLD
    finite = [tuple(map(math.isfinite, pair)) for pair in pairs]
    if all(pair == (True, False) for pair in finite):
        return LOWER
    return HIGHER if all(pair == (False, True) for pair in finite) else UNTOLD


def _by_ratio(ours: dict[int, float], theirs: dict[int, float]) -> str:
    """Outcome of times, which decide nothing within a factor of 1.2."""
    pairs = [(ours[seed], theirs[seed]) for seed in ours]
    if not all(math.isfinite(x) for pair in pairs for x in pair):
        return _by_counting(ours, theirs)
    compared = inference.compare([math.log(a / b) for a, b in pairs])
    outcome = inference.outcome(compared, TIME_MARGIN)
    return UNTOLD if outcome == EQUIVALENT or _small(compared) else outcome


def _of_one_commit(sweep: Sweep, left: str, right: str, seeds: Iterable[int]) -> bool:
    """Whether runs were made by one commit, or do not say by which."""
    runs = [sweep.of(name)[seed] for name in (left, right) for seed in seeds]
    return len({commit for run in runs for commit in provenance.commits_of(run)}) < 2


def _small(compared: Comparison) -> bool:
    return abs(compared.mean) < TIME_MARGIN
